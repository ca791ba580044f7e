"""How long to wait before the next try: longer each time, and never all clients at once."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

FIRST = 0.5  # seconds
MOST = 60.0
_DOUBLINGS = 20  # beyond any bound; a float must not overflow


@attrs.define
class Backoff:
    """Waiting times in seconds: between half and all of `first` doubled each time, up to `most`.

    `chance` gives numbers from [0, 1).
    """

    first: float = FIRST
    most: float = MOST
    chance: Callable[[], float] = random.random
    tries: int = 0

    def next(self) -> float:
        """The time to wait now."""
        full = min(self.most, self.first * float(1 << min(self.tries, _DOUBLINGS)))
        self.tries += 1
        return full * (0.5 + self.chance() / 2)

    def reset(self) -> None:
        """It has worked: begin anew."""
        self.tries = 0
