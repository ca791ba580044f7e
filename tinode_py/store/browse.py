"""Looking through a database as an operator does: lists, searches, counts.

Here is what no client may ask, and what may read a whole table. A browser only reads, beside a
server or without one. Its questions are in SQL that both databases speak, as `statements` has
it; what they say differently is found out here, in Python: the name within `public`, and
whether a text holds another one in any case. So both give the same answers. How a browser
comes by its database is in `looking` and `postgres.looking`.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
from collections.abc import Generator, Iterator, Sequence
from operator import itemgetter
from typing import Any, Protocol

import attrs

from .. import access
from ..access import Level
from .rows import conversation

Found = dict[str, Any]
_JSON = ("public", "trusted", "private", "head", "content", "aux", "tags")
_ALL = 2**62  # rows


class Source(Protocol):
    """A connection that only reads a database of this version."""

    def each(self, sql: str, parameters: Sequence[Any]) -> Generator[Found, None, None]:
        """The rows one by one, by the names of their columns. No other question meanwhile."""

    def tables(self) -> list[str]:
        """Those of the chat, by name."""


class Browser:
    """Questions to one database. Rows are dicts ready to be printed as JSON; times in
    milliseconds.

    What yields rows reads as they are taken, and is taken to its end or closed before the next
    question.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Found, None, None]:
        for row in self.source.each(sql, parameters):
            yield _presented(row)

    def values(
        self, sql: str, parameters: Sequence[Any] = ()
    ) -> Generator[tuple[Any, ...], None, None]:
        """Rows as they are in the database; their columns have different names."""
        for row in self.source.each(sql, parameters):
            yield tuple(row.values())

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Found | None:
        """The first row, or None."""
        with contextlib.closing(self.rows(sql, parameters)) as found:
            return next(found, None)

    def settings(self) -> dict[str, bytes]:
        """What was set at run time: values as JSON, by key."""
        found = self.source.each("SELECT key, value FROM setting ORDER BY key", ())
        return {str(row["key"]): str(row["value"]).encode() for row in found}

    # --- users ---------------------------------------------------------------------------

    def user_named(self, name: str) -> str | None:
        """The account that `name` means: `usr…`, or a login of any scheme."""
        found = self.row("SELECT id FROM account WHERE id = ?", (name,)) or self.row(
            "SELECT user AS id FROM login WHERE name IN (?1, lower(?1)) "
            "ORDER BY scheme <> 'basic', scheme, name LIMIT 1",
            (name,),
        )
        return None if found is None else str(found["id"])

    def users(self, words: str = "", state: str = "", limit: int = 0) -> Iterator[Found]:
        """Accounts in order of their making; `words` narrows by login, name or tag."""
        found = self.rows(
            _USERS + " WHERE ?1 = '' OR a.state = ?1 ORDER BY a.created, a.id LIMIT ?2",
            (state, _first(limit, words)),
        )
        return self._named(found, "login", words, limit)

    def user(self, user: str) -> Found | None:
        """Everything about one account but its messages and secrets."""
        found = self.row(_USERS + " WHERE a.id = ?", (user,))
        if found is None:
            return None
        del found["tags"]  # they come further below
        more = self.row("SELECT public, trusted, private, tags, auth, anon FROM account "
                        "WHERE id = ?", (user,))  # fmt: skip
        assert more is not None
        return {
            **_with_name(found),
            **more,
            "auth": access.text(more["auth"]),
            "anon": access.text(more["anon"]),
            "credentials": list(
                self.rows("SELECT method, value, done FROM credential WHERE user = ?", (user,))
            ),
            "devices": list(
                self.rows("SELECT id, platform, language, seen FROM device WHERE user = ?", (user,))
            ),
            "topics": list(self.topics(member=user)),
        }

    def person(self, user: str) -> Iterator[tuple[str, Found]]:
        """All that is kept of one person: a kind, and a row of it, until there are no more."""
        for kind, sql in _PERSON.items():
            for row in self.rows(sql, (user,)):
                yield kind, row

    def sessions(self, user: str = "", revoked: bool = False) -> Iterator[Found]:
        return self.rows(
            "SELECT * FROM session WHERE (?1 = '' OR user = ?1) AND (?2 = 1 OR revoked = 0) "
            "ORDER BY created, user, n",
            (user, revoked),
        )

    # --- topics --------------------------------------------------------------------------

    def topics(
        self, member: str = "", words: str = "", kind: str = "", limit: int = 0
    ) -> Iterator[Found]:
        """Topics in order of their making; of one member, of a kind (`grp`), with a name."""
        found = self.rows(
            f"{_TOPICS} WHERE (?1 = '' OR t.name IN (SELECT {conversation('topic')} "
            "FROM subscription WHERE user = ?1 AND deleted = 0)) "
            "AND (?2 = '' OR substr(t.name, 1, 3) = ?2) ORDER BY t.created, t.name LIMIT ?3",
            (member, kind, _first(limit, words)),
        )
        return self._named(found, "topic", words, limit)

    def topic(self, topic: str) -> Found | None:
        found = self.row(_TOPICS + " WHERE t.name = ?", (topic,))
        if found is None:
            return None
        del found["tags"]
        more = self.row("SELECT updated, channel, auth, anon, public, trusted, aux, tags "
                        "FROM topic WHERE name = ?", (topic,))  # fmt: skip
        assert more is not None
        modes = {name: access.text(more[name]) for name in ("auth", "anon")}
        count = self.row("SELECT count(*) AS kept FROM message WHERE topic = ?", (topic,))
        assert count is not None
        return {
            **_with_name(found),
            **more,
            **modes,
            **count,
            "channel": bool(more["channel"]),
        }

    def retention(self, topic: str) -> int | None:
        """For how many days a topic keeps messages; 0: for ever; None: nothing is said."""
        found = self.row("SELECT days FROM retention WHERE topic = ?", (topic,))
        return None if found is None else int(found["days"])

    def members(self, topic: str) -> Iterator[Found]:
        """Members, and readers of its channel (`reader`)."""
        found = self.rows(
            "SELECT s.user, coalesce(l.name, '') AS login, a.public AS name, "
            "s.want, s.given, s.read, s.recv, s.created, "
            "CASE WHEN substr(s.topic, 1, 3) = 'chn' THEN 1 ELSE 0 END AS reader "
            "FROM subscription AS s LEFT JOIN account AS a ON a.id = s.user "
            "LEFT JOIN login AS l ON l.user = s.user AND l.scheme = 'basic' "
            "WHERE s.topic IN (?1, 'chn' || substr(?1, 4)) AND s.deleted = 0 "
            "ORDER BY s.created, s.user",
            (topic,),
        )
        for row in found:
            want, given = row.pop("want"), row.pop("given")
            mode = access.text(want & given)
            yield {**_with_name(row), "reader": bool(row["reader"]), "mode": mode}

    def _named(
        self, found: Iterator[Found], called: str, words: str, limit: int
    ) -> Iterator[Found]:
        """The first `limit` (0: all) that have the words in what they are called, name or tags."""
        wanted = words.casefold()

        def fits(row: Found) -> bool:
            texts = (row[called], *row["tags"], row["name"] or "")
            return wanted in " ".join(map(str, texts)).casefold()

        rows = filter(fits, map(_with_name, found))
        for row in itertools.islice(rows, limit or None):
            del row["tags"]
            yield row

    # --- messages ------------------------------------------------------------------------

    def messages(self, wanted: Wanted) -> Iterator[Found]:
        """Messages in order of time, the newest `limit` of those that fit.

        No more than so many are held, however many are looked through.
        """
        where, values = wanted.condition()
        sql = f"SELECT topic, seq, sender, ts, head, content FROM message WHERE {where}"
        if wanted.text:
            found: Iterator[Found] = filter(wanted.is_in, self.source.each(sql, values))
        else:
            sql += " ORDER BY ts DESC, topic DESC, seq DESC LIMIT ?"
            found = self.source.each(sql, (*values, wanted.limit))
        newest = heapq.nlargest(wanted.limit, found, key=itemgetter("ts", "topic", "seq"))
        return map(_presented, reversed(newest))

    # --- counts --------------------------------------------------------------------------

    def tables(self) -> list[str]:
        return self.source.tables()

    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        found = {name: self.row(f'SELECT count(*) AS n FROM "{name}"') for name in self.tables()}
        return {name: int(row["n"]) for name, row in found.items() if row}


