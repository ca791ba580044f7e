"""Being a member: beating, seeing who else does, fencing who no longer does.

A node whose last beat is older than the lease is fenced, by whoever sees it first and has himself
been in touch with the store for a lease without a break: when the store comes back after an
outage, everybody is late, and nobody is to blame.
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


@attrs.define(eq=False)
class Membership:
    """The beat of one node. `seen` is told of every change among the others."""

    coordination: Coordination
    node: int
    lease: float  # seconds
    load: Callable[[], int]
    seen: Callable[[tuple[Member, ...]], None]
    draining: bool = False
    held_until: float = float("-inf")  # of the clock of this loop
    _in_touch_since: float = float("inf")
    others: tuple[int, ...] | None = None  # as of the last beat

    def holds(self) -> bool:
        """Whether nobody can have fenced this node: its last beat is younger than the lease."""
        return trio.current_time() < self.held_until

    async def run(self) -> None:
        """Beat until cancelled. Fenced if the node is no member any more."""
        while True:
            began = trio.current_time()
            await self.beat()
            await trio.sleep_until(began + self.lease / BEATS)

    async def beat(self) -> bool:
        """One beat, and what follows from the answer; False if the store could not be asked."""
        began = trio.current_time()
        try:
            members = await self.coordination.beat(
                self.node, load=self.load(), draining=self.draining
            )
            late = trio.current_time() - began > self.lease / 2
            self._in_touch_since = began if late else min(self._in_touch_since, began)
            self.held_until = began + self.lease
            others = [member for member in members if member.id != self.node]
            self._see([member for member in others if not await self._fenced(member)])
        except Fenced:
            raise
        except StoreError as error:
            if self._in_touch_since != float("inf"):
                log.error("the cluster's store cannot be reached: %s", error)
            self._in_touch_since = float("inf")
            return False
        return True

    async def _fenced(self, member: Member) -> bool:
        """Whether a node is no member (any more)."""
        in_touch = trio.current_time() - self._in_touch_since >= self.lease
        if not in_touch or member.silent <= self.lease:
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
        self.seen(tuple(others))
        if ids != self.others:
            log.info("the cluster has these other nodes: %s", _listed(others))
            self.others = ids


def _listed(members: list[Member]) -> str:
    return ", ".join(f"{it.id} ({it.name})" for it in members) or "none"
