"""Pages of history and of deletions, in SQL, by index alone.

A page costs what it shows: messages deleted for all have no rows, and what the reader deleted
for himself is subtracted from the ranges before any message is read. Segments are read
downwards until the page is full; narrow ones share a statement.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..queries import DeletionsIn, MessageAt, MessagesIn, SeqSince
from ..ranges import listed
from ..records import Deletions, Message, Range
from . import rows
from .ranges import without
from .statements import Row, Statements

# Segments are joined in one statement while they span no more numbers than this: all their rows
# are read and sorted. A segment wider than that is read alone, in order, up to the limit.
NARROW = 512
_HIDDEN_PAGE = 256
_ABOVE_ALL = 2**62

_MESSAGE = f"SELECT {rows.selected('m', rows.MESSAGE_COLUMNS)} FROM "
_AT = f"{_MESSAGE} message AS m WHERE m.topic = ? AND m.seq = ?"
_NEXT = "SELECT seq, ts FROM message WHERE topic = ? AND seq >= ? ORDER BY seq LIMIT 1"
_IN_ONE = f"""{_MESSAGE} message AS m
WHERE m.topic = ?1 AND m.seq >= ?2 AND m.seq < ?3 ORDER BY m.seq DESC LIMIT ?4"""
_UNTOUCHED = f"""{_MESSAGE} message AS m
WHERE m.topic = ?1 AND m.seq >= ?2 AND m.seq < ?3
    AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.topic = ?1 AND h.user = ?5 AND h.low < ?3)
ORDER BY m.seq DESC LIMIT ?4"""
_IN_MANY = f"""{_MESSAGE} json_each(?2) AS r CROSS JOIN message AS m
WHERE m.topic = ?1 AND m.seq >= CAST(r.value ->> 0 AS BIGINT)
    AND m.seq < CAST(r.value ->> 1 AS BIGINT)
ORDER BY m.seq DESC LIMIT ?3"""
_HIDDEN = """
SELECT low, hi FROM hidden WHERE topic = ?1 AND user = ?2 AND low < ?3
ORDER BY low DESC LIMIT ?4"""
_DELETIONS = """
SELECT delid, low, hi FROM deletion
WHERE topic = ?1 AND user = '' AND delid >= ?3 AND delid < ?4
UNION ALL
SELECT delid, low, hi FROM deletion
WHERE topic = ?1 AND user = ?2 AND delid >= ?3 AND delid < ?4
ORDER BY delid, low LIMIT ?5"""
_DELETION = """
SELECT delid, low, hi FROM deletion
WHERE topic = ?1 AND user IN ('', ?2) AND delid = ?3"""


def messages_in(db: Statements, query: MessagesIn) -> tuple[Message, ...]:
    if not query.ranges or query.limit < 1:
        return ()
    found = _untouched(db, query) or _between(db, query)
    return tuple([Message(*row) for row in found])


def _untouched(db: Statements, query: MessagesIn) -> list[Row]:
    """The page of a reader who has deleted nothing below its end: one segment, one statement.

    Nothing also where there is more to look at.
    """
    if len(query.ranges) > 1:
        return []
    wanted = query.ranges[0]
    row = (query.topic, wanted.low, wanted.hi, query.limit, query.user)
    return db.rows(_UNTOUCHED, row)


def _between(db: Statements, query: MessagesIn) -> list[Row]:
    """The page from the segments between what the reader has deleted for himself."""
    found: list[Row] = []
    hidden = _hidden(db, query.topic, query.user, query.ranges[-1].hi)
    for segments in _shared(without(reversed(query.ranges), hidden)):
        room = query.limit - len(found)
        if len(segments) == 1:
            low, hi = segments[0]
            found += db.rows(_IN_ONE, (query.topic, low, hi, room))
        else:
            found += db.rows(_IN_MANY, (query.topic, rows.encoded(segments), room))
        if len(found) >= query.limit:
            break
    return found


def _shared(segments: Iterator[Range]) -> Iterator[list[tuple[int, int]]]:
    """Neighbouring segments, together as long as they are narrow."""
    group: list[tuple[int, int]] = []
    width = 0
    for segment in segments:
        width += segment.hi - segment.low
        if group and width > NARROW:
            yield group
            group, width = [], segment.hi - segment.low
        group.append((segment.low, segment.hi))
    if group:
        yield group


def _hidden(db: Statements, topic: str, user: str, top: int) -> Iterator[Range]:
    """What the user deleted for himself below `top`, downwards, page by page."""
    while True:
        page = db.rows(_HIDDEN, (topic, user, top, _HIDDEN_PAGE))
        for low, hi in page:
            yield Range(low, hi)
        if len(page) < _HIDDEN_PAGE:
            return
        top = page[-1][0]


def message_at(db: Statements, query: MessageAt) -> Message | None:
    row = db.row(_AT, (query.topic, query.seq))
    return None if row is None else rows.message_of(row)


def seq_since(db: Statements, query: SeqSince) -> int:
    """By bisection: an index by time would be written with every message."""
    row = db.row("SELECT seq FROM topic_tail WHERE topic = ?", (query.topic,))
    low, high, found = 1, 1 if row is None else row[0] + 1, 0
    while low < high:
        middle = (low + high) // 2
        row = db.row(_NEXT, (query.topic, middle))
        if row is None:
            high = middle
        elif row[1] >= query.ts:
            high, found = middle, row[0]
        else:
            low = row[0] + 1
    return found


def deletions_in(db: Statements, query: DeletionsIn) -> Deletions | None:
    before = query.before or _ABOVE_ALL
    limit = max(query.limit, 1)
    where = (query.topic, query.user, query.since, before)
    found = db.rows(_DELETIONS, (*where, limit + 1))
    if not found:
        return None
    if len(found) > limit:
        cut = found[-1][0]  # this deletion may not be whole
        whole = [row for row in found if row[0] != cut]
        found = whole or db.rows(_DELETION, (query.topic, query.user, cut))
    ranges = listed(Range(low, hi) for _, low, hi in found)
    return Deletions(max(row[0] for row in found), ranges)
