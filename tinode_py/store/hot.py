"""The two changes that every publication makes, written for many batches at once.

A statement per kind, whatever the number of rows: a thread that runs one statement gives up
the interpreter's lock once, one that runs a statement per row begs for it back at every row
(measured beside a busy loop: 59,800 rows/s against 4,800).
"""

from __future__ import annotations

import sqlite3

from ..changes import AppendMessage, Change, SetMarks
from .rows import encoded
from .sql import Statements

# Content above this size is bound as it is: escaping and parsing it would cost more than a
# statement of its own.
LARGE = 16_384

_RAISE_TAILS = """
UPDATE topic_tail SET seq = j.last, touched = max(touched, j.ts)
FROM (SELECT value ->> 0 AS topic, value ->> 1 AS first, value ->> 2 AS last, value ->> 3 AS ts
      FROM json_each(?)) AS j
WHERE topic_tail.topic = j.topic AND topic_tail.seq = j.first - 1"""
_INSERT_MESSAGES = """
INSERT INTO message (topic, seq, sender, ts, head, content)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(?)"""
_INSERT_LARGE = """
INSERT INTO message (topic, seq, sender, ts, head, content) VALUES (?, ?, ?, ?, ?, ?)"""
_RAISE_MARKS = """
UPDATE subscription SET read = max(subscription.read, j.read), recv = max(subscription.recv, j.recv)
FROM (SELECT value ->> 0 AS topic, value ->> 1 AS user, value ->> 2 AS read,
             value ->> 3 AS recv FROM json_each(?)) AS j
WHERE subscription.topic = j.topic AND subscription.user = j.user"""

_Message = tuple[str, int, str, int, str | None, str]


class Hot:
    """Hot changes of one transaction, gathered in order."""

    __slots__ = ("_large", "_marks", "_messages", "_tails")

    def __init__(self) -> None:
        self._messages: list[_Message] = []
        self._large: list[_Message] = []
        self._tails: dict[str, list[int]] = {}  # first number, last number, time
        self._marks: dict[tuple[str, str], tuple[int, int]] = {}

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
        row = (m.topic, m.seq, m.sender, m.ts, head, m.content.decode())
        (self._large if len(m.content) > LARGE else self._messages).append(row)
        return True

    def write(self, db: Statements) -> bool:
        """Write what was gathered, or answer False: some message is not its topic's next.

        After False the caller must roll back: part may have been written.
        """
        if self._tails and not self._write_messages(db):
            return False
        if self._marks:
            db.run(_RAISE_MARKS, (encoded([(*k, *v) for k, v in self._marks.items()]),))
        return True

    def _write_messages(self, db: Statements) -> bool:
        tails = encoded([(topic, *tail) for topic, tail in self._tails.items()])
        if db.run(_RAISE_TAILS, (tails,)) != len(self._tails):
            return False
        try:
            if self._messages:
                db.run(_INSERT_MESSAGES, (encoded(self._messages),))
            for row in self._large:
                db.run(_INSERT_LARGE, row)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname != "SQLITE_CONSTRAINT_PRIMARYKEY":
                raise
            return False
        return True
