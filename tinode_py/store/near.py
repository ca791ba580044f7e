"""Which of the unbounded queries SQLite may answer on the loop's thread: those of few rows.

A hop to another thread costs ten times what a few rows do, and most conversations have two
members, most users a few dozen contacts. How many rows there are is counted first, by index,
up to a bound: nobody holds the loop for longer than `FEW` rows take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ids import Kind, kind_of
from ..queries import ContactsOf, MembersOf, Query
from .statements import Statements

FEW = 32  # rows: half a millisecond, where each is joined from four tables

_HAS_MORE: Mapping[type[Query[Any]], str] = {
    MembersOf: "SELECT 1 FROM subscription WHERE topic = ? LIMIT 1 OFFSET ?",
    ContactsOf: "SELECT 1 FROM subscription WHERE user = ? LIMIT 1 OFFSET ?",
}


def is_small(db: Statements, query: Query[Any]) -> bool:
    """Whether at most `FEW` rows have to be read for the answer, as of now."""
    match query:
        case MembersOf(topic=name):
            return kind_of(name) is Kind.P2P or _has_few(db, MembersOf, name)
        case ContactsOf(user=name, topic=topic):
            return topic != "" or _has_few(db, ContactsOf, name)
        case _:
            return False


def _has_few(db: Statements, kind: type[Query[Any]], name: str) -> bool:
    return db.row(_HAS_MORE[kind], (name, FEW)) is None
