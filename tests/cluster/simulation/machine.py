"""A machine on which a node runs, stops, crashes, and is started again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from tinode_py.changes import Batch, Outcome
from tinode_py.cluster.cluster import Cluster, Place, joined
from tinode_py.cluster.link import Links
from tinode_py.cluster.node import Node
from tinode_py.config import ConfigError, Settings
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries import Query
from tinode_py.server import Parts, Server, running
from tinode_py.store.base import Statistics, Store
from tinode_py.store.coordination import Member, MemoryCoordination
from tinode_py.store.memory import MemoryStore
from tinode_py.store.watched import News
from tinode_py.testing.running import SEEDED_START, CheapHasher

from . import plants
from .core import Core, running_core
from .history import History
from .network import Bell, Network
from .scale import Scale

T = TypeVar("T")
PAUSE = 0.5  # seconds before a server that could not start is started again
SECRET = b"the secret of this cluster"
SETTINGS: dict[str, Any] = {
    "server": {"listen": ["127.0.0.1:0"], "store": "memory:", "drain_seconds": 1.0},
    "auth": {"basic": {"min_login": 1}},
    "limits": {"packets_per_second": 10_000},
}


@attrs.define(eq=False)
class World:
    """What all machines have in common. All chance is in `rng`."""

    rng: random.Random
    store: MemoryStore
    coordination: MemoryCoordination
    network: Network
    scale: Scale
    history: History
    plant: str = ""  # what is broken on purpose, of `plants.PLANTS`
    owner: str = ""  # the machine that has the store; none: it is a database of its own
    numbers: int = 0  # of nodes, given out by the owner


@attrs.define(eq=False)
class Cable:
    """One run's way to the store, which takes its time, and what becomes of that way.

    Cut, it refuses, as a database does that cannot be reached; held, it is silent. A commit that
    is under way when it is cut has taken place or not, which is found out when it is mended.
    """

    world: World
    node: int = 0
    cut: bool = False
    held: bool = False
    slow: float = 0.0
    bell: Bell = attrs.field(factory=Bell)

    def serve_as(self, node: int) -> None:
        self.node = node

    async def _way(self) -> None:
        """There, or back; mostly in no time."""
        chance = self.world.rng.random()
        seconds = self.slow + (0.0 if chance < 0.8 else chance * 0.01)
        if seconds:
            await trio.sleep(seconds)
        while self.held:
            await self.bell.wait()

    def _check(self) -> None:
        if self.cut:
            raise StoreAway("the store cannot be reached")

    async def _done(self, name: str, *arguments: Any, **more: Any) -> Any:
        self._check()
        await self._way()
        self._check()
        found = await getattr(self.world.coordination, name)(*arguments, **more)
        if name == "fence" and found:
            self.world.history.count("fenced")
        if name != "beat":
            self.world.history.note(name, *arguments, "gives", found)
        await self._way()
        self._check()
        return found

    async def join(self, name: str, address: str, url: str) -> int:
        number: int = await self._done("join", name, address, url)
        return number

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        members: tuple[Member, ...] = await self._done("beat", node, load=load, draining=draining)
        return members

    async def fence(self, node: int, lease: float) -> bool:
        return bool(await self._done("fence", node, lease))

    async def bury(self, node: int) -> bool:
        return bool(await self._done("bury", node))

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = await self._done("claim", node, topics)
        return owners

    async def release(self, node: int, topics: Sequence[str]) -> None:
        await self._done("release", node, topics)

    async def give(self, node: int, topic: str, to: int) -> bool:
        return bool(await self._done("give", node, topic, to))

    async def leave(self, node: int) -> None:
        await self._done("leave", node)

    async def fetch(self, query: Query[T]) -> T:
        self._check()
        await self._way()
        self._check()
        return await self.world.store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        return await self.commit_as(self.node, batch)

    async def commit_as(self, node: int, batch: Batch) -> Outcome:
        """What another node has asked of the one that has the store is written as of that node."""
        self._check()
        await trio.lowlevel.checkpoint()
        await self._way()
        self._check()
        self.world.coordination.check(node)
        self.world.history.on_commit(node, batch)
        outcome = self.world.store.write(batch)
        await self._way()
        while self.cut:
            await self.bell.wait()
        return outcome

    def statistics(self) -> Statistics:
        return self.world.store.statistics()


@attrs.define(eq=False)
class Run:
    """One run of a server: a process."""

    name: str
    world: World
    cable: Cable
    clock: Callable[[], int]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    stop: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    is_up: bool = False
    crashed: bool = False
    server: Server | Core | None = None
    cluster: Cluster | None = None
    links: Links | None = None
    drops: dict[str, Callable[[], None]] = attrs.field(factory=dict)  # of connected clients

    async def run(self) -> None:
        """From its start to its end, which `stop` asks for and `crash` forces."""
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    await self._serve(nursery)
                    nursery.cancel_scope.cancel()
        except* (ConfigError, StoreError):
            self.world.history.count("not started")
        finally:
            self.is_up = False
            if not self.crashed:
                self.world.network.close(self.name)
            self.ended.set()

    async def _serve(self, nursery: trio.Nursery) -> None:
        parts = Parts(
            self.clock,
            self.world.rng.randbytes,
            CheapHasher(),
            inline=True,
            store=plants.store(self.world.plant, self.cable),
            cluster=self._joined,
        )
        serving = running if self.world.scale.whole else running_core
        async with serving(Settings.of(**SETTINGS), parts) as self.server:
            self.world.network.open(self.name, self._accept, nursery)
            self.is_up = True
            await self.stop.wait()
            self.is_up = False

    def _joined(self, store: Store, news: News) -> Any:
        self.cluster = Cluster(
            plants.coordination(self.world.plant, self.cable),
            Place(self.name, self.name, f"http://{self.name}"),
            self.world.scale.lease,
            self._links,
            self.cable.serve_as,
            on_news=news.ring,
            cpu=lambda: 0.0,
            beats=self.world.scale.beats,
        )
        return joined(self.cluster)

    def _links(self, node: Node) -> Links:
        connect = partial(self.world.network.connect, self.name)
        scale = self.world.scale
        self.links = Links(
            *(node.id, SECRET, connect, plants.handler(self.world.plant, node)),
            random_bytes=self.world.rng.randbytes,
            lease=scale.lease,
            signs=scale.signs,
            bury=node.membership.bury,
            address=self.name,
        )
        return self.links

    async def _accept(self, stream: trio.abc.Stream) -> None:
        if self.links is not None:
            await self.links.accept(stream)

    def crash(self) -> None:
        """Nothing of it reaches anybody any more."""
        self.crashed, self.is_up = True, False
        self.cable.cut, self.cable.held = True, False
        self.cable.bell.ring()
        for drop in list(self.drops.values()):
            drop()
        self.scope.cancel()


@attrs.define(eq=False)
class Machine:
    """A name on the network, a clock of its own, and the run of now."""

    name: str
    world: World
    nursery: trio.Nursery
    kind: type[Run] = Run
    ahead: int = 0  # milliseconds by which its clock is wrong
    current: Run | None = None

    def now(self) -> int:
        return SEEDED_START + self.ahead + round(trio.current_time() * 1000)

    def start(self) -> Run:
        run = self.current = self.kind(self.name, self.world, Cable(self.world), self.now)
        self.nursery.start_soon(self._watch, run)
        return run

    async def _watch(self, run: Run) -> None:
        """A run that could not start is followed by another."""
        await run.run()
        await trio.sleep(PAUSE)
        if self.current is run:
            self.start()

    @property
    def is_up(self) -> bool:
        return self.current is not None and self.current.is_up

    @property
    def node(self) -> Node | None:
        """The member that it is."""
        cluster = self.current.cluster if self.current is not None else None
        return cluster.node if cluster is not None else None

    def crash(self, *, silent: bool) -> None:
        """Stop in the middle of whatever it does; `silent`: the others are not told by their
        connections.
        """
        if self.current is None:
            return
        if silent:
            self.world.network.kill(self.name)
        else:
            self.world.network.cut(self.name)
            self.world.network.close(self.name)
            self.world.coordination.disconnected.add(self.current.cable.node)
        self.current.crash()
        self.current = None

    async def drain(self) -> None:
        """Stop in good order."""
        if self.current is not None:
            run, self.current = self.current, None
            run.stop.set()
            with trio.move_on_after(20):
                await run.ended.wait()
            if not run.ended.is_set():
                raise AssertionError(f"{self.name} does not stop")
