"""Webhooks, on dicts."""

from __future__ import annotations

import attrs

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
from .tables import Tables


def put_webhook(tables: Tables, change: PutWebhook) -> None:
    tables.webhooks.put(change.hook.id, change.hook)


def move_webhook(tables: Tables, change: MoveWebhook) -> None:
    hook = tables.webhooks.rows.get(change.hook)
    if hook is not None:
        moved = attrs.evolve(hook, done=change.done, failing=change.failing)
        tables.webhooks.put(hook.id, moved)


def drop_webhook(tables: Tables, change: DropWebhook) -> None:
    tables.webhooks.drop(change.hook)
    for key in _keys(tables, change.hook):
        tables.dead_letters.drop(key)


def put_dead_letter(tables: Tables, change: PutDeadLetter) -> None:
    letter = change.letter
    tables.dead_letters.put((letter.hook, letter.event), letter)
    for key in _keys(tables, letter.hook)[:-DEAD_KEPT]:
        tables.dead_letters.drop(key)


def drop_dead_letter(tables: Tables, change: DropDeadLetter) -> None:
    tables.dead_letters.drop((change.hook, change.event))


def _keys(tables: Tables, hook: int) -> list[tuple[int, int]]:
    return sorted(key for key in tables.dead_letters.rows if key[0] == hook)


def webhooks_after(tables: Tables, query: WebhooksAfter) -> tuple[Webhook, ...]:
    found = sorted(number for number in tables.webhooks.rows if number > query.after)
    return tuple(tables.webhooks.rows[number] for number in found[: query.limit])


def dead_letters_of(tables: Tables, query: DeadLettersOf) -> tuple[DeadLetter, ...]:
    found = [key for key in _keys(tables, query.hook) if key[1] > query.after]
    return tuple(tables.dead_letters.rows[key] for key in found[: query.limit])


def dead_count(tables: Tables, query: DeadCount) -> int:
    return len(_keys(tables, query.hook))
