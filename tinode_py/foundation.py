"""What connections stand upon: the store, notifications, the tasks of topics, who may come in.

From outside in, as `server.running` nests them. Nothing here knows of sockets.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs
import trio

from .auth.anonymous import Anonymous
from .auth.checker import Hasher
from .auth.made import made_schemes
from .auth.rest import Rest
from .auth.secrets import Secrets, load_secrets, make_folder
from .auth.token import TokenKeeper
from .changes import Batch, PutTopic
from .config import ConfigError, Settings, database, is_lasting, postgres
from .errors import StoreError
from .hooks.before import Before
from .live.asking import settle
from .live.attendance import Attendance
from .live.calls import see_to_calls
from .live.collecting import Collector
from .live.couriers import Couriers
from .live.devices import Devices
from .live.entrance import Entrance
from .live.hub import Hub
from .live.lobby import Lobby
from .live.logins import Logins
from .live.newcomers import Newcomers
from .live.placement import Companions, alone
from .live.proofs import Proofs
from .live.pushing import Pushing, pushing_to
from .live.retention import Retention
from .live.session import Session
from .live.standing import Follower, Standing, looking
from .live.upkeep import keep_up
from .mail.base import Courier
from .mail.hook import Hook
from .mail.smtp import Mailer
from .push.base import Pusher
from .push.made import pushers
from .queries import TopicByName
from .records import Topic
from .store.base import Store
from .store.lock import LockedError, data_lock
from .store.memory import MemoryStore
from .store.migrate import SchemaError
from .store.postgres.address import Address, AddressFault
from .store.secrets import TOKEN_KEY, shared_secret
from .store.sqlite import open_owned, open_sqlite
from .store.watched import News, Watched
from .worker import Worker

# Joins the cluster that keeps itself in a store, for the time of a block.
Cluster = Callable[[Any, News], AbstractAsyncContextManager[Companions]]
Opening = Callable[[], AbstractAsyncContextManager[Store]]


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@attrs.frozen
class Parts:
    """What tests replace: time, chance, the cost of a password, threads; where faults come in."""

    now: Callable[[], int] = wall_clock
    random_bytes: Callable[[int], bytes] = os.urandom
    hasher: Hasher | None = None
    inline: bool = False  # run the store and password checks on the loop's thread
    pushers: tuple[Pusher, ...] = ()  # beside those that the settings ask for
    couriers: Mapping[str, Courier] = attrs.field(factory=dict)  # in place of the settings'
    around_store: Callable[[Store], Store] = lambda store: store
    on_session: Callable[[Session], None] = lambda session: None
    bare: bool = False  # without the settings that the store holds
    store: Store | None = None  # in place of the one that the settings name
    cluster: Cluster | None = None  # in place of the one that the settings name
    remote: Opening | None = None  # of a store that another node has, if the settings name one
    worker: Worker | None = None  # which one of several processes this is


@attrs.frozen
class Ground:
    """What a server keeps, its secrets, and the other nodes, if there can be any."""

    store: Store
    secrets: Secrets
    companions: Companions | None = None


@contextlib.asynccontextmanager
async def stored(settings: Settings, parts: Parts, news: News) -> AsyncIterator[Ground]:
    """The store, and the secrets in the locked data folder, unless nothing is kept at all."""
    async with contextlib.AsyncExitStack() as stack:
        if parts.store is None and not is_lasting(settings):
            store = Watched(parts.around_store(MemoryStore()), news)
            yield Ground(store, Secrets.fresh(parts.random_bytes))
            return
        secrets = stack.enter_context(_kept_secrets(settings, parts))
        try:
            found = parts.store
            if found is None:
                found = await stack.enter_async_context(_database(settings, parts))
        except (SchemaError, StoreError, AddressFault) as error:
            raise ConfigError("server.store", str(error)) from error
        store = Watched(parts.around_store(found), news)
        if parts.cluster is None:
            yield Ground(store, secrets)
            return
        companions = await stack.enter_async_context(parts.cluster(found, news))
        secrets = Secrets(await shared_secret(found, TOKEN_KEY, secrets.token_key))
        watched = Watched(store, companions.commits, companions.doubt)
        yield Ground(watched, secrets, companions)


@contextlib.contextmanager
def _kept_secrets(settings: Settings, parts: Parts) -> Iterator[Secrets]:
    """Those of the data folder, which is locked meanwhile; fresh ones where there is none."""
    if not is_lasting(settings):
        yield Secrets.fresh(parts.random_bytes)
        return
    folder = Path(settings.server.data)
    if parts.worker is not None:  # who has started it holds the lock, and made the folder
        yield load_secrets(folder, parts.random_bytes)
        return
    make_folder(folder)
    with _locked(folder):
        yield load_secrets(folder, parts.random_bytes)


def _database(settings: Settings, parts: Parts) -> AbstractAsyncContextManager[Store]:
    """The database that the settings name; PostgreSQL's library is needed for that alone."""
    if parts.remote is not None:
        return parts.remote()
    url = postgres(settings)
    if url is None:
        file = database(settings)
        assert file is not None
        opening = open_owned if settings.cluster.listen else open_sqlite
        return opening(file, inline=parts.inline)
    address = Address.of(url)
    from .store.postgres.store import open_postgres

    return open_postgres(
        address,
        connections=settings.postgres.connections,
        inline=parts.inline,
        shared=bool(settings.cluster.listen),
    )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(data_lock(folder))
        except LockedError as error:
            raise ConfigError("server.data", str(error)) from None
        yield


