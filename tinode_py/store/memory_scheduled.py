"""Messages to be sent later, in the store in memory."""

from __future__ import annotations

from ..changes import DropScheduled, PutScheduled
from ..queries import DueScheduled, ScheduledAfter
from ..records import Scheduled
from .tables import Tables


def put_scheduled(tables: Tables, change: PutScheduled) -> None:
    tables.scheduled.put(change.scheduled.id, change.scheduled)


def drop_scheduled(tables: Tables, change: DropScheduled) -> None:
    tables.scheduled.drop(change.id)


def due_scheduled(tables: Tables, query: DueScheduled) -> tuple[Scheduled, ...]:
    rows = sorted(tables.scheduled.rows.values(), key=lambda row: (row.at, row.id))
    return tuple(rows[: query.limit])


def scheduled_after(tables: Tables, query: ScheduledAfter) -> tuple[Scheduled, ...]:
    rows = sorted(tables.scheduled.rows.values(), key=lambda row: row.id)
    mine = [row for row in rows if row.key == query.key and row.id > query.after]
    return tuple(mine[: query.limit])
