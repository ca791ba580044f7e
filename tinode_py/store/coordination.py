"""Who is a member of a cluster, and which node owns which topic, as a store keeps it.

Each run of a node has a number of its own, never given out again. A topic's claim moves only
when its owner lets go of it, or when the owner is no member any more; and a store refuses every
commit of a node that is none. So no topic ever has two owners that can commit, whatever clocks
and networks do. Time only says who is taken for dead: who has not beaten for so long as others
waited.

Every method may raise StoreError: then it is not known whether it took place. Each may be asked
again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import attrs
import trio

from ..changes import Batch, Outcome
from ..errors import Fenced
from ..queries import Query
from .base import Statistics
from .memory import MemoryStore

T = TypeVar("T")


@attrs.frozen
class Member:
    """A node as the others see it.

    `address` is where nodes connect (host:port), `url` where clients do. `load` is its number of
    sessions, as of its last beat; `silent` the seconds since that one was first seen here.
    """

    id: int
    name: str
    address: str
    url: str
    draining: bool = False
    load: int = 0
    silent: float = 0.0


class Coordination(Protocol):
    """What nodes agree upon. For tasks of one loop."""

    async def join(self, name: str, address: str, url: str) -> int:
        """A new member, and its number: higher than every one before."""

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        """Show that `node` lives; all members by number, itself among them. Fenced if it is
        none.
        """

    async def fence(self, node: int, lease: float) -> bool:
        """End the membership of `node` if no beat of it was seen here for `lease` seconds, and
        there was none. Whether it is no member now, after which none of its commits succeeds;
        while one is under way, it still is.
        """

    async def bury(self, node: int) -> bool:
        """End the membership of `node`, of which others know that it has ended, unless the store
        knows a connection over which it writes. Whether it is no member now.
        """

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        """The owner of each of `topics`; `node` becomes that of those which no member owns.
        Fenced if `node` is no member.
        """

    async def release(self, node: int, topics: Sequence[str]) -> None:
        """`node` owns none of `topics` any more. Those of others are left alone."""

    async def give(self, node: int, topic: str, to: int) -> bool:
        """Make `to` the owner of a topic of `node`; False unless it is, and both are members."""

    async def leave(self, node: int) -> None:
        """`node` is no member any more and owns nothing."""


class NodeBatch(Batch, frozen=True):
    """A batch of a node that was `node` when it was handed in."""

    node: int = 0


def unknown(node: int) -> Fenced:
    """What a node is told that is no member."""
    if not node:
        return Fenced("this node has not joined the cluster")
    return Fenced(f"node {node} is no member of the cluster: it was silent for too long, or left")


@attrs.define
class _Row:
    member: Member
    beaten: float  # when
    topics: set[str] = attrs.field(factory=set)  # that it has claimed


class MemoryCoordination:
    """A `Coordination` that one process keeps, with a clock for all nodes, in seconds.

    `number` gives one that no node had; None: each is one more than the last. `settled` returns
    when no commit is under way any more that was begun before, and raises nothing: a node that
    is a member no more keeps its topics for so long. None: none ever is.

    A call that is cancelled has taken place or not; topics of a node that it should have ended
    may stay its own.
    """

    def __init__(
        self,
        now: Callable[[], float],
        number: Callable[[], Awaitable[int]] | None = None,
        settled: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._now = now
        self._number = number or self._next
        self._settled = settled
        self._last = 0
        self._nodes: dict[int, _Row] = {}
        self._ending: dict[int, _Row] = {}  # members no more, whose commits may be under way
        self._claims: dict[str, int] = {}
        self.disconnected: set[int] = set()  # nodes that have no connection any more

    def is_member(self, node: int) -> bool:
        """For any thread."""
        return node in self._nodes

    def check(self, node: int) -> None:
        """Fenced unless `node` is a member at this moment."""
        if node not in self._nodes:
            raise unknown(node)

    def owned(self, node: int) -> int:
        """How many topics a member has."""
        row = self._nodes.get(node)
        return 0 if row is None else len(row.topics)

    def members(self) -> tuple[Member, ...]:
        """All of them as of now, by number."""
        return self._members(self._now())

    def _members(self, now: float) -> tuple[Member, ...]:
        return tuple(
            attrs.evolve(row.member, silent=max(0.0, now - row.beaten))
            for row in self._nodes.values()
        )

    async def _next(self) -> int:
        await trio.lowlevel.checkpoint()
        self._last += 1
        return self._last

    async def join(self, name: str, address: str, url: str) -> int:
        number = await self._number()
        self._nodes[number] = _Row(Member(number, name, address, url), self._now())
        return number

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        await trio.lowlevel.checkpoint()
        self.check(node)
        row = self._nodes[node]
        row.member = attrs.evolve(row.member, load=load, draining=draining)
        row.beaten = now = self._now()
        return self._members(now)

    async def fence(self, node: int, lease: float) -> bool:
        await trio.lowlevel.checkpoint()
        row = self._nodes.get(node)
        if row is not None and self._now() - row.beaten <= lease:
            return False
        await self._end(node)
        return True

    async def bury(self, node: int) -> bool:
        await trio.lowlevel.checkpoint()
        if node in self._nodes and node not in self.disconnected:
            return False
        await self._end(node)
        return True

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        await trio.lowlevel.checkpoint()
        self.check(node)
        owners = {topic: self._claims.setdefault(topic, node) for topic in topics}
        self._nodes[node].topics.update(topic for topic, it in owners.items() if it == node)
        return owners

    async def release(self, node: int, topics: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        row = self._nodes.get(node)
        if row is not None:
            for topic in row.topics.intersection(topics):
                del self._claims[topic]
                row.topics.discard(topic)

    async def give(self, node: int, topic: str, to: int) -> bool:
        await trio.lowlevel.checkpoint()
        row, other = self._nodes.get(node), self._nodes.get(to)
        if row is None or other is None or topic not in row.topics:
            return False
        row.topics.discard(topic)
        other.topics.add(topic)
        self._claims[topic] = to
        return True

    async def leave(self, node: int) -> None:
        await trio.lowlevel.checkpoint()
        await self._end(node)

    async def _end(self, node: int) -> None:
        """First it writes no more, then what it wrote is over, then others have its topics."""
        row = self._nodes.pop(node, None)
        self.disconnected.discard(node)
        if row is not None:
            self._ending[node] = row
        if self._settled is not None:
            await self._settled()
        row = self._ending.pop(node, None)
        for topic in () if row is None else row.topics:
            del self._claims[topic]


class FencedStore:
    """A store in memory as one node of a cluster sees it: it takes commits of members only."""

    def __init__(self, store: MemoryStore, coordination: MemoryCoordination, node: int) -> None:
        self._store = store
        self._coordination = coordination
        self._node = node

    def serve_as(self, node: int) -> None:
        """Commits are those of `node` from now on."""
        self._node = node

    async def fetch(self, query: Query[T]) -> T:
        return await self._store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        """As of `MemoryStore`; Fenced if the node that handed it in is no member at the moment of
        writing.
        """
        return await self.commit_as(self._node, batch)

    async def commit_as(self, node: int, batch: Batch) -> Outcome:
        """The same, for another node."""
        await trio.lowlevel.checkpoint()
        self._coordination.check(node)
        return self._store.write(batch)

    def statistics(self) -> Statistics:
        return self._store.statistics()
