"""The server, put together. The order of starting and stopping is the nesting of `running`.

From outside in: the data folder's lock, the store, the tasks of topics, the connections.
Stopping goes the other way: no more is accepted, what was asked is answered, sessions are told
and closed, topics end, the store is closed. It works the same whether the block around it ended
or was left with an error.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from starlette.routing import BaseRoute

from .auth.made import authenticator
from .auth.rest import Rest
from .config import ConfigError, Settings, is_lasting, remote
from .errors import SHUTDOWN
from .foundation import Ground, Parts, build, entrance_of, make_sys, notifying, stored, topics
from .hangup import Certificates, watch
from .hooks.before import Befores, befores
from .live.entrance import Entrance
from .live.events import Events, events_of
from .live.hub import Hub
from .live.outbox import ConnectionInfo, Outlet
from .live.placement import Companions, alone
from .live.session import Session
from .live.standing import Follower, Standing, looking, standing_on
from .live.uploads import Uploads, uploads_of
from .live.visitors import Visitors
from .log import set_level
from .store.base import Store
from .store.watched import News
from .web.app import Site, make_app
from .web.chat_page import ChatPage, admin_page, admin_routes, made_pages
from .web.control import Desk, controlled
from .web.files import Files
from .web.front import Front
from .web.gate import Gate
from .web.handshake import Doors
from .web.keep import retention_routes
from .web.listen import AddressError, inherited, open_listeners, url_of
from .web.longpoll import longpoll_route, near_longpoll_route
from .web.metrics import Sources, metrics_registry, metrics_routes
from .web.neighbour_door import Told, at_door
from .web.neighbours import Neighbours, figures_of_all
from .web.polled import PolledSessions
from .web.set_settings import settings_routes
from .web.tls import TlsContext, tls_of
from .web.v1.backend import Backend
from .web.v1.due import send_when_due
from .web.v1.routes import business_routes
from .web.worker_metrics import near_metrics_route
from .wire.codec import WireLimits
from .wire.parts import Time
from .wire.server_packets import Ctrl
from .worker import Worker

__all__ = ["Parts", "Server", "running", "serve"]

log = logging.getLogger(__name__)
_FIRST_LINKS = 3.0  # seconds for links to the other workers, before connections are taken
_LAST_POLL = 1.0  # seconds for clients that poll to fetch their last packets


@attrs.define(eq=False)
class Server:
    """A server that runs."""

    settings: Settings
    standing: Standing
    hub: Hub
    store: Store
    front: Front
    polled: PolledSessions
    entrance: Entrance
    events: Events
    uploads: Uploads
    doors: Doors
    urls: list[str] = attrs.field(factory=list)
    ready: bool = False
    tls: TlsContext | None = None
    certificates: dict[str, Certificates] = attrs.field(factory=dict)  # by the settings
    on_session: Callable[[Session], None] = lambda session: None
    companions: Companions | None = None
    near_routes: tuple[BaseRoute, ...] = ()  # for other workers
    wire: WireLimits = attrs.field(init=False)  # one for all: its reader is looked up by it

    @wire.default
    def _wire(self) -> WireLimits:
        return wire_limits(self.settings)

    @property
    def url(self) -> str:
        """Where clients find the first listener."""
        return self.urls[0]

    def new_session(self, outlet: Outlet, info: ConnectionInfo) -> Session:
        """A session for a connection that has just been accepted."""
        session = Session.begin(
            outlet, info, self.hub, self.entrance, self.wire, self.entrance.random_bytes
        )
        self.on_session(session)
        return session

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What lets other settings hold, for sessions that begin afterwards."""

        def put_in_force() -> None:
            self.settings = settings
            self.wire = wire_limits(settings)

        return put_in_force

    def figures(self) -> dict[str, dict[str, int]]:
        """Counters and counts of now, by the part of the server that keeps them."""
        others = self.companions
        return {
            **({} if others is None else {"node": others.statistics().figures()}),
            "hub": attrs.asdict(self.hub.statistics()),
            "front": attrs.asdict(self.front.statistics()),
            "store": attrs.asdict(self.store.statistics()),
        }

    async def all_figures(self) -> dict[str, Any]:
        """The same of all workers, if this is one of several."""
        return await figures_of_all(self.figures(), self.polled.neighbours)

    async def drain(self) -> None:
        """Stop in good order: at most `server.drain_seconds`, then what is left is broken off.

        Topics that are used on other nodes go there; what was asked is answered, what is asked
        from then on is refused; then every session is told and closed.
        """
        self.ready = False
        seconds = self.settings.server.drain_seconds
        self.front.begin_drain()
        self.events.journal.close()
        with trio.move_on_after(seconds) as patience:
            if self.companions is not None:
                self.companions.begin_drain()
                with trio.move_on_after(seconds / 2):
                    await self.companions.hand_over()
            self.hub.draining = True
            await self.hub.wait_idle()
        self.hub.shut_down(Ctrl(SHUTDOWN.code, SHUTDOWN.text, Time(self.entrance.now())))
        with trio.move_on_at(min(patience.deadline, trio.current_time() + _LAST_POLL)):
            await self.polled.wait_collected()
        left = patience.deadline - trio.current_time()
        await self.front.drain(max(left, 0.1))


