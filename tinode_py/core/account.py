"""Accounts: making one, changing its login or state, ending it (protocol notes, 3.6, 3.7, 5.9).

An account is made by the session that asks; it has no `me` topic yet. What happens to an
existing account is decided here, too, but by its `me` topic, which owns the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from msgspec import structs

from .. import access, ids
from ..access import Level
from ..changes import (
    Change,
    DeleteTopic,
    DeleteUser,
    PutLogin,
    PutNotice,
    PutSession,
    PutUser,
    RevokeSessions,
)
from ..errors import DENIED, EVICTED, MALFORMED, NOT_FOUND, NOT_MODIFIED, OK, Refused
from ..queries import CredentialsOf, DevicesOf, GroupsOwnedBy, Query, SessionsOf
from ..records import Login, LoginSession, State, User
from ..wire.client_packets import Acc, Del
from ..wire.parts import DefAcs
from ..wire.server_packets import Pres
from ..wire.server_parts import Desc
from . import credentials, tags, uploads
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import Effect, EndSessions, FollowChannel, Online, Reply, Retire, Tell
from .events import (
    Asked,
    ContactChanged,
    Deliver,
    InboxGrew,
    NewLogin,
    Suspended,
    TopicEnded,
    UserEnded,
)
from .me import MeState
from .membership import p2p_mask
from .merge import without_marks
from .meta import json, time
from .modes import parse_default, show_defaults, with_approve

STATES = {state.value: state for state in State}


def new_user(user: str, acc: Acc, login: Login | None, env: Env, *, root: bool = False) -> User:
    """The row of a new account; Refused if the request asks for what it may not."""
    state = State.OK
    if acc.status:
        if not root:
            raise Refused(DENIED, {"what": "state"})
        state = _state(acc.status)
    chosen = tags.normal(acc.tags or (), env.settings)
    if tags.restricted(chosen, env.settings):
        raise Refused(DENIED, {"what": "tags"})
    desc = acc.desc
    if desc and desc.trusted is not None and not root:
        raise Refused(DENIED)
    auth, anon = first_defaults(desc.defacs if desc else None, env)
    return User(
        id=user,
        created=env.now,
        updated=env.now,
        state=state,
        auth=auth,
        anon=anon,
        public=without_marks(desc.public) if desc else None,
        trusted=without_marks(desc.trusted) if desc else None,
        private=without_marks(desc.private) if desc else None,
        tags=login_tags(chosen, login),
    )


def login_tags(chosen: tuple[str, ...], login: Login | None) -> tuple[str, ...]:
    """Tags with the one under which a login can be found, in place of an earlier one."""
    others = tuple(tag for tag in chosen if tags.namespace(tag) != "basic")
    if login is None or login.scheme != "basic":
        return chosen
    return tuple(sorted((*others, f"basic:{login.name}")))


def first_defaults(defacs: DefAcs | None, env: Env) -> tuple[int, int]:
    """Default access at creation: p2p letters only, `A` added to what is not nothing."""
    mask = p2p_mask(env)
    auth, anon = access.ACCOUNT_AUTH | mask, access.NONE
    if defacs is None:
        return auth, anon
    if defacs.auth:
        auth = _masked(parse_default(defacs.auth, auth), mask)
    if defacs.anon:
        anon = _masked(parse_default(defacs.anon, anon), mask)
    return auth, anon


def _masked(mode: int, mask: int) -> int:
    return with_approve(mode & mask)


def creation(
    user: User, login: Login | None, attachments: tuple[str, ...] = ()
) -> tuple[Change, ...]:
    """What is stored for a new account, in one batch. Attachments are its picture."""
    picture = uploads.linked(user.id, 0, attachments) if user.public else ()
    return (PutUser(user), *((PutLogin(login),) if login else ()), *picture)


def description(user: User) -> Desc:
    """`desc` in the answer to {acc}."""
    return Desc(
        created=time(user.created),
        updated=time(user.updated),
        defacs=show_defaults(user.auth, user.anon),
        public=json(user.public),
        trusted=json(user.trusted),
        private=json(user.private),
    )


def _state(text: str) -> State:
    if text not in STATES:
        raise Refused(MALFORMED)
    return STATES[text]


# --- existing accounts, decided by their `me` --------------------------------------------


def done(env: Env, asked: Asked) -> Reply:
    """The answer to a successful update, which carries `"params": null`."""
    packet = structs.replace(ctrl(env, OK, asked, topic=""), null_params=True)
    return Reply(asked.caller.sid, packet)


def relogin(state: MeState, event: NewLogin, env: Env) -> Decision:
    """A new password, or a new name with it. The tag of the old name ends.

    Other logins of the user end with it; if it was not his own deed, all of them do.
    """
    if state.user is None:
        return NOTHING
    changes: tuple[Change, ...] = (PutLogin(event.login),)
    chosen = login_tags(state.user.tags, event.login)
    if chosen != state.user.tags:
        changes += (PutUser(structs.replace(state.user, tags=chosen, updated=env.now)),)
    caller = event.asked.caller
    own = caller.actor == state.name
    keep = caller.number if own else 0
    changes += (RevokeSessions(state.name, keep, env.now),)
    answer = done(env, event.asked)
    if own and not keep:  # by a token for this one purpose: no session is his own
        return Decision(changes, (answer,))
    return Decision(changes, (answer, EndSessions(state.name, ctrl(env, EVICTED), keep=keep)))


def revoke_needs(state: MeState) -> tuple[Query[Any], ...]:
    return (SessionsOf(state.name),)


def revoke(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{del session}: end one login, or all of them; its tokens are void, its sessions closed."""
    request = cast(Del, asked.request)
    rows: tuple[LoginSession, ...] = facts[SessionsOf(state.name)]
    answer = reply(env, OK, asked)
    packet = ctrl(env, EVICTED)
    if request.session == "*":
        ended = EndSessions(state.name, packet, asked.caller.sid)
        return Decision((RevokeSessions(state.name, 0, env.now),), (answer, ended))
    if not request.session.isdecimal():
        raise Refused(MALFORMED)
    row = next((r for r in rows if r.n == int(request.session) and not r.revoked), None)
    if row is None:
        raise Refused(NOT_FOUND)
    change = PutSession(structs.replace(row, revoked=env.now))
    return Decision((change,), (answer, EndSessions(state.name, packet, number=row.n)))


