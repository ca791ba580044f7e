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

from collections.abc import Callable, Sequence
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


def unknown(node: int) -> Fenced:
    """What a node is told that is no member."""
    return Fenced(f"node {node} is no member of the cluster: it was silent for too long, or left")


@attrs.define
class _Row:
    member: Member
    beaten: float  # when


class MemoryCoordination:
    """A `Coordination` of nodes in one process, with a clock for all of them, in seconds.

    Each method is a checkpoint, and then happens at once.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last = 0
        self._nodes: dict[int, _Row] = {}
        self._claims: dict[str, int] = {}
        self.disconnected: set[int] = set()  # nodes that have no connection any more

    def check(self, node: int) -> None:
        """Fenced unless `node` is a member at this moment."""
        if node not in self._nodes:
            raise unknown(node)

    async def join(self, name: str, address: str, url: str) -> int:
        await trio.lowlevel.checkpoint()
        self._last += 1
        self._nodes[self._last] = _Row(Member(self._last, name, address, url), self._now())
        return self._last

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        await trio.lowlevel.checkpoint()
        self.check(node)
        now = self._now()
        row = self._nodes[node]
        row.member = attrs.evolve(row.member, load=load, draining=draining)
        row.beaten = now
        return tuple(
            attrs.evolve(row.member, silent=max(0.0, now - row.beaten))
            for row in self._nodes.values()
        )

    async def fence(self, node: int, lease: float) -> bool:
        await trio.lowlevel.checkpoint()
        row = self._nodes.get(node)
        if row is not None and self._now() - row.beaten > lease:
            self._end(node)
        return node not in self._nodes

    async def bury(self, node: int) -> bool:
        await trio.lowlevel.checkpoint()
        if node in self.disconnected:
            self._end(node)
        return node not in self._nodes

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        await trio.lowlevel.checkpoint()
        self.check(node)
        return {topic: self._claims.setdefault(topic, node) for topic in topics}

    async def release(self, node: int, topics: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        for topic in topics:
            if self._claims.get(topic) == node:
                del self._claims[topic]

    async def give(self, node: int, topic: str, to: int) -> bool:
        await trio.lowlevel.checkpoint()
        if self._claims.get(topic) != node or to not in self._nodes:
            return False
        self._claims[topic] = to
        return True

    async def leave(self, node: int) -> None:
        await trio.lowlevel.checkpoint()
        self._end(node)

    def _end(self, node: int) -> None:
        if self._nodes.pop(node, None) is not None:
            self._claims = {topic: n for topic, n in self._claims.items() if n != node}


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
        node = self._node
        await trio.lowlevel.checkpoint()
        self._coordination.check(node)
        return self._store.write(batch)

    def statistics(self) -> Statistics:
        return self._store.statistics()
