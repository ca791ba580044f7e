"""Records as rows of tables, both ways.

The order of a record's columns is written once, in its `…_COLUMNS`, and the functions below it
follow that order. JSON is bound as text and read back as bytes, byte for byte.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..access import Level
from ..ids import p2p_peer
from ..records import Login, Message, State, Subscription, Topic, User

Row = tuple[Any, ...]

_JSON = frozenset({"public", "trusted", "private", "query", "aux", "head", "content", "call"})
_TAGS = msgspec.json.Decoder(tuple[str, ...])

USER_COLUMNS = (
    *("id", "created", "updated", "state", "auth", "anon", "public", "trusted", "private"),
    *("tags", "want", "last_seen", "user_agent", "serial"),
)
LOGIN_COLUMNS = ("scheme", "name", "user", "secret", "level", "expires")
TOPIC_COLUMNS = (
    *("name", "created", "updated", "owner", "state", "channel", "auth", "anon"),
    *("public", "trusted", "aux", "tags", "readers", "publish", "call"),
)
TAIL_COLUMNS = ("topic", "seq", "touched", "delid")
SUBSCRIPTION_COLUMNS = (
    *("topic", "user", "created", "updated", "want", "given", "private"),
    *("read", "recv", "clear", "deleted", "peer"),
)
MESSAGE_COLUMNS = ("topic", "seq", "sender", "ts", "head", "content")


def selected(alias: str, columns: tuple[str, ...]) -> str:
    """The columns of one table in a SELECT; JSON comes as bytes, without decoding."""
    return ", ".join(
        f"CAST({alias}.{column} AS BLOB)" if column in _JSON else f"{alias}.{column}"
        for column in columns
    )


def upsert(table: str, columns: tuple[str, ...], keys: int = 1) -> str:
    """A statement that creates a row, or replaces all of it but its first `keys` columns."""
    places = ", ".join("?" for _ in columns)
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns[keys:])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) "
        f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {updates}"
    )


def conversation(column: str) -> str:
    """The topic of a subscription: a reader's `chn…` is in the group of that name."""
    group = f"'grp' || substr({column}, 4)"
    return f"CASE WHEN substr({column}, 1, 3) = 'chn' THEN {group} ELSE {column} END"


def encoded(value: Any) -> str:
    """JSON text for json_each."""
    return msgspec.json.encode(value).decode()


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def user_row(user: User) -> Row:
    return (
        *(user.id, user.created, user.updated, user.state.value, user.auth, user.anon),
        *(text(user.public), text(user.trusted), text(user.private), encoded(user.tags)),
        *(user.want, user.last_seen, user.user_agent, user.serial),
    )


def user_of(row: Row) -> User:
    return User(
        id=row[0],
        created=row[1],
        updated=row[2],
        state=State(row[3]),
        auth=row[4],
        anon=row[5],
        public=row[6],
        trusted=row[7],
        private=row[8],
        tags=_TAGS.decode(row[9]),
        want=row[10],
        last_seen=row[11],
        user_agent=row[12],
        serial=row[13],
    )


def login_row(login: Login) -> Row:
    return (login.scheme, login.name, login.user, login.secret, int(login.level), login.expires)


def login_of(row: Row) -> Login:
    return Login(row[0], row[1], row[2], row[3], Level(row[4]), row[5])


def topic_row(topic: Topic) -> Row:
    return (
        *(topic.name, topic.created, topic.updated, topic.owner, topic.state.value),
        *(int(topic.channel), topic.auth, topic.anon, text(topic.public), text(topic.trusted)),
        *(text(topic.aux), encoded(topic.tags), topic.readers, int(topic.publish)),
        text(topic.call),
    )


def tail_row(topic: Topic) -> Row:
    return (topic.name, topic.seq, topic.touched, topic.delid)


def topic_of(row: Row) -> Topic:
    """From the columns of a topic followed by those of its tail."""
    return Topic(
        name=row[0],
        created=row[1],
        updated=row[2],
        owner=row[3],
        state=State(row[4]),
        channel=bool(row[5]),
        auth=row[6],
        anon=row[7],
        public=row[8],
        trusted=row[9],
        aux=row[10],
        tags=_TAGS.decode(row[11]),
        readers=row[12],
        publish=bool(row[13]),
        call=row[14],
        seq=row[16],
        touched=row[17],
        delid=row[18],
    )


def subscription_row(sub: Subscription) -> Row:
    peer = p2p_peer(sub.topic, sub.user) if sub.topic.startswith("p2p") else ""
    return (
        *(sub.topic, sub.user, sub.created, sub.updated, sub.want, sub.given),
        *(text(sub.private), sub.read, sub.recv, sub.clear, sub.deleted, peer),
    )


def subscription_of(row: Row) -> Subscription:
    return Subscription(*row[:11])


def message_of(row: Row) -> Message:
    return Message(*row)
