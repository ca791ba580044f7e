"""Requests and answers about rooms, of which nothing is kept."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from .operation import OWN, Operation
from .types import NULL, Json, Moment, Page, Sender, Short

SessionId = Annotated[str, msgspec.Meta(max_length=32)]


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


@attrs.frozen
class Bringing:
    """Which sessions of a user are brought into a room.

    - `session`: this one; empty: all that he has now.
    """

    session: SessionId = ""


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
class RoomSend:
    """A message to all who are in a room.

    - `content`: what it says: text, or a Drafty document.
    - `from_`: the user who sends it, and is in the room; empty: the system.
    - `head`: the head of the message, an object.
    """

    content: Json
    from_: Sender = ""
    head: Json = NULL


@attrs.frozen
class RoomSent:
    """What became of it.

    - `room`: the room.
    - `ts`: when it was sent.
    """

    room: str
    ts: Moment


@attrs.frozen
class RoomPage:
    """Which users.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """

    after: Short = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


_ROOM = "/v1/rooms/{room}"
_MEMBER = _ROOM + "/members/{user}"

OPERATIONS = (
    Operation(
        "listRooms", "GET", "/v1/rooms", "rooms:read",
        "List the rooms with somebody in them, with counts.", query=Page, answer=RoomList,
    ),
    Operation(
        "readRoom", "GET", _ROOM, "rooms:read",
        "Count who is in a room.", answer=OneRoom,
    ),
    Operation(
        "endRoom", "DELETE", _ROOM, "rooms:write",
        "Put everybody out of a room.", status=204,
    ),
    Operation(
        "listRoomMembers", "GET", _ROOM + "/members", "rooms:read",
        "List who is in a room.", query=RoomPage, answer=RoomUsers,
    ),
    Operation(
        "bringIntoRoom", "PUT", _MEMBER, "rooms:write",
        "Bring a user who is online into a room.", body=Bringing, answer=RoomUser,
    ),
    Operation(
        "putOutOfRoom", "DELETE", _MEMBER, "rooms:write",
        "Put a user out of a room.", status=204,
    ),
    Operation(
        "sendToRoom", "POST", _ROOM + "/messages", "messages:send",
        "Send a message to all who are in a room.", body=RoomSend, answer=RoomSent, status=202,
    ),
    Operation(
        "listRoomsOfUser", "GET", "/v1/users/{user}/rooms", "rooms:read",
        "List the rooms in which a user is.", query=Page, answer=RoomList,
    ),
    Operation(
        "listOwnRooms", "GET", "/v1/me/rooms", OWN,
        "List the rooms in which one is.", query=Page, answer=RoomList,
    ),
)  # fmt: skip
