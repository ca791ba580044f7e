"""The log of events in SQL: two streams of rows, in one order.

The one connection that writes gives out the numbers, so they follow the order of commits.
Messages carry theirs in their own row (`hot`); all else has a row here. A message that is wiped
leaves the log with its row, never without an event of a higher number, so that the highest
number can always be found again.
"""

from __future__ import annotations

from ..changes_backend import PurgeEvents, PutOffline, PutOnline
from ..queries_backend import EventsAfter, OnlineAfter
from ..records import Event, EventPage, Message
from .statements import Row, Statements

_LAST = """
SELECT max(last, coalesce((SELECT max(id) FROM event), 0),
           coalesce((SELECT event FROM message WHERE event > 0 ORDER BY event DESC LIMIT 1), 0))
FROM event_bounds WHERE one = 1"""
_FIRST = "SELECT first FROM event_bounds WHERE one = 1"
OTHERS = """
SELECT id, ts, kind, topic, user, CAST(detail AS BLOB) AS detail, 0 AS seq, NULL AS head,
       NULL AS content
FROM event WHERE id > ?1"""
MESSAGES = """
SELECT event, ts, 'message.stored', topic, sender, NULL, seq, CAST(head AS BLOB),
       CAST(content AS BLOB)
FROM message WHERE event > 0 AND event > ?1"""
ORDERED = " ORDER BY 1 LIMIT ?2"
ALL_PAGE = f"{OTHERS} UNION ALL {MESSAGES}{ORDERED}"
_OTHERS_PAGE = OTHERS + ORDERED
_PUT = "INSERT INTO event (id, ts, kind, topic, user, detail) VALUES (?, ?, ?, ?, ?, ?)"
_ONLINE = "SELECT user FROM online WHERE user > ? ORDER BY user LIMIT ?"
_MARK = """
INSERT INTO event_mark (ts, last) VALUES (?1, ?2)
ON CONFLICT (ts) DO UPDATE SET last = excluded.last"""
_OLD = "SELECT last FROM event_mark WHERE ts < ? ORDER BY ts DESC LIMIT 1"
_BOUND = "UPDATE event_bounds SET first = max(first, ?1), last = max(last, ?2) WHERE one = 1"

_ROOM = 200  # bytes that an event takes beside what it carries


def last_event(db: Statements) -> int:
    """The highest number that is in the log or was ever purged from it."""
    row = db.row(_LAST)
    return 0 if row is None else int(row[0])


def put_event(db: Statements, event: Event) -> None:
    """Write an event that is no message, under the next number."""
    detail = None if event.detail is None else event.detail.decode()
    row = (db.next_event(), event.ts, event.kind, event.topic, event.user, detail)
    db.run(_PUT, row)


def put_online(db: Statements, change: PutOnline) -> None:
    known = "INSERT INTO online (user, ts) VALUES (?, ?) ON CONFLICT (user) DO NOTHING"
    if db.run(known, (change.user, change.ts)) == 1:
        put_event(db, Event(0, change.ts, "user.online", "", change.user, change.detail))


def put_offline(db: Statements, change: PutOffline) -> None:
    if db.run("DELETE FROM online WHERE user = ?", (change.user,)) == 1:
        put_event(db, Event(0, change.ts, "user.offline", "", change.user, change.detail))


def purge_events(db: Statements, change: PurgeEvents) -> None:
    """The mark of now keeps the highest number, whatever rows go."""
    last = last_event(db)
    db.run(_MARK, (change.now, last))
    old = db.row(_OLD, (change.before,))
    gone = 0 if old is None else int(old[0])
    db.run("DELETE FROM event WHERE id <= ?", (gone,))
    db.run("DELETE FROM event_mark WHERE ts < ?", (change.before,))
    db.run(_BOUND, (gone + 1, last))


def events_after(db: Statements, query: EventsAfter) -> EventPage:
    """What was committed before `last` was read is on the page; what was purged while it was
    read shows in `first`.
    """
    last = last_event(db)
    found, whole = _page(db, query) if query.limit else ([], False)
    first = _first(db)
    kept = tuple(event for event in found if event.id >= first)
    reached = found[-1].id if found else query.after
    last = max(last, reached if found else 0)
    return EventPage(first, last, max(reached, last) if whole else reached, kept)


def _first(db: Statements) -> int:
    row = db.row(_FIRST)
    return 1 if row is None else int(row[0])


def _page(db: Statements, query: EventsAfter) -> tuple[list[Event], bool]:
    """The events, and whether there were no more."""
    found: list[Event] = []
    size = 0
    after = max(query.after, _first(db) - 1)
    rows = db.each(ALL_PAGE if query.messages else _OTHERS_PAGE, (after, query.limit + 1))
    for row in rows:
        size += _ROOM + sum(len(part) for part in (row[5], row[7], row[8]) if part)
        if found and (size > query.size or len(found) == query.limit):
            rows.close()
            return found, False
        found.append(_event(row))
    return found, True


def _event(row: Row) -> Event:
    number, ts, kind, topic, user, detail, seq, head, content = row
    message = Message(topic, seq, user, ts, head, content) if seq else None
    return Event(number, ts, kind, topic, user, detail, message)


def online_after(db: Statements, query: OnlineAfter) -> tuple[str, ...]:
    return tuple(user for (user,) in db.rows(_ONLINE, (query.after, query.limit)))
