"""The two changes that every publication makes, gathered from many batches.

A store writes all of them in one statement, whatever their number: what is gathered here is
handed over as JSON, a text for each table (`texts`).
"""

from __future__ import annotations

from ..changes import AppendMessage, Change, SetMarks
from .rows import encoded

# Content above this size is bound as it is: escaping and parsing it would cost more than a
# statement of its own.
LARGE = 16_384

_Message = tuple[str, int, str, int, str | None, str, int]


class Hot:
    """Hot changes of one transaction, gathered in order. `count` is the number of messages:
    from 1 to that are their numbers, to be counted from the last event there is.
    """

    __slots__ = ("_inboxes", "_marks", "_messages", "_tails", "count", "large")

    def __init__(self) -> None:
        self.count = 0
        self._messages: list[_Message] = []
        self.large: list[_Message] = []
        self._tails: dict[str, list[int]] = {}  # first number, last number, time
        self._marks: dict[tuple[str, str], tuple[int, int]] = {}
        self._inboxes: dict[str, list[tuple[str, int, int]]] = {}  # topic, number, time

    def add(self, change: Change) -> bool:
        """Take one hot change; False if a message does not follow the one before it."""
        if type(change) is AppendMessage:
            return self._append(change)
        if type(change) is SetMarks:
            key = (change.topic, change.user)
            read, recv = self._marks.get(key, (0, 0))
            self._marks[key] = (max(read, change.read), max(recv, change.recv))
            return True
        raise TypeError(f"not a hot change: {change!r}")

    def _append(self, change: AppendMessage) -> bool:
        m = change.message
        tail = self._tails.get(m.topic)
        if tail is None:
            self._tails[m.topic] = [m.seq, m.seq, m.ts]
        elif m.seq != tail[1] + 1:
            return False
        else:
            tail[1] = m.seq
            tail[2] = max(tail[2], m.ts)
        head = None if m.head is None else m.head.decode()
        content = m.content.decode()
        self.count += 1
        row = (m.topic, m.seq, m.sender, m.ts, head, content, self.count)
        (self.large if len(m.content) > LARGE else self._messages).append(row)
        for user in change.inboxes:
            self._inboxes.setdefault(user, []).append((m.topic, m.seq, m.ts))
        return True

    @property
    def one_statement(self) -> bool:
        """Whether it is written as a single statement, which needs no transaction around it."""
        return not self.large

    @property
    def is_empty(self) -> bool:
        return not self._tails and not self._marks

    def texts(self) -> tuple[str, str, str, str]:
        """What was gathered, but `large`: tails, messages, marks, how many items each inbox
        gets. Each is a JSON array of arrays. The items are in `places`, or in `runs`.
        """
        tails = [(topic, *tail) for topic, tail in self._tails.items()]
        marks = [(*key, *mark) for key, mark in self._marks.items()]
        inbox = [(user, len(items)) for user, items in self._inboxes.items()]
        return encoded(tails), encoded(self._messages), encoded(marks), encoded(inbox)

    def places(self) -> str:
        """Each item of each inbox: user, how many come after it, topic, number, time."""
        return encoded(
            [
                (user, len(items) - place, *item)
                for user, items in self._inboxes.items()
                for place, item in enumerate(items, 1)
            ]
        )

    def runs(self) -> str:
        """The same, for who can look the messages up: those of one topic that follow on each
        other in an inbox are one row: user, how many come after the first, topic, first and last
        number.
        """
        found: list[list[str | int]] = []
        for user, items in self._inboxes.items():
            topic, after = "", 0
            for place, (name, seq, _) in enumerate(items, 1):
                if name == topic and seq == after:
                    found[-1][4] = seq
                else:
                    found.append([user, len(items) - place, name, seq, seq])
                topic, after = name, seq + 1
        return encoded(found)
