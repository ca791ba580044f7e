"""Messages to be sent later, in the store in memory."""

from __future__ import annotations

from ..changes_backend import DropScheduled, PutScheduled
from ..queries_backend import DueScheduled, ScheduledAfter
from ..records import Scheduled
from .tables import Tables


def put_scheduled(tables: Tables, change: PutScheduled) -> bool:
    """False if it is more than its key may have waiting."""
    wanted = change.scheduled
    rows = tables.scheduled.rows.values()
    mine = [row for row in rows if row.key == wanted.key and row.id != wanted.id] + [wanted]
    size = sum(len(row.request) for row in mine)
    if 0 < change.most < len(mine) or 0 < change.size < size:
        return False
    tables.scheduled.put(wanted.id, wanted)
    return True


def drop_scheduled(tables: Tables, change: DropScheduled) -> None:
    tables.scheduled.drop(change.id)


def due_scheduled(tables: Tables, query: DueScheduled) -> tuple[Scheduled, ...]:
    rows = sorted(tables.scheduled.rows.values(), key=lambda row: (row.at, row.id))
    return tuple(rows[: query.limit])


def scheduled_after(tables: Tables, query: ScheduledAfter) -> tuple[Scheduled, ...]:
    rows = sorted(tables.scheduled.rows.values(), key=lambda row: row.id)
    mine = [row for row in rows if row.key == query.key and row.id > query.after]
    return tuple(mine[: query.limit])
