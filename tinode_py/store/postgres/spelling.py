"""Statements in SQLite's words, spelled as PostgreSQL has them.

The arms of changes and queries are written once. Most of what they say both databases
understand; here is all that is said differently, and no more:

- parameters are `$1`; `user` is a word of the language there, and is quoted;
- `json_each` of a list gives its elements as text, and what is in an element is text, too;
- JSON that is read as bytes is bytes of UTF-8;
- the larger of two is `greatest`; `max` is of many;
- a join with a condition is no CROSS JOIN (which fixes the order of looking things up).

A test runs every arm here, against the store in memory.
"""

from __future__ import annotations

import functools
import itertools
import re

from .. import events

_RULES = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"CAST\(([\w.]+) AS BLOB\)", r"convert_to(\1, 'UTF8')"),
        (r"\bjson_each\((\?\d*)\)", r"json_array_elements_text(\1::json)"),
        (r"\bjson_group_array\((DISTINCT [\w.]+)\)", r"json_agg(\1)::text"),
        (r"(\w+\.head) ->> '\$\.replace'", r"replaced(\1)"),
        (r"\b((?:\w+\.)?value) ->> (\d)", r"\1::json ->> \2"),
        (r"\bmax\(([^(),]+), ", r"greatest(\1, "),
        (r"\bCROSS JOIN (\w+ AS \w+)(\s+)ON\b", r"JOIN \1\2ON"),
        (r"\bLIMIT -1\b", "LIMIT ALL"),
        (r'(?<!")\buser\b(?!")', '"user"'),
        (r"\?(\d+)", r"$\1"),
    )
)


def _merged(*parts: str) -> str:
    """The first rows of several tables in one order, each read along its index."""
    each = (f"({part}{events.ORDERED})" for part in parts)
    return " UNION ALL ".join(each) + events.ORDERED


# Statements that are another one here, not the same in other words.
_OTHERS = {events.ALL_PAGE: _merged(events.OTHERS, events.MESSAGES)}


@functools.lru_cache(maxsize=512)
def spelled(sql: str) -> str:
    """The statement for PostgreSQL. Statements are few: what is asked again costs nothing."""
    sql = _OTHERS.get(sql, sql)
    for pattern, by in _RULES:
        sql = pattern.sub(by, sql)
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
