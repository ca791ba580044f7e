"""What is counted while the server works: integers, and nothing else on the hot path.

Whoever shows them reads them here; nobody who counts knows of that.
"""

from __future__ import annotations

from bisect import bisect_left

import attrs

# Upper bounds of the buckets, in seconds; times above the last are in one more bucket.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LEAST_REFUSAL = 400


@attrs.define
class Times:
    """How long something took, in buckets. `counts` has one number more than `BOUNDS`."""

    counts: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0  # seconds

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@attrs.define
class Tally:
    """Counts since the start. Times are taken once for many requests, not for each."""

    publications: int = 0
    deliveries: int = 0  # of messages to sessions, history not counted
    refusals: dict[int, int] = attrs.field(factory=dict)  # by code
    commits: Times = attrs.field(factory=Times)  # of a topic's batch, from asking to on disk
    delivered: Times = attrs.field(factory=Times)  # from a batch's taking to its last packet

    def answered(self, code: int) -> None:
        """A {ctrl} was sent."""
        if code >= LEAST_REFUSAL:
            self.refusals[code] = self.refusals.get(code, 0) + 1
