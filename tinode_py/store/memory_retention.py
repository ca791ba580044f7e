"""How long topics keep their messages, in the store in memory."""

from __future__ import annotations

from ..changes import PutRetention
from ..queries import OldestIn, RetentionOf
from ..queries_backend import RetentionsAfter
from .tables import Tables


def put_retention(tables: Tables, change: PutRetention) -> None:
    if change.days is None:
        tables.retentions.drop(change.topic)
    elif change.topic in tables.topics.rows:
        tables.retentions.put(change.topic, change.days)


def oldest_in(tables: Tables, query: OldestIn) -> tuple[tuple[int, int], ...]:
    rows = tables.messages.rows
    found = sorted(seq for topic, seq in rows if topic == query.topic)
    return tuple((seq, rows[query.topic, seq].ts) for seq in found[: query.limit])


def retention_of(tables: Tables, query: RetentionOf) -> int | None:
    return tables.retentions.rows.get(query.topic)


def retentions_after(tables: Tables, query: RetentionsAfter) -> tuple[tuple[str, int], ...]:
    found = sorted(item for item in tables.retentions.rows.items() if item[0] > query.after)
    return tuple(found[: query.limit])
