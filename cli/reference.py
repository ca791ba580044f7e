"""Reading a database of the Tinode reference server as rows of our tables.

What is read: accounts, logins with a password, addresses, devices, topics, subscriptions,
messages, deletions, uploads. What was deleted there is left out, but for the numbers that
deleted messages had. Passwords stay the bcrypt hashes that they are. JSON stays the text that
it is. Left out are sessions (clients log in again), push subscriptions and plugins' data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Protocol

import attrs
from msgspec import structs

from tinode_py import access, ids
from tinode_py.ranges import merged
from tinode_py.records import Range, State

from .reference_ids import UidKey

Row = dict[str, Any]
VERSION = 116  # of the database; older ones are brought to it by the reference's own tool
_STATES = {0: State.OK, 10: State.SUSPENDED, 20: State.DELETED, 30: State.UNDEFINED}
_OURS = ("grp", "chn", "p2p", "slf", "sys")


class NotTinode(Exception):
    """The database is not one that can be read; the text says why."""


@attrs.frozen
class Upload:
    """A file to be fetched: our id, where the reference has it."""

    id: str
    location: str


class Source(Protocol):
    """One database, read in one transaction. Statements are PostgreSQL's, as far as they need to
    be: `::text` makes text of JSON, and names that are words of SQL stand in double quotes.
    """

    def all(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows as they come, some thousands at a time."""

    def one(self, sql: str) -> tuple[Any, ...] | None: ...


