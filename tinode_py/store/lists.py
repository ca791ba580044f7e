"""Lists that a back end pages through, and edits of messages, in SQL."""

from __future__ import annotations

from ..queries import CallsAfter, EditsOf
from ..queries_backend import TopicsAfter, UsersAfter
from ..records import Message, Topic, User
from . import rows
from .statements import Statements

_USERS = f"""
SELECT {rows.selected("a", rows.USER_COLUMNS)} FROM account AS a
WHERE a.id > ? AND a.state <> 'del' ORDER BY a.id LIMIT ?"""
_TOPIC = rows.selected("t", rows.TOPIC_COLUMNS) + ", " + rows.selected("n", rows.TAIL_COLUMNS)
_TOPICS = f"""
SELECT {_TOPIC}, coalesce(c.members, 0) FROM topic AS t
CROSS JOIN topic_tail AS n ON n.topic = t.name
LEFT JOIN membership AS c ON c.topic = t.name
WHERE t.name > ?1 AND t.name < 'p2q' ORDER BY t.name LIMIT ?2"""
_CALLS = "SELECT name FROM topic WHERE call IS NOT NULL AND name > ? ORDER BY name LIMIT ?"
_EDITS = f"""
SELECT {rows.selected("m", rows.MESSAGE_COLUMNS)}
FROM json_each(?2) AS r CROSS JOIN message AS m
WHERE m.topic = ?1 AND m.head IS NOT NULL AND m.head ->> '$.replace' IS NOT NULL
    AND m.head ->> '$.replace' = ':' || r.value
ORDER BY m.seq LIMIT ?3"""
FIRST = "grp"  # before all groups, which come before private chats


def users_after(db: Statements, query: UsersAfter) -> tuple[User, ...]:
    return tuple(map(rows.user_of, db.rows(_USERS, (query.after, query.limit))))


def topics_after(db: Statements, query: TopicsAfter) -> tuple[tuple[Topic, int], ...]:
    found = db.rows(_TOPICS, (max(query.after, FIRST), query.limit))
    return tuple((rows.topic_of(row[:-1]), row[-1]) for row in found)


def calls_after(db: Statements, query: CallsAfter) -> tuple[str, ...]:
    return tuple(name for (name,) in db.rows(_CALLS, (query.after, query.limit)))


def edits_of(db: Statements, query: EditsOf) -> tuple[Message, ...]:
    listed = rows.encoded(sorted(set(query.seqs)))
    found = db.rows(_EDITS, (query.topic, listed, query.limit))
    return tuple(map(rows.message_of, found))