@attrs.frozen
class Wanted:
    """Which messages. Empty members do not narrow; times in milliseconds, `before` excluded."""

    topic: str = ""
    sender: str = ""
    since: int = 0
    before: int = 0
    text: str = ""
    limit: int = 100

    def condition(self) -> tuple[str, tuple[str | int, ...]]:
        """All of it but the text, in SQL, and its parameters."""
        parts: dict[str, str | int] = {
            "topic = ?": self.topic,
            "sender = ?": self.sender,
            "ts >= ?": self.since,
            "ts < ?": self.before,
        }
        used = {sql: value for sql, value in parts.items() if value}
        return " AND ".join(used) or "1 = 1", tuple(used.values())

    def is_in(self, row: Found) -> bool:
        """Whether a message holds the text, in any case."""
        content = json.loads(row["content"])
        if isinstance(content, dict):
            content = content.get("txt")
        said = content if isinstance(content, str) else row["content"]
        return self.text.casefold() in said.casefold()


# `name` is `public` until `_with_name` has taken the name out of it.
_USERS = """
SELECT a.id AS user, coalesce(l.name, '') AS login, a.public AS name, a.state,
    coalesce(l.level, 0) AS level, a.created, a.last_seen, a.tags
FROM account AS a LEFT JOIN login AS l ON l.user = a.id AND l.scheme = 'basic'"""
_TOPICS = """
SELECT t.name AS topic, t.public AS name, t.owner, t.state,
    (SELECT count(*) FROM subscription AS s WHERE s.topic = t.name AND s.deleted = 0) AS members,
    t.readers, n.seq, t.created, n.touched, t.publish, t.tags
FROM topic AS t CROSS JOIN topic_tail AS n ON n.topic = t.name"""
# What of a person is exported: everything but what opens doors (hashes, codes).
_PERSON = {
    "account": "SELECT * FROM account WHERE id = ?",
    "login": "SELECT scheme, name, level, expires FROM login WHERE user = ?",
    "credential": "SELECT method, value, created, done FROM credential WHERE user = ?",
    "session": "SELECT * FROM session WHERE user = ? ORDER BY n",
    "device": "SELECT id, platform, language, seen FROM device WHERE user = ?",
    "find_query": "SELECT query FROM find_query WHERE user = ?",
    "topic": "SELECT * FROM topic WHERE owner = ? ORDER BY name",
    "subscription": "SELECT * FROM subscription WHERE user = ? ORDER BY topic",
    "inbox": "SELECT * FROM inbox WHERE user = ? ORDER BY n",
    "upload": "SELECT id, created, size, type FROM upload WHERE user = ? ORDER BY created, id",
    "message": "SELECT * FROM message WHERE sender = ? ORDER BY ts, topic, seq",
}


def _first(limit: int, words: str) -> int:
    """How many rows to read: words are looked for later."""
    return limit if limit and not words else _ALL


def _with_name(row: Found) -> Found:
    public = json.loads(row["name"] or "null")
    name = public.get("fn") if isinstance(public, dict) else None
    return {**row, "name": name if isinstance(name, str) else None}


def _presented(row: Found) -> Found:
    for name in _JSON:
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])
    if "level" in row:
        row["level"] = Level(row["level"]).text
    return row
