"""Users and topics as back ends name them, and whether a key's limits let it near them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ... import ids
from ...access import Level
from ...changes import Batch, PutLogin, PutUser
from ...core.account import new_user
from ...ids import Kind
from ...live.asking import Asker
from ...queries import LoginByName, TopicByName, UserById, UsersById
from ...records import Login, Topic, User
from ...wire.client_packets import Acc
from ...wire.client_parts import SetDesc
from ...wire.parts import Json
from .backend import Backend, Call
from .problem import Problem

EXTERNAL = "ext:"
SYSTEM = "system"  # scheme and name of the login by which the system's account is found


def external_scheme(realm: str) -> str:
    """The scheme of logins under which the external ids of a key are kept: nobody can log in."""
    return EXTERNAL + realm


async def named_user(call: Call, named: str) -> str:
    """The user whom a caller calls `usr…` or `ext:…`; "" if there is none of that name."""
    if not named.startswith(EXTERNAL):
        return named if ids.is_user(named) else ""
    scheme = external_scheme(call.caller.realm)
    row = await call.backend.store.fetch(LoginByName(scheme, named.removeprefix(EXTERNAL)))
    return row.user if row else ""


async def user_of(call: Call, named: str) -> User:
    """The account; 404 if there is none, or the key's limits hide it."""
    user = await _user(call, named)
    if user is None:
        raise Problem(404, f"there is no user {named!r}")
    return user


async def _user(call: Call, named: str) -> User | None:
    name = await named_user(call, named)
    user = await call.backend.store.fetch(UserById(name)) if name else None
    return user if user is not None and call.caller.may_user(user) else None


async def users_of(call: Call, named: tuple[str, ...]) -> dict[str, User | None]:
    """Accounts by the names they were asked for; None where `user_of` would be 404."""
    if len(named) == 1:
        return {named[0]: await _user(call, named[0])}
    found: dict[str, str] = {name: await named_user(call, name) for name in named}
    rows = await call.backend.store.fetch(UsersById(tuple({n for n in found.values() if n})))
    allowed = {name: user for name, user in rows.items() if call.caller.may_user(user)}
    return {name: allowed.get(user) for name, user in found.items()}


async def speaker(call: Call, named: str) -> Asker:
    """In whose name something is sent: a user's, or ("") the system's."""
    if not named:
        user = await system_user(call.backend)
        return Asker(user, Level.ROOT, system=True)
    name = await named_user(call, named)
    row = await call.backend.store.fetch(UserById(name)) if name else None
    if row is None or not call.caller.may_speak_as(row):
        raise Problem(404, f"there is no user {named!r}")
    return Asker(row.id)


@attrs.frozen
class People:
    """Who was named in some requests that are carried out together, each looked up once."""

    call: Call
    _askers: dict[str, Asker] = attrs.field(factory=dict)
    _users: dict[str, User | None] = attrs.field(factory=dict)

    async def speaker(self, named: str) -> Asker:
        """As `speaker`."""
        found = self._askers.get(named)
        if found is None:
            found = self._askers[named] = await speaker(self.call, named)
        return found

    async def users(self, named: tuple[str, ...]) -> Mapping[str, User | None]:
        """As `users_of`; others may be among them."""
        unknown = tuple([name for name in named if name not in self._users])
        if unknown:
            self._users.update(await users_of(self.call, unknown))
        return self._users


async def topic_of(call: Call, named: str) -> Topic:
    """A group or a private chat by its own name; 404 if there is none, or none for this key."""
    known = ids.is_group(named) or (len(named) == 25 and named.startswith("p2p"))
    row = await call.backend.store.fetch(TopicByName(named)) if known else None
    if row is None or not call.caller.may_topic(row):
        raise Problem(404, f"there is no topic {named!r}")
    return row


def is_p2p(topic: str) -> bool:
    return ids.kind_of(topic) is Kind.P2P


async def system_user(backend: Backend) -> str:
    """The account in whose name the system speaks, made at its first word."""
    known = await backend.store.fetch(LoginByName(SYSTEM, SYSTEM))
    if known is None:
        name = "usr" + ids.new_body(backend.random_bytes)
        login = Login(SYSTEM, SYSTEM, name, "")
        public = Json(b'{"fn":"System"}')
        user = new_user(name, Acc(desc=SetDesc(public=public)), login, backend.hub.env())
        await backend.store.commit(Batch((PutLogin(login), PutUser(user))))
        known = await backend.store.fetch(LoginByName(SYSTEM, SYSTEM))  # perhaps an earlier one
        assert known is not None
    return known.user
