"""Being a member: beating, seeing who else does, fencing who no longer does.

A node whose last beat is older than the lease is fenced, by whoever sees it first and has himself
been in touch with the store for a lease without a break: when the store comes back after an
outage, everybody is late, and nobody is to blame.

A process that has ended shows more than silence: its link was closed, nobody listens at its
address, and the store has no connection of it. Who has seen all three ends its membership at once
(`bury`), so that its topics need not wait for the lease.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import trio

from ..errors import Fenced, StoreError
from ..store.coordination import Coordination, Member

log = logging.getLogger(__name__)

BEATS = 10  # in a lease
SOON = 0.001  # seconds


@attrs.define(eq=False)
class Membership:
    """The beat of one node. `seen` is told of every change among the others."""

    coordination: Coordination
    node: int
    lease: float  # seconds
    load: Callable[[], int]
    seen: Callable[[tuple[Member, ...]], None]
    draining: bool = False
    beats: int = BEATS  # in a lease
    held_until: float = float("-inf")  # of the clock of this loop
    _in_touch_since: float = float("inf")
    _due: float = float("inf")  # when the silence of some node will be over
    _wanted: trio.Event = attrs.field(factory=trio.Event)  # a beat, at once
    others: tuple[int, ...] | None = None  # as of the last beat
    ending: set[int] = attrs.field(factory=set)  # of them, as they have said themselves

    def holds(self) -> bool:
        """Whether nobody can have fenced this node: its last beat is younger than the lease."""
        return trio.current_time() < self.held_until

    async def run(self) -> None:
        """Beat until cancelled. Fenced if the node is no member any more."""
        while True:
            began = trio.current_time()
            self._wanted = trio.Event()
            await self.beat()
            with trio.move_on_at(min(began + self.lease / self.beats, self._due)):
                await self._wanted.wait()

    def look(self) -> None:
        """Beat at once: there may be something to learn."""
        self._wanted.set()

    async def bury(self, node: int) -> bool:
        """End the membership of a node whose process has ended, by all that was seen of it here;
        whether it is no member now. The store has a say: it may know a connection of the node.
        """
        try:
            gone = await self.coordination.bury(node)
        except StoreError as error:
            log.debug("node %s cannot be buried: %s", node, error)
            return False
        if gone and node in (self.others or ()):
            level = logging.INFO if node in self.ending else logging.WARNING
            log.log(level, "node %s has ended: it is no member any more", node)
            self.look()
        return gone

    async def beat(self) -> bool:
        """One beat, and what follows from the answer; False if the store could not be asked."""
        began = trio.current_time()
        self._due = float("inf")
        try:
            members = await self.coordination.beat(
                self.node, load=self.load(), draining=self.draining
            )
            late = trio.current_time() - began > self.lease / 2
            self._in_touch_since = began if late else min(self._in_touch_since, began)
            self.held_until = began + self.lease
            others = [self._seen_by_now(it) for it in members if it.id != self.node]
            left = [member for member in others if not await self._fenced(member)]
            self._due = min(map(self._over, left), default=float("inf"))
            self._see(left)
        except Fenced:
            raise
        except StoreError as error:
            if self._in_touch_since != float("inf"):
                log.error("the cluster's store cannot be reached: %s", error)
            self._in_touch_since = float("inf")
            return False
        return True

    def _seen_by_now(self, member: Member) -> Member:
        """As it is: silence is only what was listened to without a break."""
        listened = trio.current_time() - self._in_touch_since
        return attrs.evolve(member, silent=min(member.silent, listened))

    def _over(self, member: Member) -> float:
        """When a node will have been silent for too long, if it goes on."""
        if member.silent > self.lease:
            return float("inf")  # it is, and cannot be fenced: at the next beat
        return trio.current_time() + self.lease - member.silent + SOON

    async def _fenced(self, member: Member) -> bool:
        """Whether a node is no member (any more)."""
        if member.silent <= self.lease:
            return False
        fenced = await self.coordination.fence(member.id, self.lease)
        if fenced:
            log.warning(
                "node %s (%s) was silent for %.1f s: it is no member any more",
                *(member.id, member.name, member.silent),
            )
        return fenced

    def _see(self, others: list[Member]) -> None:
        ids = tuple(member.id for member in others)
        self.ending.intersection_update(ids)
        self.ending.update(it.id for it in others if it.draining)
        self.seen(tuple(others))
        if ids != self.others:
            log.info("the cluster has these other nodes: %s", _listed(others))
            self.others = ids


def _listed(members: list[Member]) -> str:
    return ", ".join(f"{it.id} ({it.name})" for it in members) or "none"
