"""Several nodes in one process: one store in memory, and a network that obeys."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import attrs
import trio

from tinode_py.changes import Batch, Outcome
from tinode_py.cluster.cluster import Cluster, Place, joined
from tinode_py.cluster.node import Node
from tinode_py.cluster.protocol import Message, pack, unpack
from tinode_py.errors import StoreAway
from tinode_py.live.traffic import Traffic
from tinode_py.queries import Query
from tinode_py.server import Parts
from tinode_py.store.base import Statistics, Store
from tinode_py.store.coordination import FencedStore, Member, MemoryCoordination
from tinode_py.store.memory import MemoryStore
from tinode_py.store.watched import News
from tinode_py.testing import RunningServer, running_server
from tinode_py.testing.running import CheapHasher, trio_clock

T = TypeVar("T")

LEASE = 5.0
PATIENCE = 600.0  # virtual seconds for a test


@attrs.define(eq=False)
class Carried:
    """What went over all links: messages by class, and their bytes."""

    messages: Counter[str] = attrs.field(factory=Counter)
    octets: Counter[str] = attrs.field(factory=Counter)

    def count(self, name: str, octets: int) -> None:
        self.messages[name] += 1
        self.octets[name] += octets


@attrs.define(eq=False)
class WireEnd:
    """One node's end of a link: a `Peer`. What is sent arrives in order, packed and unpacked."""

    id: int
    wire: Wire
    other: WireEnd | None = None
    sent: int = 0
    octets: int = 0
    _coming: deque[bytes] = attrs.field(factory=deque)
    _more: trio.Event = attrs.field(factory=trio.Event)

    def send(self, message: Message) -> bool:
        if self.wire.down or self.other is None:
            return False
        data = pack(message)
        self.sent += 1
        self.octets += len(data)
        self.wire.carried.count(type(message).__name__, len(data))
        self.other._coming.append(data)
        self.other._more.set()
        return True

    def reset(self, reason: str) -> None:
        self.wire.cut()

    def traffic(self) -> Traffic:
        return Traffic(self.octets, 0, self.sent)

    async def next(self) -> Message | None:
        while not self._coming:
            if self.wire.down:
                return None
            self._more = trio.Event()
            await self._more.wait()
        await trio.sleep(self.wire.delay)
        return unpack(self._coming.popleft()) if self._coming else None


@attrs.define(eq=False)
class Wire:
    """A link between two nodes, until it is cut. What is under way then is lost."""

    delay: float
    carried: Carried
    down: bool = False
    ends: tuple[WireEnd, ...] = ()
    gone: trio.Event = attrs.field(factory=trio.Event)

    def cut(self) -> None:
        self.down = True
        self.gone.set()
        for end in self.ends:
            end._coming.clear()
            end._more.set()


