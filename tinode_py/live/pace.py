"""How fast a session's packets are taken: a bucket of tokens that slows, and drops nothing.

A packet costs by its size, as the work on it does; one that cannot be read costs more, because
whoever sends it is answered all the same.
"""

from __future__ import annotations

import trio

CHEAP = 4096  # bytes for one token
MALFORMED = 10  # tokens more


class Pace:
    """At most `rate` small packets a second, a second's worth at once; 0: any number."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left = float(rate)
        self._at = trio.current_time()

    async def wait(self, size: int = 0) -> None:
        """Return when the next packet may be taken, which has `size` bytes or characters.

        The bucket may be overdrawn: what a packet costs beyond it delays the next one.
        """
        if not self._rate:
            return
        if self._left < 1:
            self._refill()
            if self._left < 1:
                await trio.sleep((1 - self._left) / self._rate)
                self._refill()
                self._left = max(self._left, 1)
        self._left -= 1 + size // CHEAP

    def fine(self) -> None:
        """The packet could not be read."""
        if self._rate:
            self._left -= MALFORMED

    def _refill(self) -> None:
        now = trio.current_time()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
