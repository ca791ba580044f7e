"""Looking through a SQLite file as an operator does: lists, searches, counts.

Here is what no client may ask, and what may read a whole table. A browser opens the file
read-only, beside a server or without one: it writes nothing, checkpoints nothing, holds up
nobody, and sees what was committed when each question began. The file must be of this version.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from .. import access
from ..access import Level
from ..errors import StoreError
from .migrate import SchemaError, packaged, version_of

Found = dict[str, Any]
_JSON = ("public", "trusted", "private", "head", "content", "aux", "tags")


class Browser:
    """Questions to one file. Rows are dicts ready to be printed as JSON; times in milliseconds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        connection.create_function("folded", 1, _folded, deterministic=True)
        self.connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Found]:
        for row in self.connection.execute(sql, parameters):
            yield _presented(dict(row))

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Found | None:
        return next(self.rows(sql, parameters), None)

    def settings(self) -> dict[str, bytes]:
        """What was set at run time: values as JSON, by key."""
        found = self.connection.execute("SELECT key, value FROM setting ORDER BY key")
        return {str(key): str(value).encode() for key, value in found}

    # --- users ---------------------------------------------------------------------------

    def user_named(self, name: str) -> str | None:
        """The account that `name` means: `usr…`, or a login of any scheme."""
        found = self.connection.execute(
            "SELECT id FROM account WHERE id = ?1 UNION ALL "
            "SELECT * FROM (SELECT user FROM login WHERE name IN (?1, lower(?1)) "
            "ORDER BY scheme <> 'basic' LIMIT 1) LIMIT 1",
            (name,),
        ).fetchone()
        return None if found is None else str(found[0])

    def users(self, words: str = "", state: str = "", limit: int = -1) -> Iterator[Found]:
        """Accounts in order of their making; `words` narrows by login, name or tag."""
        return self.rows(
            _USERS + " WHERE (?1 = '' OR folded(coalesce(l.name, '') || ' ' || a.tags || ' ' || "
            "coalesce(a.public ->> '$.fn', '')) LIKE '%' || folded(?1) || '%') "
            "AND (?2 = '' OR a.state = ?2) ORDER BY a.created, a.id LIMIT ?3",
            (words, state, limit),
        )

    def user(self, user: str) -> Found | None:
        """Everything about one account but its messages and secrets."""
        found = self.row(_USERS + " WHERE a.id = ?", (user,))
        if found is None:
            return None
        more = self.row("SELECT public, trusted, private, tags, auth, anon FROM account "
                        "WHERE id = ?", (user,))  # fmt: skip
        assert more is not None
        return {
            **found,
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
            "SELECT * FROM session WHERE (?1 = '' OR user = ?1) AND (?2 OR revoked = 0) "
            "ORDER BY created, user, n",
            (user, revoked),
        )

    # --- topics --------------------------------------------------------------------------

    def topics(
        self, member: str = "", words: str = "", kind: str = "", limit: int = -1
    ) -> Iterator[Found]:
        """Topics in order of their making; of one member, of a kind (`grp`), with a name."""
        return self.rows(
            _TOPICS + " WHERE (?1 = '' OR t.name IN (SELECT iif(substr(topic, 1, 3) = 'chn', "
            "'grp' || substr(topic, 4), topic) FROM subscription "
            "WHERE user = ?1 AND deleted = 0)) "
            "AND (?2 = '' OR folded(t.name || ' ' || t.tags || ' ' || "
            "coalesce(t.public ->> '$.fn', '')) LIKE '%' || folded(?2) || '%') "
            "AND (?3 = '' OR substr(t.name, 1, 3) = ?3) ORDER BY t.created, t.name LIMIT ?4",
            (member, words, kind, limit),
        )

    def topic(self, topic: str) -> Found | None:
        found = self.row(_TOPICS + " WHERE t.name = ?", (topic,))
        if found is None:
            return None
        more = self.row("SELECT updated, channel, auth, anon, public, trusted, aux, tags "
                        "FROM topic WHERE name = ?", (topic,))  # fmt: skip
        assert more is not None
        modes = {name: access.text(more[name]) for name in ("auth", "anon")}
        count = self.row("SELECT count(*) AS kept FROM message WHERE topic = ?", (topic,))
        assert count is not None
        return {**found, **more, **modes, **count, "channel": bool(more["channel"])}

    def retention(self, topic: str) -> int | None:
        """For how many days a topic keeps messages; 0: for ever; None: nothing is said."""
        found = self.row("SELECT days FROM retention WHERE topic = ?", (topic,))
        return None if found is None else int(found["days"])

    def members(self, topic: str) -> Iterator[Found]:
        """Members, and readers of its channel (`reader`)."""
        found = self.rows(
            "SELECT s.user, coalesce(l.name, '') AS login, a.public ->> '$.fn' AS name, "
            "s.want, s.given, s.read, s.recv, s.created, s.topic LIKE 'chn%' AS reader "
            "FROM subscription AS s LEFT JOIN account AS a ON a.id = s.user "
            "LEFT JOIN login AS l ON l.user = s.user AND l.scheme = 'basic' "
            "WHERE s.topic IN (?1, 'chn' || substr(?1, 4)) AND s.deleted = 0 "
            "ORDER BY s.created, s.user",
            (topic,),
        )
        for row in found:
            want, given = row.pop("want"), row.pop("given")
            yield {**row, "reader": bool(row["reader"]), "mode": access.text(want & given)}

    # --- messages ------------------------------------------------------------------------

    def messages(self, wanted: Wanted) -> Iterator[Found]:
        """Messages in order of time, the newest `limit` of those that fit."""
        return self.rows(
            "SELECT * FROM (SELECT topic, seq, sender, ts, head, content FROM message "
            "WHERE (?1 = '' OR topic = ?1) AND (?2 = '' OR sender = ?2) AND ts >= ?3 "
            "AND (?4 = 0 OR ts < ?4) AND (?5 = '' OR folded(iif(json_type(content) = 'object', "
            "coalesce(content ->> '$.txt', content), content ->> '$')) "
            "LIKE '%' || replace(replace(replace(folded(?5), '\\', '\\\\'), '%', '\\%'), "
            "'_', '\\_') || '%' ESCAPE '\\') "
            "ORDER BY ts DESC, topic DESC, seq DESC LIMIT ?6) ORDER BY ts, topic, seq",
            (wanted.topic, wanted.sender, wanted.since, wanted.before, wanted.text, wanted.limit),
        )

    # --- counts --------------------------------------------------------------------------

    def tables(self) -> list[str]:
        found = self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "ORDER BY name"
        )
        return [row[0] for row in found]

    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        return {
            name: self.connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in self.tables()
        }


