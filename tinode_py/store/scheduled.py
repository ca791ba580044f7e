"""Messages to be sent later, in SQL."""

from __future__ import annotations

from ..changes_backend import DropScheduled, PutScheduled
from ..queries_backend import DueScheduled, ScheduledAfter
from ..records import Scheduled
from . import rows
from .statements import Row, Statements

COLUMNS = ("id", "key", "at", "request")
_LIST = ", ".join(COLUMNS)
_KNOWN = "SELECT key, length(CAST(request AS BLOB)) FROM scheduled WHERE id = ?"
_COUNT = """
INSERT INTO scheduled_total (key, count, bytes) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE
SET count = scheduled_total.count + excluded.count, bytes = scheduled_total.bytes + excluded.bytes
RETURNING count, bytes"""
_PUT = rows.upsert("scheduled", COLUMNS)


def put_scheduled(db: Statements, change: PutScheduled) -> bool:
    """False if it is more than its key may have waiting."""
    s = change.scheduled
    _drop(db, s.id)
    found = db.row(_COUNT, (s.key, 1, len(s.request)))
    assert found is not None
    count, size = found
    if 0 < change.most < count or 0 < change.size < size:
        return False
    db.run(_PUT, (s.id, s.key, s.at, s.request.decode()))
    return True


def drop_scheduled(db: Statements, change: DropScheduled) -> None:
    _drop(db, change.id)


def _drop(db: Statements, ident: str) -> None:
    known = db.row(_KNOWN, (ident,))
    if known is not None:
        db.run("DELETE FROM scheduled WHERE id = ?", (ident,))
        db.row(_COUNT, (known[0], -1, -known[1]))
        db.run("DELETE FROM scheduled_total WHERE key = ? AND count = 0", (known[0],))


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