def update_needs(state: MeState, asked: Asked, env: Env) -> tuple[Query[Any], ...]:
    """The facts for an {acc}: the addresses there are, and whose the new ones are."""
    acc = cast(Acc, asked.request)
    if not acc.cred:
        return ()
    adding = (credentials.adding_needs(c.meth, c.val, env.settings) for c in acc.cred)
    return (CredentialsOf(state.name), *(query for queries in adding for query in queries))


def update(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{acc} without a scheme: suspend or reactivate (root), add credentials."""
    acc = cast(Acc, asked.request)
    if acc.status:
        return _set_state(state, asked, _state(acc.status), env)
    if not acc.cred:
        raise Refused(MALFORMED)
    known = facts[CredentialsOf(state.name)]
    decision = Decision()
    for item in acc.cred:
        if item.meth in credentials.methods(env.settings):
            changes, message = credentials.add(state.name, item, known, facts, env)
            decision += Decision(changes, (message,))
    return decision + Decision(effects=(done(env, asked),))


def _set_state(state: MeState, asked: Asked, new: State, env: Env) -> Decision:
    if not asked.caller.is_root:
        raise Refused(DENIED)
    if new is state.account.state:
        raise Refused(NOT_MODIFIED)
    user = structs.replace(state.account, state=new, updated=env.now)
    effects: list[Effect] = [done(env, asked)]
    if State.SUSPENDED in (new, state.account.state):
        notice = Suspended(state.name, new is State.SUSPENDED)
        effects.extend(Tell(line.topic, notice) for line in state.lines.values())
    if new is State.SUSPENDED:
        effects.append(EndSessions(state.name, ctrl(env, EVICTED), abruptly=True))
    return Decision((PutUser(user),), tuple(effects))


def deletion_needs(state: MeState) -> tuple[Query[Any], ...]:
    return (GroupsOwnedBy(state.name), DevicesOf((state.name,)))


def delete(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{del user}: the account, its groups and its place in others' topics."""
    request = cast(Del, asked.request)
    owned: dict[str, tuple[str, ...]] = facts[GroupsOwnedBy(state.name)]
    effects: list[Effect] = [reply(env, OK, asked, topic="")]
    for group, members in owned.items():
        effects.extend(_group_ended(group, members, state.name))
    devices = tuple(device.id for device in facts[DevicesOf((state.name,))].get(state.name, ()))
    for line in state.lines.values():
        if line.peer:
            pres = Pres(topic="me", what="gone", src=state.name)
            effects.append(Tell(line.peer, Deliver(pres, always=True)))
        effects.append(Tell(line.topic, UserEnded(state.name)))
        if devices and ids.is_channel(line.address):
            effects.append(FollowChannel(line.address, state.name, False, devices))
    last = asked.caller.sid if asked.caller.user == state.name else ""
    effects.append(EndSessions(state.name, ctrl(env, EVICTED), last, abruptly=True))
    effects.extend((Online(False), Retire()))
    ended = (*owned, ids.self_topic(state.name))
    notices = tuple(
        PutNotice(user, group, "gone", env.now, b"{}")
        for group, members in owned.items()
        for user in members
        if user != state.name
    )
    changes: tuple[Change, ...] = (
        *map(DeleteTopic, ended),
        *notices,
        DeleteUser(state.name, request.hard, env.now),
    )
    return Decision(changes, tuple(effects))


def _group_ended(group: str, members: tuple[str, ...], owner: str) -> Iterator[Effect]:
    pres = Pres(topic="me", what="gone", src=group)
    for user in members:
        if user != owner:
            yield Tell(user, Deliver(pres, always=True))
            yield Tell(user, ContactChanged(group, "", None))
            yield Tell(user, InboxGrew())
    yield Tell(group, TopicEnded())


def login_params(
    user: str, level: Level, token: str, expires: Any, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`params` of a successful {login}, also of {acc} with `login`."""
    params = {"user": user, "authlvl": level.text, "token": token, "expires": expires}
    return params | (more or {})


def is_self(asked_user: str, user: str) -> bool:
    """Whether {acc}'s `user` means the one who asks."""
    return asked_user in ("", user) and ids.is_user(user)
