"""Dicts that can take back what was done to them since a mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..audit import AuditEntry
from ..changes import Outcome
from ..records import (
    ApiKey,
    Credential,
    DeadLetter,
    Device,
    Event,
    InboxPage,
    Login,
    LoginSession,
    Message,
    Published,
    Range,
    Scheduled,
    Subscription,
    Topic,
    Upload,
    User,
    Webhook,
)

K = TypeVar("K")
V = TypeVar("V")

_Undo = list[Callable[[], object]]


class Refused(Exception):
    """The batch must be undone and answered with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Table(Generic[K, V]):
    """A dict to be read as `rows` and changed through `put` and `drop` alone."""

    def __init__(self, undo: _Undo) -> None:
        self.rows: dict[K, V] = {}
        self._undo = undo

    def put(self, key: K, value: V) -> None:
        self._remember(key)
        self.rows[key] = value

    def drop(self, key: K) -> None:
        """Remove a row, if it is there."""
        self._remember(key)
        self.rows.pop(key, None)

    def _remember(self, key: K) -> None:
        if key in self.rows:
            before = self.rows[key]
            self._undo.append(lambda: self.rows.__setitem__(key, before))
        else:
            self._undo.append(lambda: self.rows.pop(key, None))


class Tables:
    """Everything a memory store keeps."""

    def __init__(self) -> None:
        self._undo: _Undo = []
        self.users: Table[str, User] = Table(self._undo)
        self.logins: Table[tuple[str, str], Login] = Table(self._undo)  # scheme, name
        self.topics: Table[str, Topic] = Table(self._undo)
        self.subscriptions: Table[tuple[str, str], Subscription] = Table(self._undo)
        self.messages: Table[tuple[str, int], Message] = Table(self._undo)
        # topic, user ("" for all), number
        self.deletions: Table[tuple[str, str, int], tuple[Range, ...]] = Table(self._undo)
        self.inboxes: Table[str, InboxPage] = Table(self._undo)  # messages left out
        self.sessions: Table[tuple[str, int], LoginSession] = Table(self._undo)
        self.credentials: Table[tuple[str, str, str], Credential] = Table(self._undo)
        self.answers: Table[tuple[str, str, str], Published] = Table(self._undo)  # topic, user, key
        self.find_queries: Table[str, bytes] = Table(self._undo)
        self.devices: Table[str, Device] = Table(self._undo)
        self.uploads: Table[str, Upload] = Table(self._undo)
        # owner, message (0: its picture), upload
        self.upload_links: Table[tuple[str, int, str], None] = Table(self._undo)
        self.uploaded: Table[tuple[str, int], int] = Table(self._undo)  # who, day
        self.scheduled: Table[str, Scheduled] = Table(self._undo)
        self.keys: Table[str, ApiKey] = Table(self._undo)
        self.settings: Table[str, bytes] = Table(self._undo)
        self.retentions: Table[str, int] = Table(self._undo)  # days
        self.secrets: Table[str, bytes] = Table(self._undo)
        self.places: Table[tuple[str, int], int] = Table(self._undo)  # of messages in the log
        self.events: Table[int, Event] = Table(self._undo)  # messages left out
        self.event_marks: Table[int, int] = Table(self._undo)  # time, highest number then
        self.first_event: Table[None, int] = Table(self._undo)
        self.online: Table[str, int] = Table(self._undo)
        self.webhooks: Table[int, Webhook] = Table(self._undo)
        self.dead_letters: Table[tuple[int, int], DeadLetter] = Table(self._undo)  # hook, event
        self.audit: Table[int, AuditEntry] = Table(self._undo)
        self.last_entry: Table[None, int] = Table(self._undo)
        self.last_event = 0

    def next_event(self) -> int:
        """A number that no event has."""
        before = self.last_event
        self._undo.append(lambda: setattr(self, "last_event", before))
        self.last_event += 1
        return self.last_event

    def mark(self) -> int:
        return len(self._undo)

    def owners(self) -> list[tuple[str, User | Topic]]:
        """Everyone who may have tags, by name."""
        return [*self.users.rows.items(), *self.topics.rows.items()]

    def undo(self, mark: int) -> None:
        """Take back everything since `mark`."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def forget(self) -> None:
        """Nothing until now will be taken back."""
        self._undo.clear()