def wire_limits(settings: Settings) -> WireLimits:
    return WireLimits(message_size=settings.limits.message_size, depth=settings.limits.depth)


@contextlib.asynccontextmanager
async def running(settings: Settings, parts: Parts | None = None) -> AsyncIterator[Server]:
    """A server that accepts connections while the block runs, and drains at its end.

    A cancellation from outside reaches its tasks as well: then nothing is drained. Who wants
    a drain lets the block end, or shields a task of its own (docs/embedding.md).

    Raises ConfigError for what the settings ask and cannot be: an address in use, a data
    folder in use, a database of another version.
    """
    parts = parts or Parts()
    parts, certificates = _as_node(settings, parts)
    news = News()
    async with (
        stored(settings, parts, news) as ground,
        authenticator(settings) as (settings, rest),
        standing_on(settings, ground.store, bare=parts.bare) as (settings, standing),
        befores(settings.webhooks.before, wire_limits(settings), parts.now) as (asking, before),
        notifying(settings, ground.store, parts) as pushing,
        events_of(
            *(ground.store, news, settings, parts.now, parts.random_bytes, ground.companions)
        ) as events,
        uploads_of(
            *(settings, ground.store, parts.now, parts.random_bytes),
            inline=parts.inline,
            worker=parts.worker,
            companions=ground.companions,
        ) as uploads,
        topics(standing, ground.store, parts, pushing, before, ground.companions) as hub,
    ):
        await make_sys(ground.store, parts.now())
        server = _assembled(standing, parts, ground, hub, rest, events, uploads)
        standing.follow(looking(uploads), _events_follower(events), events.webhooks.ready_for)
        standing.follow(_before_follower(asking, hub))
        if ground.companions is not None:
            ground.companions.heed(standing)
        server.on_session, server.companions = parts.on_session, ground.companions
        server.certificates.update(certificates)
        worker = parts.worker
        if worker is not None and ground.companions is not None:
            with trio.move_on_after(_FIRST_LINKS):
                await ground.companions.wait_linked()
        async with (
            _sending_later(server),
            _beside_others(server, worker),
            _controlled(server, worker),
            _listening(server, worker),
        ):
            server.ready = True
            try:
                yield server
            finally:
                with trio.CancelScope(shield=True):
                    await server.drain()


def _as_node(settings: Settings, parts: Parts) -> tuple[Parts, dict[str, Certificates]]:
    """What a node is made of beside, and its certificates for other nodes."""
    if not settings.cluster.listen and remote(settings) is None:
        return parts, {}
    from .cluster.joining import joining, opening_remote, reach_of  # most servers are alone

    reach = reach_of(settings)
    if settings.cluster.listen and parts.cluster is None:
        joins = partial(joining, settings, reach, parts.random_bytes, parts.worker)
        parts = attrs.evolve(parts, cluster=joins)
    if remote(settings) is not None and parts.store is None:
        opens = partial(opening_remote, settings, reach, parts.random_bytes)
        parts = attrs.evolve(parts, remote=opens)
    return parts, {"cluster.tls": reach} if settings.cluster.tls.cert else {}


