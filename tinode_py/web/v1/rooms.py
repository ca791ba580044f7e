"""Rooms: who is in which, bringing in and putting out, sending; nothing of it is kept.

What is asked of one room goes to its topic, wherever that lives; lists are made of what all nodes
say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ... import ids
from ...access import Level
from ...live.asking import NAME, Answers, Asker, ask
from ...wire.client_packets import Del, Get, Pub, Request
from ...wire.client_parts import GetSub
from ...wire.parts import Json
from .backend import Backend, Call, Handler
from .people import speaker, user_of
from .problem import Problem
from .sending import checked_head
from .shape_rooms import OneRoom, RoomList, RoomSent, RoomUser, RoomUsers
from .types import Page

_BACK_END = Asker("", Level.ROOT, system=True)


def _named(call: Call) -> str:
    """The room of a request; 404 if none can be called so, or it is none for this key."""
    room = call.path["room"]
    if not ids.is_room(room):
        raise Problem(404, f"no room is called {room!r}: `tmp` and 1 to 61 letters, digits, -_.:")
    if not call.caller.may_room(room):
        raise Problem(404, f"there is no room {room!r}")
    return room


async def _ask(backend: Backend, room: str, request: Request) -> Answers:
    return await ask(backend.hub, _BACK_END, room, room, request)


def _metas(answers: Answers, name: str) -> list[Any]:
    return [msgspec.json.decode(meta[name]) for meta in answers.of("meta") if name in meta]


async def _count(backend: Backend, room: str) -> int:
    answers = (await _ask(backend, room, Get(id=NAME, topic=room, what="desc"))).checked()
    return int(_metas(answers, "desc")[0].get("subcnt", 0))


async def _users(backend: Backend, room: str, user: str = "") -> list[str]:
    query = GetSub(user=user)
    answers = await _ask(backend, room, Get(id=NAME, topic=room, what="sub", sub=query))
    return [row["user"] for rows in _metas(answers.checked(), "sub") for row in rows]


# --- lists -------------------------------------------------------------------------------


async def list_rooms(call: Call) -> RoomList:
    page = call.query
    found = await call.backend.hub.everywhere.rooms_after(page.after, page.limit)
    items = tuple(OneRoom(*room) for room in found if call.caller.may_room(room[0]))
    return RoomList(items, found[-1][0] if len(found) == page.limit else "")


async def list_rooms_of_user(call: Call) -> RoomList:
    return await _rooms_of(call, (await user_of(call, call.path["user"])).id)


async def list_own_rooms(call: Call) -> RoomList:
    return await _rooms_of(call, call.caller.user)


async def _rooms_of(call: Call, user: str) -> RoomList:
    page: Page = call.query
    everywhere = call.backend.hub.everywhere
    inside = {room for session in await everywhere.sessions_of(user) for room in session.rooms}
    rooms = sorted(room for room in inside if room > page.after)
    names = [room for room in rooms if call.caller.may_room(room)][: page.limit]
    users = await everywhere.users_in(names)
    items = tuple(OneRoom(room, len(users[room])) for room in names)
    return RoomList(items, names[-1] if len(names) == page.limit else "")


async def read_room(call: Call) -> OneRoom:
    room = _named(call)
    return OneRoom(room, await _count(call.backend, room))


async def list_members(call: Call) -> RoomUsers:
    page, room = call.query, _named(call)
    users = sorted(await _users(call.backend, room))
    found = tuple([user for user in users if user > page.after][: page.limit])
    return RoomUsers(found, found[-1] if len(found) == page.limit else "", len(users))


# --- bringing in, putting out ------------------------------------------------------------


async def bring(call: Call) -> RoomUser:
    """His sessions of now are told and hear all from now on; one that comes later is not in."""
    room, backend = _named(call), call.backend
    user = (await user_of(call, call.path["user"])).id
    wanted, everywhere = call.body.session, backend.hub.everywhere
    sessions = await everywhere.sessions_of(user)
    sids = [session.sid for session in sessions if wanted in ("", session.sid)]
    if not sids:
        what = f"there is no live session {wanted!r} of this user" if wanted else "is not online"
        raise Problem(404 if wanted else 409, what if wanted else f"{user} {what}")
    await everywhere.bring(room, user, sids)
    if user not in await _users(backend, room, user):
        raise Problem(422, f"{room} has `rooms.members` users, or there are `rooms.most` rooms")
    inside = sum(room in session.rooms for session in await everywhere.sessions_of(user))
    return RoomUser(room, user, inside, await _count(backend, room))


async def put_out(call: Call) -> None:
    room = _named(call)
    user = (await user_of(call, call.path["user"])).id
    answers = await _ask(call.backend, room, Del(id=NAME, topic=room, what="sub", user=user))
    if answers.code == 404:
        raise Problem(404, f"{user} is not in {room}")
    answers.checked()


async def end_room(call: Call) -> None:
    room = _named(call)
    answers = await _ask(call.backend, room, Del(id=NAME, topic=room, what="topic"))
    if answers.code != 304:  # nobody was in it
        answers.checked()


# --- sending -----------------------------------------------------------------------------


async def send_to_room(call: Call) -> RoomSent:
    """As the system, or as somebody who is in the room."""
    room, wanted = _named(call), call.body
    head = checked_head(call.backend, wanted.content, wanted.head)
    asker = await speaker(call, wanted.from_)
    packed = Json(msgspec.json.encode(head)) if head else None
    request = Pub(id=NAME, topic=room, head=packed, content=Json(bytes(wanted.content)))
    answers = await ask(call.backend.hub, asker, room, room, request)
    if answers.ctrl.get("text") == "must attach first":
        raise Problem(403, f"the sender is not in {room}")
    return RoomSent(room, answers.checked().ctrl["ts"])


HANDLERS: Mapping[str, Handler] = {
    "listRooms": list_rooms,
    "readRoom": read_room,
    "endRoom": end_room,
    "listRoomMembers": list_members,
    "bringIntoRoom": bring,
    "putOutOfRoom": put_out,
    "sendToRoom": send_to_room,
    "listRoomsOfUser": list_rooms_of_user,
    "listOwnRooms": list_own_rooms,
}
