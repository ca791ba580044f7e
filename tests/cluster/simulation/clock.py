"""Virtual time that passes whenever nothing can happen before the next deadline."""

from __future__ import annotations

from math import ceil, inf

import attrs
import trio


@attrs.define(eq=False)
class JumpingClock(trio.abc.Clock):
    """As `trio.testing.MockClock` with an autojump threshold of 0, in half the steps of the loop:
    for programs that wait for nothing outside, neither sockets nor threads. It goes in steps of
    `grain` seconds: what is due within one happens at once, in any order.
    """

    grain: float
    now: float = 0.0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Asked when no task can run: all that can happen next is that deadline."""
        if deadline == inf:
            return inf  # Trio's own tasks end
        self.now = max(self.now, deadline, ceil(deadline / self.grain) * self.grain)
        return 0.0
