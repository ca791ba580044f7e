"""Inboxes in SQL: reading pages, adding notices, letting old items go.

Private messages get their places in `hot`, with the message itself.
"""

from __future__ import annotations

from ..changes import PurgeInbox, PutNotice
from ..queries import InboxOf, InboxUsers
from ..records import InboxItem, InboxPage, Message
from .statements import Row, Statements

_TAIL = "SELECT first, last FROM inbox_tail WHERE user = ?"
_GROW = """
INSERT INTO inbox_tail (user, first, last) VALUES (?1, 1, 1)
ON CONFLICT (user) DO UPDATE SET last = inbox_tail.last + 1"""
_ADD = """
INSERT INTO inbox (user, n, topic, seq, ts, kind, detail)
SELECT ?1, last, ?2, 0, ?3, ?4, ?5 FROM inbox_tail WHERE user = ?1"""
# The last column tells whether the user has deleted the message for himself. A message of
# another time is another one: its topic was deleted, and began anew.
_PAGE = """
SELECT i.n, i.topic, i.seq, i.ts, i.kind, CAST(i.detail AS BLOB),
       m.sender, m.ts, CAST(m.head AS BLOB), CAST(m.content AS BLOB),
       (SELECT h.hi > i.seq FROM hidden AS h
        WHERE h.topic = i.topic AND h.user = i.user AND h.low <= i.seq
        ORDER BY h.low DESC LIMIT 1)
FROM inbox AS i LEFT JOIN message AS m ON m.topic = i.topic AND m.seq = i.seq AND m.ts = i.ts
WHERE i.user = ?1 AND i.n >= ?2 ORDER BY i.n LIMIT ?3"""
_USERS = "SELECT user FROM inbox_tail WHERE user > ? ORDER BY user LIMIT ?"
_KEPT = "SELECT n FROM inbox WHERE user = ? AND n >= ? AND ts >= ? ORDER BY n LIMIT 1"


def put_notice(db: Statements, change: PutNotice) -> None:
    db.run(_GROW, (change.user,))
    detail = change.detail.decode()
    db.run(_ADD, (change.user, change.topic, change.ts, change.kind, detail))


def purge_inbox(db: Statements, change: PurgeInbox) -> None:
    """Items are in order of time as of number, so what is kept begins at one number."""
    tail = db.row(_TAIL, (change.user,))
    if tail is None:
        return
    first, last = tail
    kept = db.row(_KEPT, (change.user, first, change.before))
    start = last + 1 if kept is None else kept[0]
    if start > first:
        db.run("DELETE FROM inbox WHERE user = ? AND n < ?", (change.user, start))
        db.run("UPDATE inbox_tail SET first = ?2 WHERE user = ?1", (change.user, start))


def inbox_of(db: Statements, query: InboxOf) -> InboxPage:
    tail = db.row(_TAIL, (query.user,))
    if tail is None:
        return InboxPage(1, 0)
    first, last = tail
    if query.since < 1 or query.limit < 1:
        return InboxPage(first, last)
    found = db.rows(_PAGE, (query.user, query.since, query.limit))
    return InboxPage(first, last, tuple(map(_item, found)))


def _item(row: Row) -> InboxItem:
    n, topic, seq, ts, kind, detail, sender, at, head, content, hidden = row
    message = None
    if sender is not None and not hidden:
        message = Message(topic, seq, sender, at, head, content)
    return InboxItem(n, topic, seq, ts, kind, detail, message)


def inbox_users(db: Statements, query: InboxUsers) -> tuple[str, ...]:
    return tuple(row[0] for row in db.rows(_USERS, (query.after, query.limit)))