@attrs.frozen
class Wanted:
    """Which messages. Empty members do not narrow; times in milliseconds, `before` excluded."""

    topic: str = ""
    sender: str = ""
    since: int = 0
    before: int = 0
    text: str = ""
    limit: int = 100


_USERS = """
SELECT a.id AS user, coalesce(l.name, '') AS login, a.public ->> '$.fn' AS name, a.state,
    coalesce(l.level, 0) AS level, a.created, a.last_seen
FROM account AS a LEFT JOIN login AS l ON l.user = a.id AND l.scheme = 'basic'"""
_TOPICS = """
SELECT t.name AS topic, t.public ->> '$.fn' AS name, t.owner, t.state,
    (SELECT count(*) FROM subscription AS s WHERE s.topic = t.name AND s.deleted = 0) AS members,
    t.readers, n.seq, t.created, n.touched, t.publish
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


@contextlib.contextmanager
def browsing(path: Path) -> Iterator[Browser]:
    """A browser of the file while the block runs.

    SchemaError if it is not ours, newer, or older than this version; StoreError if it is not
    there, cannot be read, or is damaged.
    """
    if not path.is_file():
        raise StoreError(f"{path}: no database is there")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            check_current(connection, path)
            yield Browser(connection)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


def check_current(connection: sqlite3.Connection, path: Path) -> None:
    """SchemaError unless the file has the schema that this version works with."""
    found, known = version_of(connection, path, packaged())
    if found < known:
        problem = "has an older schema: run `tinode-py db migrate`, or start the server once"
        raise SchemaError(path, problem, found=found, known=known)


def _presented(row: Found) -> Found:
    for name in _JSON:
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])
    if "level" in row:
        row["level"] = Level(row["level"]).text
    return row


def _folded(text: object) -> str:
    return str(text).casefold()
