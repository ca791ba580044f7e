"""Joining the cluster whose nodes share a store, as the settings say: a database of PostgreSQL, or
a file that one of them has.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import attrs
import trio

from ..config import ConfigError, Settings, postgres
from ..errors import StoreError
from ..store.base import Store
from ..store.coordination import Coordination, MemoryCoordination
from ..store.fenced import OwnedStore
from ..store.postgres.address import Address
from ..store.secrets import CLUSTER_KEY, shared_secret
from ..store.watched import News
from ..worker import Worker
from .assigning import Assigning
from .cluster import Cluster, Place, joined
from .link import Links
from .node import Node
from .reach import Reach, advertised, listening_at
from .remote.opening import opened, owner_of, shared_by, wait_for_leavers
from .remote.owner import Owner
from .remote.store import RemoteStore

KEY_LENGTH = 32  # bytes
LEAVING = 10.0  # seconds for nodes that are told to stop at the same time, beyond one's own drain


class SharedStore(Store, Protocol):
    """A store that several nodes write to."""

    def serve_as(self, node: int) -> None:
        """Commits are those of `node` from now on."""


@attrs.define(eq=False)
class Door:
    """Where other nodes connect, at `address`. The links behind it are those of the member of now;
    `owner` serves this node's store, if it has it.
    """

    settings: Settings
    reach: Reach
    random_bytes: Callable[[int], bytes]
    address: str
    secret: bytes = b""
    owner: Owner | None = None
    begun: trio.Event = attrs.field(factory=trio.Event)  # there are links
    _links: Links | None = None

    def links(self, node: Node) -> Links:
        """The links of a node that has just joined."""
        cluster = self.settings.cluster
        self._links = Links(
            node.id,
            self.secret,
            self.reach.connect,
            node,
            random_bytes=self.random_bytes,
            lease=cluster.lease,
            queue=cluster.queue,
            bury=node.membership.bury,
            address=self.address,
            ending=node.membership.ending,
        )
        self.begun.set()
        return self._links

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Accept as soon as there is somebody to connect to; until then connections wait."""
        await self.begun.wait()
        await trio.serve_listeners(self.accept, listeners)

    async def accept(self, stream: trio.SocketStream) -> None:
        """Serve a connection that another node has made."""
        taken = self.reach.take(stream)
        if self.owner is not None:
            await self.owner.accept(taken, self._link)
        else:
            await self._link(taken)

    async def _link(self, stream: trio.abc.Stream) -> None:
        if self._links is None:
            await trio.aclose_forcefully(stream)
        else:
            await self._links.accept(stream)


@contextlib.asynccontextmanager
async def opening_remote(
    settings: Settings, reach: Reach, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[RemoteStore]:
    """The store of another node, for the time of the block."""
    async with opened(settings, reach, random_bytes) as store:
        yield store


@contextlib.asynccontextmanager
async def joining(
    settings: Settings,
    reach: Reach,
    random_bytes: Callable[[int], bytes],
    worker: Worker | None,
    store: SharedStore,
    news: News,
) -> AsyncIterator[Cluster]:
    """A node while the block runs. ConfigError for what the settings ask and cannot be."""
    listeners = await _listening(settings.cluster.listen)
    place = _place(settings, listeners[0], worker)
    door = Door(settings, reach, random_bytes, place.address)
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            stack.push_async_callback(listener.aclose)
        coordination = await stack.enter_async_context(_coordination(settings, store))
        cluster = Cluster(
            coordination,
            place,
            settings.cluster.lease,
            door.links,
            store.serve_as,
            on_news=news.ring,
            assigning=Assigning(settings.cluster.assign, random_bytes),
            is_past=partial(_is_past, worker, place.address),
            moves=settings.cluster.rebalance,
        )
        try:
            await stack.enter_async_context(joined(cluster))
            door.secret = await shared_secret(store, CLUSTER_KEY, random_bytes(KEY_LENGTH))
        except StoreError as error:
            raise ConfigError("cluster.listen", str(error)) from error
        if isinstance(store, RemoteStore):
            store.on_new_owner(cluster.doubt)
        nursery = await stack.enter_async_context(trio.open_nursery())
        if isinstance(store, OwnedStore):
            assert isinstance(coordination, MemoryCoordination)
            door.owner = owner_of(store, coordination, settings, random_bytes)
            await nursery.start(door.owner.run)
        nursery.start_soon(door.serve, listeners)
        try:
            yield cluster
        finally:
            if isinstance(coordination, MemoryCoordination):
                await _others_left(coordination, cluster)
            nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _coordination(settings: Settings, store: Store) -> AsyncIterator[Coordination]:
    """What the nodes of a store agree upon."""
    if isinstance(store, OwnedStore):
        yield shared_by(store, settings.cluster.lease)
    elif isinstance(store, RemoteStore):
        yield store
    else:
        from ..store.postgres.coordination import open_coordination  # needs PostgreSQL's library

        url = postgres(settings)
        assert url is not None  # the settings were checked
        async with open_coordination(Address.of(url)) as found:
            yield found


async def _others_left(coordination: MemoryCoordination, cluster: Cluster) -> None:
    with trio.CancelScope(shield=True):
        await wait_for_leavers(coordination, cluster.number, cluster.lease, LEAVING)


def reach_of(settings: Settings) -> Reach:
    """How it reaches other nodes. ConfigError if its files cannot be used."""
    try:
        return Reach(settings.cluster.tls)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("cluster.tls", str(error)) from None


def _is_past(worker: Worker | None, own: str, address: str) -> bool:
    return worker is not None and worker.is_past(address, own)


def _place(settings: Settings, listener: trio.SocketListener, worker: Worker | None) -> Place:
    cluster = settings.cluster
    name = cluster.name or socket.gethostname()
    return Place(
        name if worker is None else f"{name}-{worker.number}",
        advertised(cluster, listener.socket.getsockname()),
        settings.web.public_url,
    )


async def _listening(address: str) -> list[trio.SocketListener]:
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("unix:"):
            return [listening_at(Path(address.removeprefix("unix:")))]
        return await trio.open_tcp_listeners(int(port), host=host.strip("[]") or None)
    except OSError as error:
        raise ConfigError("cluster.listen", f"{address}: {error.strerror or error}") from None
