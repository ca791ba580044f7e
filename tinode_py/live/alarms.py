"""What is to be done later, for many: one task sleeps until the first of it is due.

A cancel scope for each that waits would cost more than most of what is waited for, and memory
for as long as it lasts.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import trio

Ring = Callable[[], None]


class Alarms:
    """Calls to come. The task is there only while there is one; it lives in `nursery`."""

    __slots__ = ("_due", "_numbers", "_nursery", "_scope")

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._due: list[tuple[float, int, Ring]] = []  # a heap
        self._numbers = count()  # of two at the same time, the first comes first
        self._scope: trio.CancelScope | None = None  # in which the task sleeps

    def at(self, time: float, ring: Ring) -> None:
        """Call `ring` at `time` of Trio's clock, never earlier. It must not wait or raise. There
        is no taking back: who is called looks whether there is still something to do.
        """
        heapq.heappush(self._due, (time, next(self._numbers), ring))
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._nursery.start_soon(self._run, name="alarms")
        elif time < self._scope.deadline:
            self._scope.deadline = time

    async def _run(self) -> None:
        while self._due:
            with trio.CancelScope(deadline=self._due[0][0]) as self._scope:
                await trio.sleep_forever()
            now = trio.current_time()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
        self._scope = None
