"""Who is online and by what, forcing users offline, their logins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ...access import Level
from ...changes import Batch
from ...errors import EVICTED
from ...live.asking import NAME, Asker, ask
from ...live.everywhere import LiveSession
from ...queries import SessionsOf, UsersById
from ...records import State
from ...wire.client_packets import Del
from ...wire.parts import Time
from ...wire.server_packets import Ctrl
from ...wire.times import time_text
from .backend import Call, Handler
from .people import user_of, users_of
from .problem import Problem
from .shape_users import (
    ForcedOff,
    ForceOff,
    LiveDevice,
    LoginRow,
    LoginRows,
    OnlineList,
    OnlineUser,
    People,
    Person,
)
from .types import NULL


def online(named: str, sessions: Iterable[LiveSession]) -> OnlineUser:
    """What is known of a user now; `named` is how he was asked for."""
    devices = tuple(LiveDevice(it.sid, it.platform, it.number, it.on_me) for it in sessions)
    return OnlineUser(named, bool(devices), devices)


async def read_online(call: Call) -> OnlineUser:
    named = call.path["user"]
    user = (await user_of(call, named)).id
    return online(named, await call.backend.hub.everywhere.sessions_of(user))


async def query_online(call: Call) -> OnlineList:
    """In the order asked for; who is not known is not online."""
    names, everywhere = call.body.users, call.backend.hub.everywhere
    users = await users_of(call, names)
    found = await everywhere.sessions([user.id for user in users.values() if user])
    items = tuple(online(name, found[user.id] if (user := users[name]) else ()) for name in names)
    return OnlineList(items, "", everywhere.count_users())


async def list_online(call: Call) -> OnlineList:
    page, backend = call.query, call.backend
    everywhere = backend.hub.everywhere
    names = everywhere.users_after(page.after, page.limit)
    after = names[-1] if len(names) == page.limit else ""
    if call.caller.narrow:
        rows = await backend.store.fetch(UsersById(tuple(names)))
        names = [name for name in names if name in rows and call.caller.may_user(rows[name])]
    found = await everywhere.sessions(names)
    items = tuple(online(name, found[name]) for name in names)
    return OnlineList(items, after, everywhere.count_users())


async def list_people(call: Call) -> People:
    """Accounts that are suspended or gone show nothing, even if a session lives on."""
    page, backend = call.query, call.backend
    if backend.settings.users.directory != "open":
        raise Problem(403, "users.directory is `contacts`: who is online only contacts see")
    names = backend.hub.everywhere.users_after(page.after, page.limit)
    after = names[-1] if len(names) == page.limit else ""
    rows = await backend.store.fetch(UsersById(tuple(names)))
    there = (rows[name] for name in names if name in rows and name != call.caller.user)
    shown = ((row.id, row.public) for row in there if row.state is State.OK)
    return People(tuple(Person(user, msgspec.Raw(it) if it else NULL) for user, it in shown), after)


async def force_offline(call: Call) -> ForcedOff:
    """Sessions are told why, then closed; with `revoke` their tokens are void before that."""
    wanted: ForceOff = call.body
    user = await user_of(call, call.path["user"])
    backend = call.backend
    sessions = await backend.hub.everywhere.sessions_of(user.id)
    if wanted.session:
        sessions = [session for session in sessions if session.sid == wanted.session]
        if not sessions:
            raise Problem(404, f"there is no live session {wanted.session!r} of this user")
    params = {"reason": wanted.reason} if wanted.reason else None
    packet = Ctrl(EVICTED.code, EVICTED.text, Time(backend.now()), params=params)
    about = {"sessions": len(sessions), "reason": wanted.reason, "revoke": wanted.revoke}
    await backend.store.commit(Batch(call.deed("user.offline", user.id, **about)))
    if wanted.revoke:
        await _revoke(call, user.id, sessions if wanted.session else None)
    await backend.hub.everywhere.end(sessions, packet)
    return ForcedOff(len(sessions))


async def _revoke(call: Call, user: str, sessions: list[LiveSession] | None) -> None:
    """Void the tokens of all logins, or of those of some sessions. The sessions live on."""
    rows = await call.backend.store.fetch(SessionsOf(user))
    numbers = {session.number for session in sessions} if sessions is not None else None
    for row in rows:
        if not row.revoked and (numbers is None or row.n in numbers):
            await _end(call, user, row.n)


async def _end(call: Call, user: str, number: int) -> None:
    request = Del(id=NAME, topic="me", what="session", session=str(number))
    asker = Asker(user, Level.AUTH, by=call.caller.by)
    (await ask(call.backend.hub, asker, user, "me", request)).checked()


async def list_logins(call: Call) -> LoginRows:
    user = await user_of(call, call.path["user"])
    rows = await call.backend.store.fetch(SessionsOf(user.id))
    sessions = await call.backend.hub.everywhere.sessions_of(user.id)
    live = {session.number for session in sessions}
    return LoginRows(
        tuple(
            LoginRow(
                row.n,
                time_text(row.created),
                time_text(row.seen),
                row.user_agent,
                row.platform,
                time_text(row.revoked) if row.revoked else None,
                row.n in live,
            )
            for row in rows
        )
    )


async def end_login(call: Call) -> None:
    user = await user_of(call, call.path["user"])
    number = call.path["number"]
    rows = await call.backend.store.fetch(SessionsOf(user.id))
    row = next((row for row in rows if str(row.n) == number), None)
    if row is None:
        raise Problem(404, f"there is no login {number!r} of this user")
    if not row.revoked:
        await _end(call, user.id, row.n)


HANDLERS: Mapping[str, Handler] = {
    "listPeopleOnline": list_people,
    "readOnline": read_online,
    "queryOnline": query_online,
    "listOnline": list_online,
    "forceOffline": force_offline,
    "listLogins": list_logins,
    "endLogin": end_login,
}
