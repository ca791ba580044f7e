"""Accounts, logins and keys in memory, as they are on the disk.

Whoever sends over HTTP shows a key and names people with every request: the same rows, time
and again. This is for a store of which one process is the only writer, and hears of every
change before it is written.

What it guarantees. What it answers is never older than the latest commit that was
acknowledged. A commit that may change such rows is announced first: those that it may change
are let go of, and until it is over none of these is taken in, since nobody knows whether it was
read before the change or after. A commit that is never over, because its task was cancelled,
leaves it so: those rows are then read from the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, cast

import msgspec

from .. import changes, changes_backend
from ..changes import Batch, Change, PutUser, SetSeen
from ..changes_backend import PutKey
from ..queries import LoginByName, Query, UserById
from ..queries_backend import KeyById

MOST = 2048  # rows
SMALL = 4096  # bytes: larger rows are not kept

KEPT: frozenset[type[Query[Any]]] = frozenset({UserById, KeyById, LoginByName})

# What changes no account, login or key. A test looks at the tables that they write.
ELSEWHERE: frozenset[type[Change]] = frozenset(
    {
        changes.AppendMessage,
        changes.ClaimTags,
        changes.DeleteMessages,
        changes.DeleteTopic,
        changes.DropCredential,
        changes_backend.DropDeadLetter,
        changes.DropDevice,
        changes_backend.DropScheduled,
        changes.DropSession,
        changes.DropUploads,
        changes.LinkUploads,
        changes_backend.MoveWebhook,
        changes_backend.PurgeAudit,
        changes_backend.PurgeEvents,
        changes.PurgeIdem,
        changes.PurgeInbox,
        changes.PurgeUploaded,
        changes_backend.PutAudit,
        changes.PutCredential,
        changes_backend.PutDeadLetter,
        changes.PutDevice,
        changes.PutIdem,
        changes.PutNotice,
        changes_backend.PutOffline,
        changes_backend.PutOnline,
        changes_backend.PutScheduled,
        changes.PutSession,
        changes.PutSubscription,
        changes.PutTopic,
        changes.PutUpload,
        changes.RevokeSessions,
        changes.SetMarks,
    }
)


_ALL = "all"  # in place of the rows that may change, where nobody knows which


class Kept:
    """Rows by the query that asks for them. For the loop's thread."""

    __slots__ = ("_changing", "_rows")

    def __init__(self) -> None:
        self._rows: dict[Query[Any], Any] = {}
        self._changing: Counter[Hashable] = Counter()  # by commits announced and not over

    def get(self, query: Query[Any]) -> Any:
        """The row, or None if it is not kept: it may be there all the same."""
        return self._rows.get(query)

    def keep(self, query: Query[Any], row: Any) -> None:
        """Take in what was read just now, without a checkpoint since; the oldest makes room."""
        if row is None or query in self._changing or _ALL in self._changing:
            return
        if len(msgspec.json.encode(row)) > SMALL:
            return
        if len(self._rows) >= MOST:
            del self._rows[next(iter(self._rows))]
        self._rows[query] = row

    def announce(self, batch: Batch) -> frozenset[Hashable]:
        """To be told before a batch is written, and `over` after it, with the answer; where
        that is empty, `over` need not be called.
        """
        touched = frozenset(
            _touched(change) for change in batch.changes if type(change) not in ELSEWHERE
        )
        for one in touched:
            self._changing[one] += 1
            if one == _ALL:
                self._rows.clear()
            else:
                self._rows.pop(cast(Query[Any], one), None)
        return touched

    def over(self, touched: frozenset[Hashable]) -> None:
        """A commit was acknowledged or refused: what is read now is as it left it."""
        for one in touched:
            self._changing[one] -= 1
            if not self._changing[one]:
                del self._changing[one]


def _touched(change: Change) -> Hashable:
    match change:
        case PutUser(user=user):
            return UserById(user.id)
        case SetSeen(user=name):
            return UserById(name)
        case PutKey(key=key):
            return KeyById(key.id)
        case _:
            return _ALL
