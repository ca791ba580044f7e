"""What goes wrong again and again is said once a minute, or when it begins and ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable

from ..errors import StoreAway, StoreError

AGAIN = 60.0  # seconds


class Complaints:
    """Lines of a log. `now`: seconds. Keys that were not heard of for a minute are forgotten."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._said: dict[Hashable, tuple[float, int]] = {}  # when, and how often not since then

    def say(self, key: Hashable, text: str, level: int = logging.WARNING) -> None:
        """Say it, unless that was done for the same key within the last minute."""
        now = self._now()
        at, more = self._said.get(key, (-math.inf, 0))
        if now - at < AGAIN:
            self._said[key] = (at, more + 1)
            return
        self._said = {other: (t, n) for other, (t, n) in self._said.items() if now - t < AGAIN}
        self._said[key] = (now, 0)
        self._log.log(level, "%s%s", text, f" ({more} times more before)" if more else "")

    def failed(self, what: str, error: StoreError, **fields: str) -> None:
        """The store failed. While it is away every request finds that out, and one line says it;
        anything else is a riddle, and said each time with all that is known.
        """
        if isinstance(error, StoreAway):
            text = f"{what}: {error}"
            self.say(text, text, logging.ERROR)
        else:
            self._log.error("%s: %s", what, error, exc_info=error, extra=fields)


class Outage:
    """A store that is away, in the words of something that tries again until it is back: a line
    when it goes, and one when it is there again.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._lasts = False

    def failed(self, error: StoreError) -> None:
        """The store failed. What is no outage is a riddle, and said each time."""
        if not isinstance(error, StoreAway):
            self._log.error("%s: %s", self._what, error, exc_info=error)
        elif not self._lasts:
            self._lasts = True
            self._log.error("%s waits for the store: %s", self._what, error)

    def over(self) -> None:
        """The store has answered."""
        if self._lasts:
            self._lasts = False
            self._log.info("%s goes on, the store is back", self._what)
