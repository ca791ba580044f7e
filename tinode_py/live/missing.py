"""What a topic has not heard, since the store was away: it looks again, until it has seen all.

A notice that cannot be dealt with is not said again by whoever said it. What is true is known
all the same (`core/meeting.py`), and costs a read: so it is looked at after a while, and again in
growing intervals that are not the same for all topics.
"""

from __future__ import annotations

import zlib

import trio

from .alarms import Alarms, Ring

FIRST = 1.0  # seconds until the first look, give or take a half
LONGEST = 32.0  # seconds from one look to the next, while they fail


class Missing:
    """Calls `look`, once for all that `topic` has missed before that."""

    __slots__ = ("_alarms", "_look", "_looked", "_part", "_pause", "_waits")

    def __init__(self, topic: str, look: Ring, alarms: Alarms) -> None:
        self._look, self._alarms = look, alarms
        self._part = 0.5 + zlib.crc32(topic.encode()) / 2**32
        self._pause = FIRST
        self._looked = float("-inf")
        self._waits = False

    def note(self) -> None:
        """Something was missed, perhaps the last look."""
        if self._waits:
            return
        now = trio.current_time()
        late = now - self._looked > LONGEST
        self._pause = FIRST if late else min(2 * self._pause, LONGEST)
        self._waits = True
        self._alarms.at(now + self._pause * self._part, self._ring)

    def _ring(self) -> None:
        self._waits = False
        self._looked = trio.current_time()
        self._look()
