"""Conversations: messages, tags, topics, rooms, calls, the inbox."""

from __future__ import annotations

from typing import Literal

import attrs

from .keys import key


@attrs.frozen
class Tags:
    masked: tuple[str, ...] = key(
        (), "Namespaces of tags (`tel`) that nobody may search in; a search is answered 403."
    )
    restricted: tuple[str, ...] = key(
        (), "Namespaces of tags, beside `basic`, `email` and `tel`, that clients may not set."
    )
    unique: tuple[str, ...] = key(
        (), "Namespaces of tags, beside `alias`, of which each tag has one holder only."
    )
    country: str = key(
        "US", "Country of phone numbers where a client's language (`en-US`) names none."
    )


@attrs.frozen
class Messages:
    delete_age: int = key(
        600, "How long an author may delete a message for all; 0: for ever.", unit="seconds"
    )
    p2p_delete: bool = key(True, "Whether both sides of a private chat may delete for all.")
    retention_days: int = key(
        0,
        "How long messages of groups and private chats are kept, unless `tinode-py topic"
        " retention` says otherwise for one; older ones are deleted for all, within the hour."
        " 0: for ever.",
        unit="days",
    )
    edit_age: int = key(0, "How long an author may edit a message; 0: for ever.", unit="seconds")


@attrs.frozen
class Topics:
    detached_set_delay: float = key(
        10.0,
        "How long others in a topic go on with a member's old mode after he changed it without"
        " being attached, as they do in the reference, there without an end; 0: not at all.",
        unit="seconds",
    )


@attrs.frozen
class Clients:
    publish: bool = key(
        True,
        "Whether clients may publish. If not, {pub} and `/v1/me/messages` are answered 403, but for"
        " root, and messages come from the back end (docs/backend.md).",
    )


@attrs.frozen
class Rooms:
    clients: Literal["none", "join", "create"] = key(
        "none",
        "What clients may do about rooms (`tmp…`) by themselves: nothing, join those in which"
        " somebody is, or make new ones by joining. A back end may always (docs/rooms.md).",
    )
    most: int = key(10000, "Rooms at a time; one more is answered 422.", low=1)
    members: int = key(10000, "Users in one room; one more is answered 422.", low=1)
    per_user: int = key(
        100,
        "Rooms that a user may be in when he joins by himself; one more is answered 422.",
        low=1,
    )
    told: int = key(
        100, "In a room of up to so many users they are told who comes, goes and types."
    )


@attrs.frozen
class IceServer:
    """A server that helps two callers to find each other."""

    urls: tuple[str, ...] = key((), "Addresses, `stun:` or `turn:`.")
    username: str = key("", "Name at a `turn:` server.")
    credential: str = key("", "Password at a `turn:` server.", secret=True)
    credential_type: str = key("", "Kind of `credential`; clients take `password`.")


@attrs.frozen
class Calls:
    timeout: int = key(30, "How long an unanswered call rings.", unit="seconds", low=1, high=3600)
    ice_servers: tuple[IceServer, ...] = key(
        (), "Tables with `urls`, `username`, `credential`, `credential_type`; none: no calls."
    )


@attrs.frozen
class Inbox:
    days: int = key(14, "How long items of a user's inbox are kept.", unit="days", low=1)
