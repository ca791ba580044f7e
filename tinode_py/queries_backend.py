"""Questions of back ends and operators to the store: events, webhooks, keys, lists, the audit.

What `queries` says of questions holds here, too.
"""

from __future__ import annotations

from .audit import AuditEntry
from .queries import Query
from .records import ApiKey, DeadLetter, EventPage, Scheduled, Topic, User, Webhook


class EventsAfter(Query[EventPage], frozen=True):
    """A page of the log from number `after` + 1 on, in order, at most `limit` events.

    A page ends before it is longer than `size` bytes, but has one event if there is one.
    Without `messages` those are left out.
    """

    after: int
    limit: int
    messages: bool = True
    size: int = 1 << 20


class OnlineAfter(Query[tuple[str, ...]], frozen=True):
    """Users who are online, as the log has it, in order of their names, after `after`."""

    after: str
    limit: int


class WebhooksAfter(Query[tuple[Webhook, ...]], frozen=True):
    """Webhooks in order of their numbers, after `after`, at most `limit`."""

    after: int
    limit: int


class DeadLettersOf(Query[tuple[DeadLetter, ...]], frozen=True):
    """What a webhook did not take, by number of event, after `after`, at most `limit`."""

    hook: int
    after: int
    limit: int


class DeadCount(Query[int], frozen=True):
    """How many events a webhook did not take, `changes.DEAD_KEPT` at most."""

    hook: int


class DueScheduled(Query[tuple[Scheduled, ...]], frozen=True):
    """Messages to be sent later, those due first, at most `limit`."""

    limit: int


class ScheduledAfter(Query[tuple[Scheduled, ...]], frozen=True):
    """Messages that a key wants sent later, in order of their ids, after `after`."""

    key: str
    after: str
    limit: int


class UsersAfter(Query[tuple[User, ...]], frozen=True):
    """Accounts, also suspended ones, in order of their names, after `after`, at most `limit`."""

    after: str
    limit: int


class TopicsAfter(Query[tuple[tuple[Topic, int], ...]], frozen=True):
    """Groups and private chats in order of their names, after `after`, at most `limit`; of a
    group how many members and readers it has, else 0.
    """

    after: str
    limit: int


class KeyById(Query[ApiKey | None], frozen=True):
    """A key of the business API, also one that was revoked."""

    id: str


class KeysAfter(Query[tuple[ApiKey, ...]], frozen=True):
    """Keys in order of their ids, after `after`, at most `limit`."""

    after: str
    limit: int


class AuditBefore(Query[tuple[AuditEntry, ...]], frozen=True):
    """Entries of the audit with numbers below `n`, the latest first, at most `limit`."""

    n: int
    limit: int


class RetentionsAfter(Query[tuple[tuple[str, int], ...]], frozen=True):
    """Topics for which something is said, in order, after `after`, each with its days."""

    after: str
    limit: int


class StoredSettings(Query[tuple[tuple[str, bytes], ...]], frozen=True):
    """The settings made at run time: keys in order, each with its value as JSON."""


class SecretNamed(Query[bytes | None], frozen=True):
    name: str
