"""What must hold between the tables of a database, beyond what SQLite itself enforces."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .rows import conversation


def _needs(table: str, column: str, target: str, key: str, what: str) -> tuple[str, str]:
    """Each row of a table names one of another; a channel's name stands for its group's."""
    name = conversation(f"x.{column}")
    return (
        f"SELECT x.{column} FROM {table} AS x WHERE x.{column} <> '' "
        f"AND NOT EXISTS (SELECT 1 FROM {target} AS y WHERE y.{key} = {name})",
        f"{table}: there is no {what} {{0}}",
    )


_RULES: tuple[tuple[str, str], ...] = (
    _needs("subscription", "topic", "topic", "name", "topic"),
    _needs("message", "topic", "topic", "name", "topic"),
    _needs("deletion", "topic", "topic", "name", "topic"),
    _needs("hidden", "topic", "topic", "name", "topic"),
    _needs("topic_tail", "topic", "topic", "name", "topic"),
    _needs("topic", "name", "topic_tail", "topic", "topic_tail of"),
    _needs("retention", "topic", "topic", "name", "topic"),
    _needs("login", "user", "account", "id", "account"),
    _needs("credential", "user", "account", "id", "account"),
    _needs("device", "user", "account", "id", "account"),
    _needs("upload_link", "upload", "upload", "id", "upload"),
    (
        "SELECT m.topic, max(m.seq), t.seq FROM message AS m "
        "JOIN topic_tail AS t ON t.topic = m.topic GROUP BY m.topic, t.seq "
        "HAVING max(m.seq) > t.seq",
        "topic_tail: {0} has a message {1} beyond its last number {2}",
    ),
    (
        "SELECT n.topic, n.members, count(s.user) FROM membership AS n LEFT JOIN subscription AS s "
        "ON s.topic IN (n.topic, 'chn' || substr(n.topic, 4)) AND s.deleted = 0 "
        "GROUP BY n.topic HAVING n.members <> count(s.user)",
        "membership: {0} counts {1} members, there are {2}",
    ),
    (
        "SELECT u.id, u.refs, count(l.owner) FROM upload AS u LEFT JOIN upload_link AS l "
        "ON l.upload = u.id GROUP BY u.id HAVING u.refs <> count(l.owner)",
        "upload: {0} counts {1} references, there are {2}",
    ),
    (
        "SELECT t.tag, t.owner FROM tag AS t WHERE NOT EXISTS "
        "(SELECT 1 FROM account WHERE id = t.owner) AND NOT EXISTS "
        "(SELECT 1 FROM topic WHERE name = t.owner)",
        "tag: {0} is of {1}, which is not there",
    ),
)


def faults(connection: sqlite3.Connection, most: int = 20) -> Iterator[str]:
    """What is wrong with a database of this schema, a sentence each, at most so many of a kind."""
    for (line,) in connection.execute(f"PRAGMA integrity_check({most})"):
        if line != "ok":
            yield str(line)
    yield from misfits(connection.execute, most)


def misfits(rows: Callable[[str], Iterable[Sequence[Any]]], most: int = 20) -> Iterator[str]:
    """The same between tables, whatever the database; `rows` carries out a statement."""
    for sql, sentence in _RULES:
        for row in rows(f"{sql} LIMIT {most}"):
            yield sentence.format(*row)
