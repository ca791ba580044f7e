"""One frame to many sockets, with as little for each reader as can be.

A *line* is a descriptor to which an outbox would write at once, for nothing waits in it. `Lines`
knows those of one server. A `Bundle` is some of them, noted once and written to again and again.

Why there is such a thing: the kernel's work for a thousand sockets leaves nothing else in the
processor's caches, so whatever is looked at for each reader has to come from memory: his link,
its id, its outbox, the number of the descriptor. Here he is twelve bytes in two arrays that are
read in order, and eight in a third (docs/decisions/0035).

What makes it safe:

- A descriptor belongs to another connection soon after it was closed, and topics hear of that
  late. So each outbox has a number that no other has had, and a descriptor is written to if it
  is that outbox's at this very moment.
- An outbox takes its line away before it queues anything and before it is closed; so a bundle
  never writes past what waits. Whoever has no line is served by his outbox, which knows what
  to do about a socket that takes no more, or that is gone.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence, Set

import attrs

Line = tuple[int, int]  # a descriptor, and the number of the outbox that writes to it
NO_LINE: Line = (0, -1)  # nobody has that number
FEW = 16  # up to so many readers a bundle is not worth its memory


@attrs.define(eq=False)
class Lines:
    """Whose each descriptor is: the number of an outbox of which nothing waits, 0 for nobody's."""

    whose: array[int] = attrs.field(factory=lambda: array("q", [0]))
    _last: int = 0

    def number(self) -> int:
        """For an outbox: one that no other has had."""
        self._last += 1
        return self._last

    def open(self, line: Line) -> None:
        """Bundles may write to the descriptor from now on."""
        descriptor, number = line
        if descriptor >= len(self.whose):
            self.whose.extend([0] * (descriptor + 1 - len(self.whose)))
        self.whose[descriptor] = number

    def close(self, line: Line) -> None:
        """Bundles leave the descriptor alone, unless it is another's already."""
        descriptor, number = line
        if self.whose[descriptor] == number:
            self.whose[descriptor] = 0


class Bundle:
    """The lines of some readers, in their order."""

    __slots__ = ("_descriptors", "_lines", "_numbers")

    def __init__(self, lines: Lines, those: Iterable[Line]) -> None:
        self._lines = lines
        descriptors, numbers = zip(*those, strict=True)
        self._descriptors = array("i", descriptors)
        self._numbers = array("q", numbers)

    def write(
        self, frame: bytes, first: int, last: int, apart: Set[int]
    ) -> Sequence[tuple[int, int]]:
        """Write the frame to readers `first` to `last - 1`, but for those whose numbers are
        `apart`. Which of them have to be served by their outboxes, and how many bytes they have
        already. Neither blocks nor raises.
        """
        left: list[tuple[int, int]] = []
        places = range(first, last)
        write, whose, size = os.write, self._lines.whose, len(frame)
        these = zip(places, self._descriptors[first:last], self._numbers[first:last], strict=False)
        for place, descriptor, number in these:
            sent = 0
            if whose[descriptor] == number and number not in apart:
                try:
                    sent = write(descriptor, frame)
                except OSError:  # his outbox tries again, and sees why
                    sent = 0
            if sent != size:
                left.append((place, sent))
        return left
