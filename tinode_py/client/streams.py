"""Numbered sequences, and how far each has got: pure bookkeeping, no I/O.

A stream is the inbox, or one topic. The rule that makes it show nothing twice and miss nothing:
what comes live is handed on only if it is the very next number and nothing is being fetched;
else only its number is kept, and everything after the position is fetched, page by page, in
order. So nothing waits in memory either, however much there is to catch up with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

NOW = -1


@attrs.define
class Stream:
    """One sequence. All numbers up to `position` were handed on (`NOW`: from the first answer
    on); `last` is known to be there. `unsure`: what is there must be asked in any case.
    """

    position: int = NOW
    last: int = 0
    unsure: bool = True

    @property
    def behind(self) -> bool:
        """Whether there is something to fetch."""
        return self.unsure or self.position < self.last

    def is_next(self, number: int) -> bool:
        """Whether what has come live is to be handed on as it is."""
        return number == self.position + 1 and not self.behind

    def reached(self, number: int) -> None:
        """Everything up to `number` was handed on."""
        self.position = max(self.position, number)
        self.last = max(self.last, self.position)

    def exists(self, number: int) -> None:
        """There are numbers up to this one."""
        self.last = max(self.last, number)

    def begin(self) -> None:
        """The connection is new: nothing is known of what is there."""
        self.last, self.unsure = 0, True

    def is_all(self, last: int) -> None:
        """The server says that `last` is the highest number, or was when it answered.

        It may be lower than before, where a server was restored from an old backup.
        """
        self.last = max(self.last, last)
        self.position = last if self.position == NOW else min(self.position, self.last)
        self.unsure = False

    def is_closed(self) -> None:
        """Nothing of it can be read at the time."""
        self.last, self.unsure = self.position, False


@attrs.define
class Entry:
    """One item on its way."""

    number: int
    left: int  # consumers that are not done with it
    beside: Mapping[str, int]


@attrs.define
class Progress:
    """What all consumers are done with, by stream: the positions worth keeping."""

    kept: dict[str, int] = attrs.field(factory=dict)
    _open: dict[str, deque[Entry]] = attrs.field(factory=dict)

    def handed_on(
        self, stream: str, number: int, consumers: int, beside: Mapping[str, int] | None = None
    ) -> Entry:
        """`number` went to so many consumers; `beside`: positions of others that go with it."""
        entry = Entry(number, consumers, beside or {})
        self._open.setdefault(stream, deque()).append(entry)
        self._settle(stream)
        return entry

    def done(self, stream: str, entry: Entry) -> None:
        """One more consumer is done with it."""
        entry.left -= 1
        self._settle(stream)

    def forget(self, stream: str) -> None:
        """The stream is followed no more; what is still open of it may end as it likes."""
        self.kept.pop(stream, None)
        self._open.pop(stream, None)

    def _settle(self, stream: str) -> None:
        entries = self._open.get(stream, deque())
        while entries and not entries[0].left:
            entry = entries.popleft()
            self.kept[stream] = entry.number
            self.kept.update(entry.beside)
        if not entries:
            self._open.pop(stream, None)
