"""Requests and answers about rooms, of which nothing is kept.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class OneRoom:
    """A room: there is one of every name, with nobody in most of them.

    - `room`: its name.
    - `online`: how many users are in it.
    """

    room: str
    online: int


@attrs.frozen
class RoomList:
    """Rooms with somebody in them, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneRoom, ...]
    next: str

    def rows(self) -> tuple[OneRoom, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class RoomUsers:
    """Users who are in a room, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    - `online`: how many there are.
    """

    items: tuple[str, ...]
    next: str
    online: int

    def rows(self) -> tuple[str, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class RoomUser:
    """A user who is in a room.

    - `room`: the room.
    - `user`: his name.
    - `sessions`: how many sessions of his are in it.
    - `online`: how many users are.
    """

    room: str
    user: str
    sessions: int
    online: int


@attrs.frozen
class RoomSent:
    """What became of it.

    - `room`: the room.
    - `ts`: when it was sent.
    """

    room: str
    ts: datetime


def list_rooms(*, after: str = "", limit: int = 50) -> Call[RoomList]:
    """List the rooms with somebody in them, with counts.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/rooms",
        RoomList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def read_room(room: str) -> Call[OneRoom]:
    """Count who is in a room."""
    return Call("GET", place("/v1/rooms/{room}", room=room), OneRoom, repeatable=True)


def end_room(room: str) -> Call[None]:
    """Put everybody out of a room."""
    return Call("DELETE", place("/v1/rooms/{room}", room=room), None, repeatable=True)


def list_room_members(room: str, *, after: str = "", limit: int = 100) -> Call[RoomUsers]:
    """List who is in a room.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        place("/v1/rooms/{room}/members", room=room),
        RoomUsers,
        query=given(("after", after, ""), ("limit", limit, 100)),
        repeatable=True,
    )


def bring_into_room(room: str, user: str, *, session: str = "") -> Call[RoomUser]:
    """Bring a user who is online into a room.

    - `session`: this one; empty: all that he has now.
    """
    return Call(
        "PUT",
        place("/v1/rooms/{room}/members/{user}", room=room, user=user),
        RoomUser,
        body=given(("session", session, "")),
        repeatable=True,
    )


def put_out_of_room(room: str, user: str) -> Call[None]:
    """Put a user out of a room."""
    return Call(
        "DELETE",
        place("/v1/rooms/{room}/members/{user}", room=room, user=user),
        None,
        repeatable=True,
    )


def send_to_room(room: str, content: Any, *, from_: str = "", head: Any = None) -> Call[RoomSent]:
    """Send a message to all who are in a room.

    - `content`: what it says: text, or a Drafty document.
    - `from_`: the user who sends it, and is in the room; empty: the system.
    - `head`: the head of the message, an object.
    """
    return Call(
        "POST",
        place("/v1/rooms/{room}/messages", room=room),
        RoomSent,
        body={"content": content, **given(("from", from_, ""), ("head", head, None))},
    )


def list_rooms_of_user(user: str, *, after: str = "", limit: int = 50) -> Call[RoomList]:
    """List the rooms in which a user is.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        place("/v1/users/{user}/rooms", user=user),
        RoomList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def list_own_rooms(*, after: str = "", limit: int = 50) -> Call[RoomList]:
    """List the rooms in which one is.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/me/rooms",
        RoomList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )
