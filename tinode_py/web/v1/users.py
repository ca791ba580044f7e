"""Accounts: making, reading, changing, ending; finding them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ... import ids
from ...access import Level
from ...auth.base import Origin
from ...changes import Batch, Conflict, PutLogin
from ...core import account, tags
from ...core.find import search
from ...errors import Refused
from ...live.asking import NAME, Asker, ask
from ...queries import LoginByName, LoginsOf, UserById
from ...queries_backend import UsersAfter
from ...records import Login, User
from ...wire.client_packets import Acc, Del, Set
from ...wire.client_parts import SetDesc
from ...wire.parts import Json
from ...wire.times import time_text
from .backend import Call, Handler
from .people import external_scheme, user_of
from .problem import Problem, refused
from .shape_users import FoundRow, FoundRows, NewUser, OneUser, UserList
from .types import NULL


def optional(value: msgspec.Raw) -> Json | None:
    """A JSON member of a request; None where it is absent or null."""
    text = bytes(value)
    return None if text == b"null" else Json(text)


def public_of(name: str, public: msgspec.Raw) -> Json | None:
    """What others see of somebody or something new: `public` as given, or made of a name."""
    given = optional(public)
    if not name:
        return given
    if given is not None:
        raise Problem.field("name", "give `name` or `public`, not both")
    return Json(msgspec.json.encode({"fn": name}))


def raw(value: bytes | None) -> msgspec.Raw:
    return NULL if value is None else msgspec.Raw(value)


def moment(at: int) -> str | None:
    return time_text(at) if at else None


async def shown(call: Call, user: User) -> OneUser:
    scheme = external_scheme(call.caller.realm)
    logins = await call.backend.store.fetch(LoginsOf(user.id)) if call.caller.realm else ()
    external = next((row.name for row in logins if row.scheme == scheme), None)
    return OneUser(
        user.id,
        external,
        time_text(user.created),
        time_text(user.updated),
        user.state.value,
        raw(user.public),
        raw(user.trusted),
        user.tags,
        call.backend.hub.everywhere.has_session(user.id),
        moment(user.last_seen),
    )


# --- making ------------------------------------------------------------------------------


async def create_user(call: Call) -> OneUser:
    """An account, with a login, an external id, or neither; 409 if one of them is taken."""
    wanted: NewUser = call.body
    key = call.caller.key
    if key is not None and call.caller.narrow and not set(wanted.tags) & set(key.tags):
        raise Problem(403, "the key is limited: give one of its tags")
    return await shown(call, await new_account(call, wanted))


async def new_account(call: Call, wanted: NewUser) -> User:
    backend = call.backend
    name = "usr" + ids.new_body(backend.random_bytes)
    login = await _login(call, name, wanted)
    acc = Acc(user="new", tags=wanted.tags, desc=_described(wanted))
    try:
        user = account.new_user(name, acc, login, backend.hub.env(), root=True)
    except Refused as no:
        what = (no.params or {}).get("what", "")
        raise refused(no, f"`{what}`" if what else "") from None
    external = _external(call, name, wanted)
    claims = tags.claims(user.id, user.tags, backend.settings)
    rows = account.creation(user, login) + ((PutLogin(external),) if external else ())
    deed = call.deed("user.create", user.id)
    outcome = await backend.store.commit(Batch((*claims, *rows, *deed)))
    if isinstance(outcome, Conflict):
        raise await _taken(call, wanted, outcome)
    await backend.entrance.welcome(user.id)
    return user


def _described(wanted: NewUser) -> SetDesc:
    return SetDesc(
        public=public_of(wanted.name, wanted.public),
        trusted=optional(wanted.trusted),
        private=optional(wanted.private),
    )


async def _login(call: Call, user: str, wanted: NewUser) -> Login | None:
    if not wanted.login:
        if wanted.password:
            raise Problem.field("password", "needs a `login`")
        return None
    scheme = call.backend.entrance.schemes.get("basic")
    if scheme is None:
        raise Problem.field("login", "nobody logs in with a password here")
    secret = f"{wanted.login}:{wanted.password}".encode()
    if ":" in wanted.login:
        raise Problem.field("login", "must have no colon")
    try:
        return await scheme.enroll(user, secret, Origin())
    except Refused as no:
        raise refused(no, "`login`, `password`") from None


def _external(call: Call, user: str, wanted: NewUser) -> Login | None:
    if wanted.external_id is None:
        return None
    if not call.caller.realm:
        raise Problem.field("external_id", "belongs to a key, and this is none")
    return Login(external_scheme(call.caller.realm), wanted.external_id, user, "")


async def _taken(call: Call, wanted: NewUser, conflict: Conflict) -> Problem:
    if conflict.what == "tags":
        return Problem(409, "a tag that only one can have (alias:…) is somebody's")
    scheme = external_scheme(call.caller.realm)
    external = wanted.external_id or ""
    known = await call.backend.store.fetch(LoginByName(scheme, external)) if external else None
    if known is not None:
        return Problem(409, f"there is a user with the external id {external!r}")
    return Problem(409, f"the login {wanted.login!r} is taken")


# --- reading and changing ----------------------------------------------------------------


async def list_users(call: Call) -> UserList:
    page = call.query
    rows = await call.backend.store.fetch(UsersAfter(page.after, page.limit))
    items = [await shown(call, row) for row in rows if call.caller.may_user(row)]
    return UserList(tuple(items), rows[-1].id if len(rows) == page.limit else "")


async def read_user(call: Call) -> OneUser:
    return await shown(call, await user_of(call, call.path["user"]))


async def change_user(call: Call) -> OneUser:
    """Part by part, as root would by {set} and {acc}; the first refusal ends it."""
    wanted, user = call.body, await user_of(call, call.path["user"])
    asker = Asker(user.id, Level.ROOT, by=call.caller.by)
    public, trusted = optional(wanted.public), optional(wanted.trusted)
    if public is not None or trusted is not None:
        desc = SetDesc(public=public, trusted=trusted)
        await _change(call, asker, Set(id=NAME, topic="me", desc=desc))
    if wanted.tags is not None:
        kept = tags.restricted(user.tags, call.backend.settings)  # which only the server writes
        await _change(call, asker, Set(id=NAME, topic="me", tags=(*kept, *wanted.tags)))
    if wanted.state is not None and wanted.state != user.state.value:
        await _change(call, asker, Acc(id=NAME, user=user.id, status=wanted.state))
    again = await call.backend.store.fetch(UserById(user.id))
    return await shown(call, again or user)


async def _change(call: Call, asker: Asker, request: Set | Acc) -> None:
    answers = await ask(call.backend.hub, asker, asker.user, "me", request)
    if answers.code != 304:  # nothing to change
        answers.checked()


async def delete_user(call: Call) -> None:
    user = await user_of(call, call.path["user"])
    request = Del(id=NAME, what="user", user=user.id, hard=call.query.hard)
    asker = Asker(user.id, Level.ROOT, by=call.caller.by)
    (await ask(call.backend.hub, asker, user.id, "", request)).checked()
    await call.backend.entrance.over(user.id)


# --- finding -----------------------------------------------------------------------------


async def search_users(call: Call) -> FoundRows:
    """Also suspended users, as root finds them; a key's limits narrow it."""
    call.caller.check_all()
    return await _found(call, "", Level.ROOT)


async def search_as_self(call: Call) -> FoundRows:
    return await _found(call, call.caller.user, call.caller.level)


async def _found(call: Call, user: str, level: Level) -> FoundRows:
    backend = call.backend
    query = search(call.query.query, "", user, level, backend.settings)
    found = await backend.store.fetch(query) if query else ()
    rows = []
    for item in found[: call.query.limit]:
        user = item.name if ids.is_user(item.name) else ""
        topic = "" if user else item.name
        rows.append(FoundRow(user, topic, raw(item.public), raw(item.trusted), item.tags))
    return FoundRows(tuple(rows))


HANDLERS: Mapping[str, Handler] = {
    "createUser": create_user,
    "listUsers": list_users,
    "readUser": read_user,
    "changeUser": change_user,
    "deleteUser": delete_user,
    "searchUsers": search_users,
    "searchAsSelf": search_as_self,
}
