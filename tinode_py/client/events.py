"""What a client is told, as classes: messages, notices, presence, notes, its own connection.

Made from packets, which are plain dicts. Times have a zone. What a packet lacks is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from .codec import Packet

_EPOCH = datetime.fromtimestamp(0, UTC)


@attrs.frozen
class Message:
    """One message. `topic` is the peer in a conversation of two; `sender` a user.

    `seq` is its number in the topic, 0 if it is not kept. `n` is its place in the inbox of a
    user, 0 for messages of groups.
    """

    topic: str
    seq: int
    sender: str
    ts: datetime
    content: Any
    head: Mapping[str, Any]
    n: int = 0

    @classmethod
    def of(cls, body: Packet) -> Message:
        """From a {data}, or from an item of the inbox."""
        return cls(
            body["topic"],
            body.get("seq", 0),
            body.get("from", ""),
            time_of(body.get("ts", "")),
            body.get("content"),
            body.get("head") or {},
            body.get("n", 0),
        )

    @property
    def text(self) -> str:
        """The content as plain text; formatted text without its formats; else empty."""
        if isinstance(self.content, str):
            return self.content
        text = self.content.get("txt", "") if isinstance(self.content, Mapping) else ""
        return text if isinstance(text, str) else ""

    @property
    def replaces(self) -> int:
        """The number of the message that this one is a new version of, 0 for none."""
        number = str(self.head.get("replace", "")).removeprefix(":")
        return int(number) if number.isdecimal() else 0


@attrs.frozen
class Notice:
    """What a user must not miss: `kind` is one of invite, acs, removed, gone, del."""

    n: int
    topic: str
    kind: str
    ts: datetime
    detail: Mapping[str, Any]

    @classmethod
    def of(cls, item: Packet) -> Notice:
        return cls(
            item["n"],
            item["topic"],
            item["kind"],
            time_of(item.get("ts", "")),
            item.get("detail") or {},
        )


@attrs.frozen
class Presence:
    """What happened to `src`: a contact when `topic` is `me`, else a member of the topic.

    `what`: on, off, upd, msg, read, recv, del, tags, acs, gone, term, ua, aux.
    """

    topic: str
    what: str
    src: str = ""
    seq: int = 0
    ua: str = ""
    act: str = ""

    @classmethod
    def of(cls, body: Packet) -> Presence:
        texts = {name: body.get(name, "") for name in ("src", "ua", "act")}
        return cls(body["topic"], body["what"], seq=body.get("seq", 0), **texts)


@attrs.frozen
class Note:
    """A note of another user: `what` is kp (he types), read, recv, call and so on.

    `topic` is the conversation, whether or not the session is attached to it.
    """

    topic: str
    what: str
    sender: str = ""
    seq: int = 0
    event: str = ""

    @classmethod
    def of(cls, body: Packet) -> Note:
        topic = body.get("src") or body["topic"]
        return cls(
            topic, body["what"], body.get("from", ""), body.get("seq", 0), body.get("event", "")
        )


@attrs.frozen
class Connected:
    """Logged in and attached to `me`, for the first time or again."""

    user: str


@attrs.frozen
class Disconnected:
    """The connection is lost; the next try is `retry_in` seconds away."""

    reason: str
    retry_in: float


@attrs.frozen
class Detached:
    """A topic that was followed is followed no more: the server has ended or refused it."""

    topic: str
    code: int
    text: str


Event = Presence | Note | Connected | Disconnected | Detached


@attrs.frozen
class Contact:
    """A conversation of the user. `unread` messages are newer than what he has read."""

    topic: str
    name: str
    online: bool
    seq: int
    read: int
    mode: str
    public: Any

    @classmethod
    def of(cls, row: Packet) -> Contact:
        return cls(
            row["topic"],
            name_in(row.get("public")),
            row.get("online", False),
            row.get("seq", 0),
            row.get("read", 0),
            (row.get("acs") or {}).get("mode", ""),
            row.get("public"),
        )

    @property
    def unread(self) -> int:
        return max(0, self.seq - self.read)


@attrs.frozen
class Member:
    """Somebody in a topic, and how far he has read it."""

    user: str
    name: str
    online: bool
    read: int
    recv: int
    mode: str
    public: Any

    @classmethod
    def of(cls, row: Packet) -> Member:
        return cls(
            row["user"],
            name_in(row.get("public")),
            row.get("online", False),
            row.get("read", 0),
            row.get("recv", 0),
            (row.get("acs") or {}).get("mode", ""),
            row.get("public"),
        )


def name_in(public: Any) -> str:
    """The name that people see, out of what clients put into `public`."""
    name = public.get("fn", "") if isinstance(public, Mapping) else ""
    return name if isinstance(name, str) else ""


def time_of(text: str) -> datetime:
    """A time of the protocol; 1970 if there is none."""
    return datetime.fromisoformat(text) if text else _EPOCH