@attrs.define(eq=False)
class Network:
    """Links come about wherever both ends are up and want one, unless the way is blocked."""

    delay: float = 0.001
    carried: Carried = attrs.field(factory=Carried)
    blocked: set[frozenset[int]] = attrs.field(factory=set)
    _wanting: dict[int, tuple[Node, set[int]]] = attrs.field(factory=dict)
    _wires: dict[frozenset[int], Wire] = attrs.field(factory=dict)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def ring(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def block(self, a: int, b: int) -> None:
        """No link between two nodes from now on."""
        self.blocked.add(frozenset((a, b)))
        wire = self._wires.get(frozenset((a, b)))
        if wire is not None:
            wire.cut()

    def free(self, a: int, b: int) -> None:
        self.blocked.discard(frozenset((a, b)))
        self.ring()

    def reset(self, a: int, b: int) -> None:
        """The link breaks; there may be another at once."""
        self._wires[frozenset((a, b))].cut()

    def wire(self, a: int, b: int) -> Wire | None:
        return self._wires.get(frozenset((a, b)))

    def links(self, node: Node) -> MemoryLinks:
        return MemoryLinks(self, node)


@attrs.define(eq=False)
class MemoryLinks:
    """The `Links` of one node."""

    network: Network
    node: Node

    def members(self, members: tuple[Member, ...]) -> None:
        wanted = {member.id for member in members}
        known = self.network._wanting.get(self.node.id)
        if known is None or known[1] != wanted:
            self.network._wanting[self.node.id] = (self.node, wanted)
            self.network.ring()

    async def run(self) -> None:
        network, me = self.network, self.node.id
        network._wanting.setdefault(me, (self.node, set()))
        network.ring()
        try:
            async with trio.open_nursery() as nursery:
                busy: set[int] = set()
                while True:
                    for other, (_, wants) in list(network._wanting.items()):
                        pair = frozenset((me, other))
                        if other == me or other in busy or pair in network.blocked:
                            continue
                        if me in wants and other in network._wanting[me][1]:
                            busy.add(other)
                            nursery.start_soon(self._hold, other, busy)
                    await network._changed.wait()
        finally:
            network._wanting.pop(me, None)
            for pair, wire in list(network._wires.items()):
                if me in pair:
                    wire.cut()

    async def _hold(self, other: int, busy: set[int]) -> None:
        network, me = self.network, self.node.id
        pair = frozenset((me, other))
        wire = network._wires.get(pair)
        if wire is None or wire.down:
            wire = Wire(network.delay, network.carried)
            ends = WireEnd(min(pair), wire), WireEnd(max(pair), wire)
            ends[0].other, ends[1].other = ends[1], ends[0]
            wire.ends = ends
            network._wires[pair] = wire
        # The end that this node holds is called by the other's number.
        mine = next(end for end in wire.ends if end.id == other)
        if not wire.down:
            self.node.connected(mine)
            with trio.CancelScope() as scope:
                while (message := await mine.next()) is not None:
                    await self.node.received(mine, message)
            if scope.cancel_called:
                return
            self.node.lost(mine)
        busy.discard(other)
        await trio.sleep(0.05)
        network.ring()


@attrs.define(eq=False)
class Cable:
    """A node's way to the store: coordination and all. Cut, nothing can be asked; commits wait
    while they are held.
    """

    coordination: MemoryCoordination
    store: FencedStore
    is_cut: bool = False
    held: trio.Event | None = None

    def check(self) -> None:
        if self.is_cut:
            raise StoreAway("the store cannot be reached")

    async def join(self, name: str, address: str, url: str) -> int:
        self.check()
        return await self.coordination.join(name, address, url)

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        self.check()
        return await self.coordination.beat(node, load=load, draining=draining)

    async def fence(self, node: int, lease: float) -> bool:
        self.check()
        return await self.coordination.fence(node, lease)

    async def bury(self, node: int) -> bool:
        self.check()
        return await self.coordination.bury(node)

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        self.check()
        return await self.coordination.claim(node, topics)

    async def release(self, node: int, topics: Sequence[str]) -> None:
        self.check()
        await self.coordination.release(node, topics)

    async def give(self, node: int, topic: str, to: int) -> bool:
        self.check()
        return await self.coordination.give(node, topic, to)

    async def leave(self, node: int) -> None:
        self.check()
        await self.coordination.leave(node)

    async def fetch(self, query: Query[T]) -> T:
        self.check()
        return await self.store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        if self.held is not None:
            await self.held.wait()
        self.check()
        return await self.store.commit(batch)

    def statistics(self) -> Statistics:
        return self.store.statistics()


@attrs.define(eq=False)
class Machines:
    """A store in memory, a network, and the nodes that live on them."""

    store: MemoryStore = attrs.field(factory=MemoryStore)
    network: Network = attrs.field(factory=Network)
    coordination: MemoryCoordination = attrs.field(
        factory=lambda: MemoryCoordination(trio.current_time)
    )
    lease: float = LEASE
    moves: int = 60  # topics that each node may give away in a minute
    cables: dict[str, Cable] = attrs.field(factory=dict)
    clusters: dict[str, Cluster] = attrs.field(factory=dict)
    servers: dict[str, RunningServer] = attrs.field(factory=dict)

    @contextlib.asynccontextmanager
    async def node(self, name: str, **settings: Any) -> AsyncIterator[RunningServer]:
        """One more node."""
        fenced = FencedStore(self.store, self.coordination, 0)
        cable = self.cables[name] = Cable(self.coordination, fenced)

        def cluster(store: Store, news: News) -> Any:
            made = Cluster(
                cable,
                Place(name, f"{name}:1", f"http://{name}"),
                self.lease,
                self.network.links,
                fenced.serve_as,
                on_news=news.ring,
                moves=self.moves,
                cpu=lambda: 0.0,
            )
            self.clusters[name] = made
            return joined(made)

        parts = Parts(trio_clock(), hasher=CheapHasher(), inline=True, store=cable, cluster=cluster)
        async with running_server(parts=parts, **settings) as server:
            server._names = self._names
            self.servers[name] = server
            yield server

    _names: set[str] = attrs.field(factory=set)

    def number(self, name: str) -> int:
        return self.clusters[name].number

    def isolate(self, name: str) -> None:
        """A node reaches nobody any more, as if it had stopped."""
        self.cables[name].is_cut = True
        for other in self.clusters:
            if other != name:
                self.network.block(self.number(name), self.number(other))

    def connect_again(self, name: str) -> None:
        self.cables[name].is_cut = False
        for pair in list(self.network.blocked):
            if self.number(name) in pair:
                self.network.free(*pair)

    def owners(self) -> dict[str, int]:
        """Which node owns which topic, as the store says."""
        return dict(self.coordination._claims)


@contextlib.asynccontextmanager
async def nodes(
    *names: str, delay: float = 0.001, moves: int = 60, **settings: Any
) -> AsyncIterator[tuple[Machines, list[RunningServer]]]:
    """So many nodes that know each other."""
    machines = Machines(network=Network(delay), moves=moves)
    # Nodes beat for ever: without a deadline a virtual clock would go on as long.
    with trio.fail_after(PATIENCE):
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(machines.node(name, **settings)) for name in names
            ]
            await trio.sleep(1)  # of the virtual clock: they see each other with the next beats
            yield machines, servers