class Reference:
    """What a source has, as ours."""

    def __init__(self, source: Source, key: UidKey) -> None:
        self._all, self._one = source.all, source.one
        self._key = key
        self._topics: set[str] = set()
        self.uploads: list[Upload] = []

    def check(self) -> None:
        """NotTinode unless it is of the version that is known, and the key is its own."""
        version = self._one("SELECT value FROM kvmeta WHERE \"key\" = 'version'")
        if version is None or int(version[0]) != VERSION:
            found = "none" if version is None else version[0]
            raise NotTinode(f"the database has version {found}, {VERSION} is wanted")
        row = self._one(
            "SELECT userid, topic FROM subscriptions WHERE topic LIKE 'usr%' ORDER BY id LIMIT 1"
        )
        if row is not None and self._key.user(row[0]) != row[1]:
            raise NotTinode("--uid-key is not the one of this database (store_config.uid_key)")

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Each row with its table, those that others refer to first."""
        yield from self._accounts()
        yield from self._logins()
        yield from self._addresses()
        yield from self._devices()
        yield from self._all_topics()
        yield from self._subscriptions()
        yield from self._messages()
        yield from self._deletions()
        yield from self._files()

    # --- people --------------------------------------------------------------------------

    def _accounts(self) -> Iterator[tuple[str, Row]]:
        mine = "SELECT userid, modewant, private::text FROM subscriptions WHERE topic LIKE 'usr%'"
        own = {number: (want, private) for number, want, private in self._all(mine)}
        for number, created, updated, state, modes, seen, agent, public, trusted, tags in self._all(
            "SELECT id, createdat, updatedat, state, access::text, lastseen, useragent, "
            "public::text, trusted::text, tags::text FROM users ORDER BY id"
        ):
            user, gone = self._key.user(number), _STATES[state] is State.DELETED
            auth, anon = _modes(modes)
            want, private = own.get(number, (None, None))
            chosen = [] if gone else _tags(tags)
            yield (
                "account",
                {
                    "id": user,
                    "created": _ms(created),
                    "updated": _ms(updated),
                    "state": _STATES[state].value,
                    "auth": auth,
                    "anon": anon,
                    "public": None if gone else _json(public),
                    "trusted": None if gone else _json(trusted),
                    "private": None if gone else _json(private),
                    "tags": json.dumps(chosen, ensure_ascii=False),
                    "want": _mode(want, access.ME),
                    "last_seen": 0 if gone else _ms(seen),
                    "user_agent": "" if gone else agent or "",
                    "serial": 0,
                },
            )
            yield from _tag_rows(user, chosen)

    def _logins(self) -> Iterator[tuple[str, Row]]:
        for name, number, level, secret, expires in self._all(
            "SELECT a.uname, a.userid, a.authlvl, a.secret, a.expires FROM auth AS a "
            "JOIN users AS u ON u.id = a.userid WHERE a.scheme = 'basic' AND u.state <> 20 "
            "ORDER BY a.uname"
        ):
            yield (
                "login",
                {
                    "scheme": "basic",
                    "name": name.removeprefix("basic:"),
                    "user": self._key.user(number),
                    "secret": secret,
                    "level": level,
                    "expires": _ms(expires),
                },
            )

    def _addresses(self) -> Iterator[tuple[str, Row]]:
        for number, method, value, created, done in self._all(
            "SELECT userid, method, value, createdat, done FROM credentials "
            "WHERE deletedat IS NULL ORDER BY id"
        ):
            yield (
                "credential",
                {
                    "user": self._key.user(number),
                    "method": method,
                    "value": value,
                    "created": _ms(created),
                    "done": int(done),
                    "salt": "",
                    "digest": "",
                    "tries": 0,
                },
            )

    def _devices(self) -> Iterator[tuple[str, Row]]:
        for number, device, platform, seen, language in self._all(
            "SELECT userid, deviceid, platform, lastseen, lang FROM devices ORDER BY id"
        ):
            yield (
                "device",
                {
                    "id": device,
                    "user": self._key.user(number),
                    "platform": platform or "",
                    "language": language or "",
                    "seen": _ms(seen),
                },
            )

    # --- topics --------------------------------------------------------------------------

    def _all_topics(self) -> Iterator[tuple[str, Row]]:
        readers = {
            "grp" + channel[3:]: count
            for channel, count in self._all(
                "SELECT topic, count(*) FROM subscriptions "
                "WHERE topic LIKE 'chn%' AND deletedat IS NULL GROUP BY topic"
            )
        }
        for (name, created, updated, touched, state, channel, owner, modes, seq, delid, public,
             trusted, tags, aux) in self._all(
            "SELECT name, createdat, updatedat, touchedat, state, usebt, owner, access::text, "
            "seqid, delid, public::text, trusted::text, tags::text, aux::text FROM topics "
            "WHERE state <> 20 ORDER BY id"
        ):  # fmt: skip
            if not name.startswith(_OURS):
                continue
            self._topics.add(name)
            auth, anon = _modes(modes)
            chosen = _tags(tags)
            yield (
                "topic",
                {
                    "name": name,
                    "created": _ms(created),
                    "updated": _ms(updated),
                    "owner": self._key.user(owner),
                    "state": _STATES[state].value,
                    "channel": int(bool(channel)),
                    "auth": auth,
                    "anon": anon,
                    "public": _json(public),
                    "trusted": _json(trusted),
                    "aux": _json(aux),
                    "tags": json.dumps(chosen, ensure_ascii=False),
                    "readers": readers.get(name, 0),
                },
            )
            last = {"topic": name, "seq": seq, "delid": delid or 0}
            yield "topic_tail", {**last, "touched": _ms(touched or created)}
            yield from _tag_rows(name, chosen)

    def _subscriptions(self) -> Iterator[tuple[str, Row]]:
        for (number, topic, created, updated, deleted, delid, recv, read, want, given,
             private) in self._all(
            "SELECT userid, topic, createdat, updatedat, deletedat, delid, recvseqid, readseqid, "
            "modewant, modegiven, private::text FROM subscriptions ORDER BY id"
        ):  # fmt: skip
            user = self._key.user(number)
            if not self._is_there(topic) or not _may_be_in(topic, user):
                continue
            yield (
                "subscription",
                {
                    "topic": topic,
                    "user": user,
                    "created": _ms(created),
                    "updated": _ms(updated),
                    "want": _mode(want, access.NONE),
                    "given": _mode(given, access.NONE),
                    "private": _json(private),
                    "read": read or 0,
                    "recv": recv or 0,
                    "clear": delid or 0,
                    "deleted": _ms(deleted),
                    "peer": ids.p2p_peer(topic, user) if topic.startswith("p2p") else "",
                },
            )

    def _is_there(self, topic: str) -> bool:
        return ("grp" + topic[3:] if topic.startswith("chn") else topic) in self._topics

    # --- what was said -------------------------------------------------------------------

    def _messages(self) -> Iterator[tuple[str, Row]]:
        for topic, seq, number, created, head, content in self._all(
            'SELECT topic, seqid, "from", createdat, head::text, content::text FROM messages '
            "WHERE deletedat IS NULL AND content IS NOT NULL ORDER BY topic, seqid"
        ):
            if topic in self._topics:
                yield (
                    "message",
                    {
                        "topic": topic,
                        "seq": seq,
                        "sender": self._key.user(number),
                        "ts": _ms(created),
                        "head": _json(head),
                        "content": content,
                    },
                )

    def _deletions(self) -> Iterator[tuple[str, Row]]:
        found = self._all(
            "SELECT topic, deletedfor, delid, low, hi FROM dellog "
            "ORDER BY topic, deletedfor, delid, low"
        )
        for (topic, number), rows in groupby(found, lambda row: (row[0], row[1])):
            if topic not in self._topics:
                continue
            user, hidden = self._key.user(number), []
            for _, _, delid, low, hi in rows:
                piece = Range(low, max(hi, low + 1))
                hidden.append(piece)
                yield "deletion", {
                    "topic": topic, "user": user, "delid": delid,
                    "low": piece.low, "hi": piece.hi, "at": 0,
                }  # fmt: skip
            if user:
                for piece in merged(hidden):
                    yield "hidden", {"topic": topic, "user": user, **structs.asdict(piece)}

    # --- files ---------------------------------------------------------------------------

    def _files(self) -> Iterator[tuple[str, Row]]:
        known = set()
        for number, owner, created, size, kind, etag, location in self._all(
            "SELECT id, userid, createdat, size, mimetype, etag, location FROM fileuploads "
            "WHERE status = 1 ORDER BY id"
        ):
            name = self._key.body(number)
            known.add(number)
            self.uploads.append(Upload(name, location))
            yield (
                "upload",
                {
                    "id": name,
                    "user": self._key.user(owner),
                    "created": _ms(created),
                    "size": size,
                    "type": kind,
                    "etag": etag or name,
                },
            )
        for number, topic, seq, picture, owner in self._all(
            "SELECT DISTINCT f.fileid, m.topic, m.seqid, f.topic, f.userid FROM filemsglinks AS f "
            "LEFT JOIN messages AS m ON m.id = f.msgid"
        ):
            if number in known:
                of = topic or picture or self._key.user(owner)
                yield "upload_link", {
                    "owner": of, "seq": seq or 0, "upload": self._key.body(number),
                }  # fmt: skip


def _may_be_in(topic: str, user: str) -> bool:
    """The reference lets others into a conversation of two who know its name."""
    return not topic.startswith("p2p") or user in ids.p2p_users(topic)


def _ms(when: datetime | None) -> int:
    """Milliseconds; the database has times in UTC and does not say so."""
    return 0 if when is None else round(when.replace(tzinfo=UTC).timestamp() * 1000)


def _json(text: str | None) -> str | None:
    return None if text is None or text == "null" else text


def _tags(text: str | None) -> list[str]:
    return sorted(set(json.loads(text or "null") or ()))


def _tag_rows(owner: str, tags: list[str]) -> Iterator[tuple[str, Row]]:
    for tag in tags:
        yield "tag", {"tag": tag, "owner": owner}


def _modes(text: str | None) -> tuple[int, int]:
    found = json.loads(text or "null") or {}
    return _mode(found.get("Auth"), access.NONE), _mode(found.get("Anon"), access.NONE)


def _mode(text: str | None, default: int) -> int:
    return access.parse(text) if text else default
