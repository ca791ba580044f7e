"""Durable changes for back ends and operators: events, webhooks, keys, settings, the audit.

What `changes` says of changes holds here, too; all of them together are `changes.Change`.
"""

from __future__ import annotations

import msgspec

from .audit import AuditEntry
from .records import ApiKey, DeadLetter, Scheduled, Webhook

DEAD_KEPT = 10_000  # dead letters of one webhook: old ones make room


class PutOnline(msgspec.Struct, frozen=True):
    """Log that a user is online, unless that is what the log says already."""

    user: str
    ts: int
    detail: bytes


class PutOffline(msgspec.Struct, frozen=True):
    """Log that a user is offline, if the log says that he is online."""

    user: str
    ts: int
    detail: bytes


class PurgeEvents(msgspec.Struct, frozen=True):
    """Let go of events that an earlier purge, at a time before `before`, has seen.

    Called now and then it keeps what is younger than `now - before`, and what happened between
    two purges. Messages stay; the log does not tell of old ones any more.
    """

    before: int
    now: int


class PutWebhook(msgspec.Struct, frozen=True):
    """Create or replace a webhook."""

    hook: Webhook


class MoveWebhook(msgspec.Struct, frozen=True):
    """How far a webhook has come, if it is still there."""

    hook: int
    done: int
    failing: int


class DropWebhook(msgspec.Struct, frozen=True):
    """Remove a webhook, with what it did not take."""

    hook: int


class PutDeadLetter(msgspec.Struct, frozen=True):
    """Keep an event that a webhook did not take; of one webhook the latest `DEAD_KEPT` stay."""

    letter: DeadLetter


class DropDeadLetter(msgspec.Struct, frozen=True):
    """Forget an event that was taken after all."""

    hook: int
    event: int


class PutKey(msgspec.Struct, frozen=True):
    """Create or replace a key of the business API.

    Conflict if its digest is not `instead_of` (empty: whatever it is), or it was revoked.
    """

    key: ApiKey
    instead_of: str = ""


class PutSetting(msgspec.Struct, frozen=True):
    """Keep a setting made at run time, as JSON; None forgets it."""

    key: str
    value: bytes | None


class PutScheduled(msgspec.Struct, frozen=True):
    """Keep a message that is to be sent later.

    Conflict if its key has more than `most` waiting then, or more than `size` bytes of them;
    0: no bound.
    """

    scheduled: Scheduled
    most: int = 0
    size: int = 0


class DropScheduled(msgspec.Struct, frozen=True):
    """Forget a message that was to be sent later."""

    id: str


class PutAudit(msgspec.Struct, frozen=True):
    """Add an entry to the audit, under the next number."""

    entry: AuditEntry


class PurgeAudit(msgspec.Struct, frozen=True):
    """Let go of entries from before a time; numbers are not given out again."""

    before: int


class PutSecret(msgspec.Struct, frozen=True):
    """Keep a server secret (token key, API salt) under a name, if none is kept yet."""

    name: str
    value: bytes