@contextlib.asynccontextmanager
async def notifying(
    settings: Settings, store: Store, parts: Parts
) -> AsyncIterator[Pushing | None]:
    """Notifications, if anybody takes them: they outlive the topics, which make them."""
    async with (
        pushers(settings.push, parts.now) as found,
        pushing_to((*found, *parts.pushers), store, settings.push, parts.now) as pushing,
    ):
        yield pushing


@contextlib.asynccontextmanager
async def topics(
    standing: Standing,
    store: Store,
    parts: Parts,
    pushing: Pushing | None,
    before: Before | None,
    companions: Companions | None = None,
) -> AsyncIterator[Hub]:
    """The tasks of topics: they end by themselves once their inboxes are empty."""
    settings = standing.settings
    async with trio.open_nursery() as nursery:
        couriers = Couriers({**_couriers(settings), **parts.couriers})
        nursery.start_soon(couriers.run)
        attendance = Attendance(store, parts.now)
        if companions is None or companions.is_first:
            await attendance.begin()
        nursery.start_soon(attendance.run)
        hub = Hub(
            settings,
            store,
            nursery,
            parts.now,
            parts.random_bytes,
            couriers,
            pushing,
            attendance,
            before,
            near=companions is None and postgres(settings) is None,
        )
        if companions is not None:
            companions.open(hub)
        if companions is None or companions.is_first:
            nursery.start_soon(see_to_calls, hub, lambda topic: False)
        collector = Collector(settings, store, parts.now, hub.everywhere.has_session, hub.submit)
        retention = Retention(settings, store, parts.now, functools.partial(settle, hub))
        standing.follow(looking(hub), looking(collector), looking(retention))
        upkeep = functools.partial(keep_up, store, parts.now, collector, retention)
        nursery.start_soon(alone, companions, "upkeep", upkeep)
        try:
            yield hub
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                await hub.close()
                await attendance.wait_idle()
            nursery.cancel_scope.cancel()


def _couriers(settings: Settings) -> dict[str, Courier]:
    """Who brings codes, by method of credentials."""
    found: dict[str, Courier] = {}
    if settings.smtp.host:
        found["email"] = Mailer(settings.smtp, settings.auth.code.expire // 60)
    if settings.validators.tel.webhook:
        found["tel"] = Hook(settings.validators.tel.webhook)
    return found


async def make_sys(store: Store, now: int) -> None:
    """The operators' mailbox is there from the start."""
    if await store.fetch(TopicByName("sys")) is None:
        topic = Topic("sys", now, now, now, public=b'{"fn":"System"}')
        await store.commit(Batch((PutTopic(topic),)))


def entrance_of(
    standing: Standing, parts: Parts, store: Store, secrets: Secrets, hub: Hub, rest: Rest | None
) -> Entrance:
    """How sessions come in."""
    settings = standing.settings
    tokens = TokenKeeper(
        secrets.token_key, serial=settings.auth.token.serial, expire=settings.auth.token.expire
    )
    schemes = made_schemes(settings, store, tokens, rest, parts.hasher, inline=parts.inline)
    entrance = Entrance(
        settings,
        store,
        schemes,
        tokens,
        parts.now,
        parts.random_bytes,
        build(),
        Devices(store, parts.now, hub.pushing),
        Proofs(store, hub.env, hub.couriers.take, hub.confirmed),
        Logins(
            store,
            settings.sessions,
            settings.auth.token.expire * 1000,
            parts.now,
            hub.everywhere.sessions_of,
            hub.everywhere.end,
        ),
        Newcomers(store, hub.env, parts.random_bytes),
        (rest.forget,) if rest else (),
        _lobby(settings, store, hub),
    )
    standing.follow(_follower(entrance, hub))
    return entrance


def _follower(entrance: Entrance, hub: Hub) -> Follower:
    """Of the entrance, and of what it has made of settings."""

    def ready(settings: Settings) -> Callable[[], None]:
        def put_in_force() -> None:
            entrance.settings = settings
            entrance.logins.policy = settings.sessions
            entrance.lobby = _lobby(settings, entrance.store, hub)
            for scheme in entrance.schemes.values():
                if isinstance(scheme, Anonymous):
                    scheme.allowed = settings.auth.anonymous

        return put_in_force

    return ready


def _lobby(settings: Settings, store: Store, hub: Hub) -> Lobby | None:
    name = settings.users.lobby
    return Lobby(name, store, hub.submit) if name else None


@functools.cache
def build() -> str:
    """What {hi} tells of this server's build."""
    try:
        return f"tinode-py:{version('tinode-py')}"
    except PackageNotFoundError:
        return "tinode-py:source"