async def serve(
    settings: Settings,
    stop: trio.Event,
    *,
    on_ready: Callable[[list[str]], None] | None = None,
    reread: Callable[[], Settings] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until `stop` is set; then drain. For a process of its own: it sets the log's level.

    SIGHUP reads again what is said in `hangup`; `reread` is what the settings came from.
    """
    async with running(settings, Parts(worker=worker)) as server, trio.open_nursery() as nursery:
        set_level(server.settings.log.level)
        server.standing.follow(lambda new: partial(set_level, new.log.level))
        await nursery.start(watch, server.certificates, server.standing, reread)
        log.info("ready")
        if on_ready is not None:
            on_ready(server.urls)
        await stop.wait()
        nursery.cancel_scope.cancel()


def _assembled(
    standing: Standing,
    parts: Parts,
    ground: Ground,
    hub: Hub,
    rest: Rest | None,
    events: Events,
    uploads: Uploads,
) -> Server:
    settings, store = standing.settings, ground.store
    entrance = entrance_of(standing, parts, store, ground.secrets, hub, rest)
    tls = tls_of(settings.web.tls)

    def new_session(outlet: Outlet, info: ConnectionInfo) -> Session:
        return server.new_session(outlet, info)

    try:
        doors = Doors.of(settings.web, parts.now)
        pages, admin = made_pages(settings.web), admin_page(settings.web)
    except ValueError as error:
        raise ConfigError("web.api_salt", str(error)) from None
    site = Site(
        doors,
        ready=lambda: server.ready,
        draining=lambda: server.front.draining,
        now=parts.now,
    )
    neighbours = Neighbours(parts.worker) if parts.worker else None
    polled = PolledSessions(
        *(settings, new_session, parts.now, parts.random_bytes, ground.companions, neighbours)
    )
    gate = Gate(doors.keys, Visitors(entrance), polled.user_of)
    sources = Sources(hub, store, lambda: front.statistics(), polled.statistics, build())
    registry = metrics_registry(sources)
    routes = [
        longpoll_route(site, polled),
        *Files.of(settings, gate, uploads).routes(),
        *business_routes(Backend.over(hub, entrance, events)),
        *metrics_routes(settings.web.metrics, registry, parts.now, neighbours),
        *admin_routes(admin),
    ]
    front = Front(settings, new_session, make_app(site, pages, routes), doors, tls)
    server = Server(
        settings, standing, hub, store, front, polled, entrance, events, uploads, doors, tls=tls
    )
    if tls is not None:
        server.certificates["web.tls"] = tls
    server.near_routes = (near_longpoll_route(site, polled), near_metrics_route(registry))
    standing.follow(server.ready_for, doors.ready_for, front.ready_for, polled.ready_for)
    standing.follow(*(page.ready_for for page in (pages, admin) if isinstance(page, ChatPage)))
    return server


def _events_follower(events: Events) -> Follower:
    def ready(settings: Settings) -> Callable[[], None]:
        return lambda: setattr(events.streams, "total_tokens", settings.events.readers)

    return ready


def _before_follower(asking: Befores, hub: Hub) -> Follower:
    def ready(settings: Settings) -> Callable[[], None]:
        before = asking.of(settings.webhooks.before, wire_limits(settings))
        return lambda: setattr(hub, "before", before)

    return ready


@contextlib.asynccontextmanager
async def _sending_later(server: Server) -> AsyncIterator[None]:
    """What back ends want sent later is sent at its time, while the block runs."""
    async with trio.open_nursery() as nursery:
        backend = Backend.over(server.hub, server.entrance, server.events)
        due = partial(send_when_due, backend)
        nursery.start_soon(alone, server.companions, "sending later", due)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _beside_others(server: Server, worker: Worker | None) -> AsyncIterator[None]:
    """Other workers are answered what they ask for their clients, also while this one drains."""
    if worker is None:
        yield
        return
    told = Told(server.polled, server.figures, server.near_routes)
    async with at_door(worker, server.settings, told, server.new_session):
        yield


@contextlib.asynccontextmanager
async def _controlled(server: Server, worker: Worker | None) -> AsyncIterator[None]:
    """The operator's door, where there is a data folder for it."""
    if not is_lasting(server.settings):
        yield
        return
    business = business_routes(Backend.of_operator(server.hub, server.entrance, server.events))
    changing = settings_routes(server.standing, server.hub.now, server.hub.random_bytes)
    routes = (*business, *changing, *retention_routes(server.hub))
    desk = Desk(server.hub, server.store, server.all_figures, routes)
    folder = Path(server.settings.server.data)
    given = worker.control if worker else ()
    async with controlled(folder, server.settings, desk, server.new_session, given):
        yield


@contextlib.asynccontextmanager
async def _listening(server: Server, worker: Worker | None) -> AsyncIterator[None]:
    try:
        listeners = (
            await open_listeners(server.settings.server.listen)
            if worker is None
            else inherited(worker.listen)
        )
    except AddressError as error:
        raise ConfigError("server.listen", str(error)) from None
    tls = server.tls is not None
    server.urls = [url_of(listener, tls) for listener in listeners]
    async with trio.open_nursery() as nursery:
        await nursery.start(server.polled.serve)
        await nursery.start(partial(server.front.serve, keep_paths=bool(worker)), listeners)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
