"""Who has said nothing for too long: one task watches all connections.

A connection is looked at when its silence could be over a bound, not at every byte: it only
notes when it last heard something. Those that are due at about the same time are looked at
together.
"""

from __future__ import annotations

import heapq
from math import ceil
from typing import Protocol

import attrs
import trio

_RATE = 20  # looks per second, at most
_MANY = 64  # looked at without a pause


@attrs.frozen
class Silence:
    """Seconds without a byte after which a peer is pinged, and after which it has vanished."""

    ping: float
    end: float


class Watched(Protocol):
    """What can be silent."""

    due: int  # for `Silences` alone

    def check(self, now: float) -> float:
        """Do what the silence asks for; when to look again."""


class Silences:
    """All that is watched. A look comes up to 1/20 s late, never early."""

    def __init__(self) -> None:
        self._due: dict[int, set[Watched]] = {}
        self._order: list[int] = []  # a heap of the keys of `_due`
        self._some = trio.lowlevel.ParkingLot()
        self._now = -1  # being looked at

    def watch(self, one: Watched, time: float) -> None:
        """Look at `one` at `time`; not earlier than what is watched already is looked at."""
        one.due = max(ceil(time * _RATE), self._now + 1)
        found = self._due.get(one.due)
        if found is None:
            found = self._due[one.due] = set()
            heapq.heappush(self._order, one.due)
            self._some.unpark_all()
        found.add(one)

    def forget(self, one: Watched) -> None:
        """Look at `one` no more."""
        if one.due in self._due:
            self._due[one.due].discard(one)

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            while not self._order:
                await self._some.park()
            await trio.sleep_until(self._order[0] / _RATE)
            self._now = heapq.heappop(self._order)
            await self._look(self._due[self._now])
            del self._due[self._now]

    async def _look(self, due: set[Watched]) -> None:
        while due:
            for _ in range(min(len(due), _MANY)):
                one = due.pop()
                self.watch(one, one.check(trio.current_time()))
            await trio.lowlevel.checkpoint()
