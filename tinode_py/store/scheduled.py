"""Messages to be sent later, in SQLite."""

from __future__ import annotations

from ..changes import DropScheduled, PutScheduled
from ..queries import DueScheduled, ScheduledAfter
from ..records import Scheduled
from . import rows
from .sql import Row, Statements

COLUMNS = ("id", "key", "at", "request")
_LIST = ", ".join(COLUMNS)
_PUT = rows.upsert("scheduled", COLUMNS)


def put_scheduled(db: Statements, change: PutScheduled) -> None:
    s = change.scheduled
    db.run(_PUT, (s.id, s.key, s.at, s.request.decode()))


def drop_scheduled(db: Statements, change: DropScheduled) -> None:
    db.run("DELETE FROM scheduled WHERE id = ?", (change.id,))


def due_scheduled(db: Statements, query: DueScheduled) -> tuple[Scheduled, ...]:
    found = db.rows(
        f"SELECT {_LIST} FROM scheduled WHERE at >= 0 ORDER BY at, id LIMIT ?", (query.limit,)
    )
    return tuple(map(_scheduled, found))


def scheduled_after(db: Statements, query: ScheduledAfter) -> tuple[Scheduled, ...]:
    found = db.rows(
        f"SELECT {_LIST} FROM scheduled WHERE key = ? AND id > ? ORDER BY id LIMIT ?",
        (query.key, query.after, query.limit),
    )
    return tuple(map(_scheduled, found))


def _scheduled(row: Row) -> Scheduled:
    ident, key, at, request = row
    return Scheduled(ident, key, at, request.encode())
