"""{set} on `me`: the account's description, its defaults, the own mode, tags (notes, 5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from msgspec import structs

from .. import access, records
from ..access import JOIN, OWNER, PRES
from ..changes import Change, DropCredential, PutUser
from ..errors import (
    DENIED,
    EVICTED,
    INVALID_RESPONSE,
    MALFORMED,
    NO_ACTION,
    NOT_ALLOWED,
    NOT_MODIFIED,
    OK,
    Refused,
)
from ..queries import CredentialsOf, Query
from ..records import User
from ..wire.client_packets import Set
from ..wire.client_parts import SetDesc
from ..wire.parts import Acs, Credential, DefAcs
from ..wire.server_packets import Pres
from . import credentials, describe, me, tags, uploads
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import Detach, Effect, Online, Reply, Tell
from .events import Asked, Introduce, Presence
from .me import MeState
from .membership import p2p_mask
from .merge import merge
from .modes import parse_mode, show, with_approve


def needs(state: MeState, asked: Asked, env: Env) -> tuple[Query[Any], ...]:
    """The facts for the first part of a {set} on `me`."""
    request = cast(Set, asked.request)
    if request.desc is None and request.sub is None and request.tags is None and request.cred:
        cred = request.cred
        more = () if cred.resp else credentials.adding_needs(cred.meth, cred.val, env.settings)
        return (CredentialsOf(state.name), *more)
    if request.desc is None and request.sub is None and request.tags is not None:
        return describe.tags_needs(request.tags, env)
    return ()


def set_part(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """One part of a {set}."""
    request = cast(Set, asked.request)
    if not (asked.unseated or state.attached.get(asked.caller.sid)):
        return _from_outside(state, asked, env)
    if request.desc is not None:
        return _desc(state, asked, request.desc, env)
    if request.sub is not None:
        if request.sub.user not in ("", asked.caller.user):
            raise Refused(DENIED)
        return _mode(state, asked, request.sub.mode, env)
    if request.tags is not None:
        return _tags(state, asked, request.tags, facts, env)
    if request.cred is not None:
        return _cred(state, asked, request.cred, facts, env)
    raise Refused(NOT_ALLOWED)


def _others(state: MeState, asked: Asked, what: str, src: str = "") -> Iterator[Effect]:
    skip = frozenset({asked.caller.sid})
    return me.to_sessions(state, Pres(topic="me", what=what, src=src), skip)


def _desc(state: MeState, asked: Asked, part: SetDesc, env: Env) -> Decision:
    user = state.account
    if part.trusted is not None and not asked.caller.is_root:
        raise Refused(DENIED)
    public, public_set = merge(user.public, part.public)
    trusted, trusted_set = merge(user.trusted, part.trusted)
    private, private_set = merge(user.private, part.private)
    auth, anon = new_defaults(user, part.defacs, env)
    new = structs.replace(
        user, public=public, trusted=trusted, private=private, auth=auth, anon=anon
    )
    shown = public_set or trusted_set
    if new == user and not shown and not private_set:
        raise Refused(NOT_MODIFIED)
    effects: list[Effect] = [reply(env, OK, asked)]
    if shown or private_set:
        effects.extend(_others(state, asked, "upd", "me"))
    if shown:
        effects.extend(_description_changed(state))
    picture: tuple[Change, ...] = ()
    if public_set:
        picture = uploads.picture(user.id, user.public, public, asked.attachments)
    changes = (PutUser(structs.replace(new, updated=env.now)), *picture)
    return Decision(changes, tuple(effects))


def _description_changed(state: MeState) -> Iterator[Effect]:
    """Contacts, and the groups in which the user is, look at him again."""
    for line in state.lines.values():
        if line.peer:
            yield Tell(line.peer, Presence(state.name, "upd"))
        elif me.is_group(line) and line.address == line.topic:
            yield Tell(line.topic, Presence(state.name, "upd"))


def new_defaults(user: User, defacs: DefAcs | None, env: Env) -> tuple[int, int]:
    """{set desc.defacs}: excess letters fall away, `A` is added to what is not nothing."""
    if defacs is None:
        return user.auth, user.anon
    auth = parse_mode(defacs.auth) if defacs.auth else user.auth
    anon = parse_mode(defacs.anon) if defacs.anon else user.anon
    if (auth | anon) & OWNER:
        raise Refused(MALFORMED)
    if defacs.auth:
        auth = with_approve(auth & access.ACCOUNT_AUTH)
    if defacs.anon:
        anon = with_approve(anon & p2p_mask(env))
    return auth, anon


def _mode(state: MeState, asked: Asked, text: str, env: Env) -> Decision:
    """The own mode on `me`: without P the user is invisible, and hears little."""
    if not text:
        raise Refused(NOT_MODIFIED)
    user, mode = state.account, parse_mode(text)
    if mode & OWNER:
        raise Refused(DENIED)
    if mode == user.want:
        raise Refused(NOT_MODIFIED)
    new, want, was = structs.replace(user, want=mode, updated=env.now), mode, user.want
    skip = frozenset({asked.caller.sid})
    dacs = Acs(want=access.delta(was, want) if was else access.text(want))
    acs = Pres(topic="me", what="acs", dacs=dacs)
    effects: list[Effect] = [*me.to_sessions(state, acs, skip)]
    if not want & JOIN:
        effects.extend(_shut_out(state, env))
    effects.append(reply(env, OK, asked, params={"acs": show(want, access.ME)}))
    if was & ~want & PRES:
        effects.append(Online(False))
        effects.extend(me.announce(state, "off", state.user_agent))
    elif want & ~was & PRES and state.attached.anyone_online:
        effects.extend((Online(True), Tell(state.name, Introduce())))
    return Decision((PutUser(new),), tuple(effects))


def _shut_out(state: MeState, env: Env) -> Iterator[Effect]:
    """Without J nobody is here: the sessions are detached, and told."""
    for item in state.attached:
        yield Reply(item.sid, ctrl(env, EVICTED, topic="me", params={"unsub": False}))
        yield Detach(item.sid)


def _tags(
    state: MeState, asked: Asked, wanted: tuple[str, ...], facts: Facts, env: Env
) -> Decision:
    user = state.account
    new = describe.changed_tags(user.tags, wanted, facts, user.id, env)
    params = describe.counted(user.tags, new)
    effects = (reply(env, OK, asked, params=params), *_others(state, asked, "tags"))
    claims = tags.claims(user.id, new, env.settings)
    return Decision((*claims, PutUser(structs.replace(user, tags=new, updated=env.now))), effects)


def _cred(state: MeState, asked: Asked, part: Credential, facts: Facts, env: Env) -> Decision:
    """Add an address, or confirm one with the code that was sent to it."""
    if part.meth not in credentials.methods(env.settings):
        return Decision(effects=(reply(env, OK, asked),))  # it is off: nothing to add
    known = facts[CredentialsOf(state.name)]
    if not part.resp:
        changes, message = credentials.add(state.name, part, known, facts, env)
        return Decision(changes, (reply(env, OK, asked), message))
    answered = credentials.respond(part, known, env.settings)
    if not answered.right:
        return Decision((answered.change,), (reply(env, INVALID_RESPONSE, asked),))
    decision = Decision((answered.change,), (reply(env, OK, asked),))
    return decision + confirmed(state, _tag_of(answered.row, env), env)


def _tag_of(row: records.Credential, env: Env) -> str:
    return credentials.tag(row.method, row.value, env.settings)


def confirmed(state: MeState, tag: str, env: Env) -> Decision:
    """A confirmed address makes a tag; all sessions here learn of it, also the one that did it."""
    user = state.user
    if user is None or not tag or tag in user.tags:
        return NOTHING
    tags_now = tuple(sorted((*user.tags, tag)))
    change = PutUser(structs.replace(user, tags=tags_now, updated=env.now))
    return Decision((change,), tuple(me.to_sessions(state, Pres(topic="me", what="tags"))))


def drop_cred(
    state: MeState, asked: Asked, part: Credential | None, facts: Facts, env: Env
) -> Decision:
    """{del cred}: take back an address, and its tag."""
    known = facts[CredentialsOf(state.name)]
    row = credentials.remove(part, known, asked.caller.level, env)
    if row is None:
        return Decision(effects=(reply(env, NO_ACTION, asked),))
    drop = DropCredential(row.user, row.method, row.value)
    decision = Decision((drop,), (reply(env, OK, asked),))
    user, tag = state.account, _tag_of(row, env)
    if not row.done or tag not in user.tags:
        return decision
    left = tuple(t for t in user.tags if t != tag)
    change = PutUser(structs.replace(user, tags=left, updated=env.now))
    told = tuple(me.to_sessions(state, Pres(topic="me", what="tags")))
    return decision + Decision((change,), told)


def _from_outside(state: MeState, asked: Asked, env: Env) -> Decision:
    """{set} without being attached: `private` and the own mode only."""
    request = cast(Set, asked.request)
    if request.tags is not None or request.cred is not None or request.aux is not None:
        raise Refused(DENIED)
    if request.sub is not None and request.sub.user not in ("", asked.caller.user):
        raise Refused(DENIED)
    if request.sub is not None and request.sub.mode:
        return _mode(state, asked, request.sub.mode, env)
    private = request.desc.private if request.desc else None
    if private is None:
        raise Refused(NOT_MODIFIED)
    return _desc(state, asked, SetDesc(private=private), env)
