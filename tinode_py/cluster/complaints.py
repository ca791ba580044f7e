"""What goes wrong again and again is said once a minute."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable

AGAIN = 60.0  # seconds


class Complaints:
    """Warnings in a log. `now`: seconds."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._said: dict[Hashable, tuple[float, int]] = {}  # when, and how often not since then

    def say(self, key: Hashable, text: str) -> None:
        """Warn, unless that was done for the same key within the last minute."""
        now = self._now()
        at, more = self._said.get(key, (-math.inf, 0))
        if now - at < AGAIN:
            self._said[key] = (at, more + 1)
            return
        self._said = {other: (t, n) for other, (t, n) in self._said.items() if now - t < AGAIN}
        self._said[key] = (now, 0)
        self._log.warning("%s%s", text, f" ({more} times more before)" if more else "")
