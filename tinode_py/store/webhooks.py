"""Webhooks in SQL, and what they did not take."""

from __future__ import annotations

import msgspec

from ..changes_backend import (
    DEAD_KEPT,
    DropDeadLetter,
    DropWebhook,
    MoveWebhook,
    PutDeadLetter,
    PutWebhook,
)
from ..queries_backend import DeadCount, DeadLettersOf, WebhooksAfter
from ..records import DeadLetter, Webhook
from .rows import encoded, upsert
from .statements import Row, Statements

_COLUMNS = (
    *("id", "created", "url", "secret", "kinds", "topics", "active", "done", "failing"),
    *("former", "former_until"),
)
_DEAD_COLUMNS = ("hook", "event", "kind", "at", "tries", "error", "data")
_PUT = upsert("webhook", _COLUMNS)
_PUT_DEAD = upsert("dead_letter", _DEAD_COLUMNS, 2)
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM webhook WHERE id > ? ORDER BY id LIMIT ?"
_DEAD = """
SELECT hook, event, kind, at, tries, error, CAST(data AS BLOB) FROM dead_letter
WHERE hook = ? AND event > ? ORDER BY event LIMIT ?"""
_COUNT = "SELECT count(*) FROM dead_letter WHERE hook = ?"
_OLDEST = """
DELETE FROM dead_letter WHERE hook = ?1 AND event < (
    SELECT event FROM dead_letter WHERE hook = ?1 ORDER BY event DESC LIMIT 1 OFFSET ?2)"""
_LIST = msgspec.json.Decoder(tuple[str, ...])


def put_webhook(db: Statements, change: PutWebhook) -> None:
    hook = change.hook
    row = (hook.id, hook.created, hook.url, hook.secret, encoded(hook.kinds), encoded(hook.topics))
    state = (int(hook.active), hook.done, hook.failing)
    db.run(_PUT, (*row, *state, hook.former, hook.former_until))


def move_webhook(db: Statements, change: MoveWebhook) -> None:
    row = (change.done, change.failing, change.hook)
    db.run("UPDATE webhook SET done = ?, failing = ? WHERE id = ?", row)


def drop_webhook(db: Statements, change: DropWebhook) -> None:
    db.run("DELETE FROM webhook WHERE id = ?", (change.hook,))
    db.run("DELETE FROM dead_letter WHERE hook = ?", (change.hook,))


def put_dead_letter(db: Statements, change: PutDeadLetter) -> None:
    dead = change.letter
    row = (dead.hook, dead.event, dead.kind, dead.at, dead.tries, dead.error, dead.data.decode())
    db.run(_PUT_DEAD, row)
    db.run(_OLDEST, (dead.hook, DEAD_KEPT - 1))


def drop_dead_letter(db: Statements, change: DropDeadLetter) -> None:
    row = (change.hook, change.event)
    db.run("DELETE FROM dead_letter WHERE hook = ? AND event = ?", row)


def webhooks_after(db: Statements, query: WebhooksAfter) -> tuple[Webhook, ...]:
    return tuple(map(_hook, db.rows(_ALL, (query.after, query.limit))))


def _hook(row: Row) -> Webhook:
    number, created, url, secret, kinds, topics, active, *state = row
    lists = (_LIST.decode(kinds), _LIST.decode(topics))
    return Webhook(number, created, url, secret, *lists, bool(active), *state)


def dead_letters_of(db: Statements, query: DeadLettersOf) -> tuple[DeadLetter, ...]:
    rows = db.rows(_DEAD, (query.hook, query.after, query.limit))
    return tuple(DeadLetter(*row) for row in rows)


def dead_count(db: Statements, query: DeadCount) -> int:
    row = db.row(_COUNT, (query.hook,))
    return 0 if row is None else int(row[0])
