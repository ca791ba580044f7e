"""How fast a session's packets are taken: a bucket of tokens that slows, and drops nothing."""

from __future__ import annotations

import trio


class Pace:
    """At most `rate` packets a second, a second's worth at once; 0: any number."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left = float(rate)
        self._at = trio.current_time()

    async def wait(self) -> None:
        """Return when the next packet may be taken."""
        if not self._rate:
            return
        if self._left < 1:
            self._refill()
            if self._left < 1:
                await trio.sleep((1 - self._left) / self._rate)
                self._refill()
                self._left = max(self._left, 1)
        self._left -= 1

    def _refill(self) -> None:
        now = trio.current_time()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
