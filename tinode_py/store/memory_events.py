"""The log of events, on dicts: the reference that says what the changes and queries mean."""

from __future__ import annotations

import attrs

from ..changes_backend import PurgeEvents, PutOffline, PutOnline
from ..queries_backend import EventsAfter, OnlineAfter
from ..records import Event, EventPage
from .tables import Tables

_ROOM = 200  # bytes that an event takes beside what it carries


def put_event(tables: Tables, event: Event) -> None:
    """Keep an event that is no message, under the next number."""
    number = tables.next_event()
    tables.events.put(number, attrs.evolve(event, id=number))


def put_online(tables: Tables, change: PutOnline) -> None:
    if change.user not in tables.online.rows:
        tables.online.put(change.user, change.ts)
        put_event(tables, Event(0, change.ts, "user.online", "", change.user, change.detail))


def put_offline(tables: Tables, change: PutOffline) -> None:
    if change.user in tables.online.rows:
        tables.online.drop(change.user)
        put_event(tables, Event(0, change.ts, "user.offline", "", change.user, change.detail))


def purge_events(tables: Tables, change: PurgeEvents) -> None:
    marks = tables.event_marks
    marks.put(change.now, tables.last_event)
    old = [ts for ts in marks.rows if ts < change.before]
    gone = marks.rows[max(old)] if old else 0
    for ts in old:
        marks.drop(ts)
    for number in [number for number in tables.events.rows if number <= gone]:
        tables.events.drop(number)
    tables.first_event.put(None, max(gone + 1, tables.first_event.rows.get(None, 1)))


def events_after(tables: Tables, query: EventsAfter) -> EventPage:
    first = tables.first_event.rows.get(None, 1)
    last = tables.last_event
    if not query.limit:
        return EventPage(first, last, query.after)
    wanted = [event for event in _all(tables, query) if event.id >= max(first, query.after + 1)]
    found: list[Event] = []
    size = 0
    for event in sorted(wanted, key=lambda event: event.id):
        size += _ROOM + _size(event)
        if found and (size > query.size or len(found) == query.limit):
            return EventPage(first, last, found[-1].id, tuple(found))
        found.append(event)
    return EventPage(first, last, max(query.after, last), tuple(found))


def _all(tables: Tables, query: EventsAfter) -> list[Event]:
    found = list(tables.events.rows.values())
    for place, number in tables.places.rows.items() if query.messages else ():
        m = tables.messages.rows[place]
        found.append(Event(number, m.ts, "message.stored", m.topic, m.sender, None, m))
    return found


def _size(event: Event) -> int:
    parts = [event.detail]
    if event.message is not None:
        parts += [event.message.head, event.message.content]
    return sum(len(part) for part in parts if part)


def online_after(tables: Tables, query: OnlineAfter) -> tuple[str, ...]:
    found = sorted(user for user in tables.online.rows if user > query.after)
    return tuple(found[: query.limit])
