"""How long topics keep their messages, in SQL."""

from __future__ import annotations

from ..changes import PutRetention
from ..queries import OldestIn, RetentionOf
from ..queries_backend import RetentionsAfter
from .rows import upsert
from .statements import Statements

_PUT = upsert("retention", ("topic", "days"))
_OLDEST = "SELECT seq, ts FROM message WHERE topic = ? ORDER BY seq LIMIT ?"
_AFTER = "SELECT topic, days FROM retention WHERE topic > ? ORDER BY topic LIMIT ?"


def put_retention(db: Statements, change: PutRetention) -> None:
    if change.days is None:
        db.run("DELETE FROM retention WHERE topic = ?", (change.topic,))
    elif db.row("SELECT 1 FROM topic WHERE name = ?", (change.topic,)) is not None:
        db.run(_PUT, (change.topic, change.days))


def oldest_in(db: Statements, query: OldestIn) -> tuple[tuple[int, int], ...]:
    return tuple((seq, ts) for seq, ts in db.rows(_OLDEST, (query.topic, query.limit)))


def retention_of(db: Statements, query: RetentionOf) -> int | None:
    row = db.row("SELECT days FROM retention WHERE topic = ?", (query.topic,))
    return None if row is None else int(row[0])


def retentions_after(db: Statements, query: RetentionsAfter) -> tuple[tuple[str, int], ...]:
    found = db.rows(_AFTER, (query.after, query.limit))
    return tuple((topic, days) for topic, days in found)
