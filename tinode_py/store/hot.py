"""The two changes that every publication makes, written for many batches in one statement.

A thread that runs SQLite gives up the interpreter's lock several times per statement, and
beside a busy loop each time costs a switch interval. So there is one statement for everything,
whatever the number of rows: an INSERT into a view of this connection, whose trigger raises the
topics, checks that no number was skipped, adds the messages (each with its number in the log of
events), raises the marks and gives private
messages their places in inboxes. Outside a transaction it is a transaction of its own, begin and
commit included.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ..changes import AppendMessage, Change, SetMarks
from .rows import encoded
from .sql import Statements

# Content above this size is bound as it is: escaping and parsing it would cost more than a
# statement of its own.
LARGE = 16_384

# The view and the trigger belong to the connection, not to the file.
_PREPARE = (
    "CREATE TEMP VIEW hot (tails, messages, marks, inbox, places) "
    "AS SELECT '[]', '[]', '[]', '[]', '[]'",
    """
CREATE TEMP TRIGGER hot_write INSTEAD OF INSERT ON hot
BEGIN
    UPDATE topic_tail SET seq = j.last, touched = max(touched, j.ts)
    FROM (SELECT value ->> 0 AS topic, value ->> 1 AS first, value ->> 2 AS last,
                 value ->> 3 AS ts FROM json_each(new.tails)) AS j
    WHERE topic_tail.topic = j.topic AND topic_tail.seq = j.first - 1;

    SELECT RAISE(ABORT, 'stale') WHERE changes() <> json_array_length(new.tails);

    INSERT INTO message (topic, seq, sender, ts, head, content, event)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
           value ->> 6
    FROM json_each(new.messages);

    UPDATE subscription SET read = max(subscription.read, j.read),
                            recv = max(subscription.recv, j.recv)
    FROM (SELECT value ->> 0 AS topic, value ->> 1 AS user, value ->> 2 AS read,
                 value ->> 3 AS recv FROM json_each(new.marks)) AS j
    WHERE subscription.topic = j.topic AND subscription.user = j.user;

    INSERT INTO inbox_tail (user, first, last)
    SELECT value ->> 0, 1, value ->> 1 FROM json_each(new.inbox) WHERE true
    ON CONFLICT (user) DO UPDATE SET last = last + excluded.last;

    INSERT INTO inbox (user, n, topic, seq, ts, kind)
    SELECT j.value ->> 0, t.last - (j.value ->> 1), j.value ->> 2, j.value ->> 3,
           j.value ->> 4, ''
    FROM json_each(new.places) AS j CROSS JOIN inbox_tail AS t ON t.user = j.value ->> 0;
END""",
)
_WRITE = "INSERT INTO hot (tails, messages, marks, inbox, places) VALUES (?, ?, ?, ?, ?)"
_WRITE_LARGE = """
INSERT INTO message (topic, seq, sender, ts, head, content, event)
VALUES (?, ?, ?, ?, ?, ?, ?)"""

# What a message that is not its topic's next, or is there already, is refused by.
_OUT_OF_TURN = frozenset({"SQLITE_CONSTRAINT_TRIGGER", "SQLITE_CONSTRAINT_PRIMARYKEY"})

_Message = tuple[str, int, str, int, str | None, str, int]


def prepare(db: Statements) -> None:
    """Make ready the connection that is to write hot changes."""
    for statement in _PREPARE:
        db.connection.execute(statement)


class Hot:
    """Hot changes of one transaction, gathered in order. `next_event` numbers messages."""

    __slots__ = ("_inboxes", "_large", "_marks", "_messages", "_next_event", "_tails")

    def __init__(self, next_event: Callable[[], int]) -> None:
        self._next_event = next_event
        self._messages: list[_Message] = []
        self._large: list[_Message] = []
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
        row = (m.topic, m.seq, m.sender, m.ts, head, content, self._next_event())
        (self._large if len(m.content) > LARGE else self._messages).append(row)
        for user in change.inboxes:
            self._inboxes.setdefault(user, []).append((m.topic, m.seq, m.ts))
        return True

    @property
    def one_statement(self) -> bool:
        """Whether `write` is a single statement, and so needs no transaction around it."""
        return not self._large

    def write(self, db: Statements) -> bool:
        """Write what was gathered, or answer False: some message is not its topic's next.

        After False, as after an error, the caller must roll back if it began a transaction:
        part may have been written.
        """
        if not self._tails and not self._marks:
            return True
        tails = [(topic, *tail) for topic, tail in self._tails.items()]
        marks = [(*key, *mark) for key, mark in self._marks.items()]
        try:
            inbox, places = self._diffused()
            texts = map(encoded, (tails, self._messages, marks, inbox, places))
            db.run(_WRITE, tuple(texts))
            for row in self._large:
                db.run(_WRITE_LARGE, row)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname not in _OUT_OF_TURN:
                raise
            return False
        return True

    def _diffused(self) -> tuple[list[tuple[str, int]], list[tuple[str, int, str, int, int]]]:
        """How many items each user gets, and each item with how many come after it."""
        inbox = [(user, len(items)) for user, items in self._inboxes.items()]
        places = [
            (user, len(items) - place, *item)
            for user, items in self._inboxes.items()
            for place, item in enumerate(items, 1)
        ]
        return inbox, places
