"""The hot changes of many batches, written to SQLite in one statement.

A thread that runs SQLite gives up the interpreter's lock several times per statement, and
beside a busy loop each time costs a switch interval. So there is one statement for everything,
whatever the number of rows: an INSERT into a view of this connection, whose trigger raises the
topics, checks that no number was skipped, adds the messages (each with its number in the log of
events), raises the marks and gives private messages their places in inboxes, many by one row of
what is handed over (`Hot.runs`), for to take JSON apart costs more than to look the messages up.
Outside a transaction it is a transaction of its own, begin and commit included.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from .hot import Hot

if TYPE_CHECKING:
    from .sql import SqliteStatements

# The view and the trigger belong to the connection, not to the file.
_PREPARE = (
    "CREATE TEMP VIEW hot (tails, messages, marks, inbox, runs, base) "
    "AS SELECT '[]', '[]', '[]', '[]', '[]', 0",
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
           new.base + (value ->> 6)
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
    SELECT t.user, t.last - j.after + m.seq - j.first, m.topic, m.seq, m.ts, ''
    FROM (SELECT value ->> 0 AS user, value ->> 1 AS after, value ->> 2 AS topic,
                 value ->> 3 AS first, value ->> 4 AS last FROM json_each(new.runs)) AS j
    CROSS JOIN inbox_tail AS t ON t.user = j.user
    CROSS JOIN message AS m ON m.topic = j.topic AND m.seq BETWEEN j.first AND j.last;
END""",
)
_WRITE = "INSERT INTO hot (tails, messages, marks, inbox, runs, base) VALUES (?, ?, ?, ?, ?, ?)"
_WRITE_LARGE = """
INSERT INTO message (topic, seq, sender, ts, head, content, event)
VALUES (?, ?, ?, ?, ?, ?, ?)"""

# What a message that is not its topic's next, or is there already, is refused by.
_OUT_OF_TURN = frozenset({"SQLITE_CONSTRAINT_TRIGGER", "SQLITE_CONSTRAINT_PRIMARYKEY"})


def prepare(connection: sqlite3.Connection) -> None:
    """Make ready the connection that is to write hot changes."""
    for statement in _PREPARE:
        connection.execute(statement)


def write(db: SqliteStatements, hot: Hot) -> bool:
    """As `Statements.write_hot` says."""
    try:
        for row in hot.large:  # before their places in inboxes, which look them up
            db.run(_WRITE_LARGE, (*row[:-1], db.last_event + row[-1]))
        db.run(_WRITE, (*hot.texts(), hot.runs(), db.last_event))
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname not in _OUT_OF_TURN:
            raise
        return False
    db.last_event += hot.count
    return True
