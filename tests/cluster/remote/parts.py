"""An owner and programs that use its store, in one process: connections that can be cut."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import attrs
import trio
import trio.testing

from tests.cluster.nodes import Wire
from tinode_py.changes import Batch, Outcome
from tinode_py.cluster.remote.line import Line, Way
from tinode_py.cluster.remote.owner import Identity, Owner, OwnStore
from tinode_py.cluster.remote.store import RemoteStore, open_remote
from tinode_py.store.base import Statistics
from tinode_py.store.coordination import FencedStore, Member, MemoryCoordination
from tinode_py.store.memory import MemoryStore

IDENTITY = Identity(b"the secret of this cluster", 21, "1.0")


async def nobody(stream: trio.abc.Stream) -> None:
    """Where connections that are none to a store go here."""
    await trio.aclose_forcefully(stream)


@attrs.define(eq=False)
class Exchange:
    """Where the owner is reached, and all connections there were: near ends, far ends."""

    nursery: trio.Nursery
    owner: Owner | None = None
    wires: list[tuple[Wire, Wire]] = attrs.field(factory=list)
    deaf: bool = False  # connections are made, and nothing comes through

    async def connect(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.owner is None:
            raise ConnectionRefusedError("refused")
        near, far = map(Wire, trio.testing.memory_stream_pair())
        near.cut = far.cut = self.deaf
        self.wires.append((near, far))
        self.nursery.start_soon(self.owner.accept, far, nobody)
        return near

    def line(self, identity: Identity = IDENTITY, seed: int = 1, **terms: Any) -> Line:
        chance = random.Random(seed).randbytes
        return Line(Way(self.connect, "peer://owner"), identity, random_bytes=chance, **terms)

    async def cut(self) -> None:
        """The latest connection breaks, on both sides."""
        for end in self.wires[-1]:
            await end.inner.aclose()

    @contextlib.asynccontextmanager
    async def owned(
        self, store: OwnStore, coordination: MemoryCoordination, seed: int = 0, **terms: Any
    ) -> AsyncIterator[Owner]:
        """The owner while the block runs; connections break at its end."""
        chance = random.Random(seed).randbytes
        owner = Owner(store, coordination, IDENTITY, random_bytes=chance, **terms)
        async with trio.open_nursery() as nursery:
            await nursery.start(owner.run)
            self.owner = owner
            try:
                yield owner
            finally:
                self.owner = None
                for ends in self.wires:
                    for end in ends:
                        await end.inner.aclose()
                nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    async with trio.open_nursery() as nursery:
        yield Exchange(nursery)
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def remote(
    store: OwnStore, coordination: MemoryCoordination, **terms: Any
) -> AsyncIterator[RemoteStore]:
    """That store as another node sees it, which has not joined."""
    async with (
        exchange() as place,
        place.owned(store, coordination, **terms),
        open_remote(place.line(**terms)) as found,
    ):
        yield found


@contextlib.asynccontextmanager
async def remote_in_memory() -> AsyncIterator[RemoteStore]:
    """A store of which nothing is kept, and a node that has joined."""
    shared = MemoryCoordination(trio.current_time)
    async with remote(FencedStore(MemoryStore(), shared, 0), shared) as found:
        found.serve_as(await found.join("n", "n:1", "https://n"))
        yield found


@attrs.define(eq=False)
class Gated:
    """A store in memory whose commits wait, before and after they are written."""

    inner: FencedStore
    before: trio.Event | None = None
    after: trio.Event | None = None
    come: int = 0
    pause: Callable[[], float] = lambda: 0.0  # seconds, before and after

    async def fetch(self, query: Any) -> Any:
        return await self.inner.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        return await self.inner.commit(batch)

    async def commit_as(self, node: int, batch: Batch) -> Outcome:
        self.come += 1
        if self.before is not None:
            await self.before.wait()
        await trio.sleep(self.pause())
        found = await self.inner.commit_as(node, batch)
        await trio.sleep(self.pause())
        if self.after is not None:
            await self.after.wait()
        return found

    def statistics(self) -> Statistics:
        return self.inner.statistics()


@attrs.define(eq=False)
class Two:
    """An owner and a node that has joined."""

    place: Exchange
    store: MemoryStore
    gated: Gated
    shared: MemoryCoordination
    remote: RemoteStore
    id: int


@contextlib.asynccontextmanager
async def two(**terms: Any) -> AsyncIterator[Two]:
    store, shared = MemoryStore(), MemoryCoordination(trio.current_time)
    gated = Gated(FencedStore(store, shared, 0))
    async with (
        exchange() as place,
        place.owned(gated, shared, **terms),
        open_remote(place.line(**terms)) as found,
    ):
        number = await found.join("n", "n:1", "https://n")
        found.serve_as(number)
        yield Two(place, store, gated, shared, found, number)


@attrs.define(eq=False)
class Remotes:
    """A `Coordination` of which each member is a program of its own."""

    place: Exchange
    members: dict[int, RemoteStore] = attrs.field(factory=dict)

    async def join(self, name: str, address: str, url: str) -> int:
        line = self.place.line(seed=1000 + len(self.members))
        remote: RemoteStore = await self.place.nursery.start(self._hold, line)
        number = await remote.join(name, address, url)
        self.members[number] = remote
        return number

    async def _hold(self, line: Line, *, task_status: trio.TaskStatus[RemoteStore]) -> None:
        async with open_remote(line) as found:
            task_status.started(found)
            await trio.sleep_forever()

    def _of(self, node: int) -> RemoteStore:
        return self.members.get(node) or next(iter(self.members.values()))

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        return await self._of(node).beat(node, load=load, draining=draining)

    async def fence(self, node: int, lease: float) -> bool:
        return await next(iter(self.members.values())).fence(node, lease)

    async def bury(self, node: int) -> bool:
        return await next(iter(self.members.values())).bury(node)

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        return await self._of(node).claim(node, topics)

    async def release(self, node: int, topics: Sequence[str]) -> None:
        await self._of(node).release(node, topics)

    async def give(self, node: int, topic: str, to: int) -> bool:
        return await self._of(node).give(node, topic, to)

    async def leave(self, node: int) -> None:
        await self._of(node).leave(node)


@contextlib.asynccontextmanager
async def remotes() -> AsyncIterator[Remotes]:
    shared = MemoryCoordination(trio.current_time)
    owned = FencedStore(MemoryStore(), shared, 0)
    async with exchange() as place, place.owned(owned, shared):
        yield Remotes(place)
