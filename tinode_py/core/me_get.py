"""{get} on `me`: the account, the contact list, tags (protocol notes, 5.6 and 5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from .. import access, ids
from ..access import JOIN, PRES
from ..errors import DENIED, MALFORMED, NOT_ALLOWED, Refused
from ..ids import Kind
from ..queries import ContactsOf, CredentialsOf, Query, SessionsOf
from ..records import Contact, LoginSession, User
from ..wire.client_packets import Get
from ..wire.client_parts import GetSub
from ..wire.parts import Acs, Time
from ..wire.server_parts import Desc, Seen, SessionRow, SubRow
from . import credentials, fitting, inbox
from .decision import Decision, Env, Facts, reply
from .effects import Effect
from .events import Asked
from .me import MeState, readable
from .meta import WORDS, answer, empty, json, listing, time, unmodified, words
from .modes import show, show_defaults

OURS = ("inbox", "sessions")  # what this server adds to the words of the protocol
KNOWN = (*WORDS, *OURS)


def needs(state: MeState, asked: Asked) -> tuple[Query[Any], ...]:
    """The facts for a {get} on `me`."""
    request = cast(Get, asked.request)
    if not (asked.unseated or state.attached.get(asked.caller.sid)):
        return ()
    asked_for = request.what.split()
    found: list[Query[Any]] = [_list(state, request)] if "sub" in asked_for else []
    if "cred" in asked_for:
        found.append(CredentialsOf(state.name))
    if "sessions" in asked_for:
        found.append(SessionsOf(state.name))
    if "inbox" in asked_for:
        found.append(inbox.wanted(state.name, request))
    return tuple(found)


def _list(state: MeState, request: Get) -> ContactsOf:
    query = request.sub or GetSub()
    since = int(query.ims) if query.ims is not None else 0
    return ContactsOf(state.name, since, routable(state.name, query.topic))


def routable(user: str, address: str) -> str:
    """The topic (as subscriptions name it) that a user calls `address`."""
    if ids.is_user(address) and address != user:
        return ids.p2p_name(user, address)
    return ids.self_topic(user) if address == "slf" else address


def get(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """Answer a {get} on `me`."""
    request = cast(Get, asked.request)
    found = words(request, KNOWN)
    if not (asked.unseated or state.attached.get(asked.caller.sid)):
        return _from_outside(state, asked, found, env)
    effects: list[Effect] = []
    for word in found:
        try:
            effects.extend(_PARTS[word](state, asked, facts, env))
        except Refused as no:
            effects.append(reply(env, no.answer, asked, params=no.params))
    return Decision(effects=tuple(effects))


def _desc(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    query = cast(Get, asked.request).desc
    if query and (query.user or query.limit):
        raise Refused(MALFORMED)
    ims = query.ims if query else None
    user = state.account
    stale = not unmodified(ims, user.updated)
    desc = Desc(
        created=time(user.created) if ims is None else None,
        updated=time(user.updated),
        touched=time(user.updated),
        state=user.state.value if asked.caller.is_root else "",
        defacs=show_defaults(user.auth, user.anon),
        acs=show(user.want, access.ME),
        public=json(user.public) if stale else None,
        trusted=json(user.trusted) if stale else None,
        private=json(user.private) if stale else None,
    )
    yield answer(asked, env, desc=desc)


def _sub(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    request = cast(Get, asked.request)
    query = listing(asked)
    contacts: tuple[Contact, ...] = facts[_list(state, request)]
    rows = tuple(_rows(state, contacts, query))
    if query.limit > 0:
        rows = rows[: query.limit]
    yield answer(asked, env, sub=fitting.rows(rows, env)) if rows else empty(env, asked, "sub")


def _rows(state: MeState, contacts: tuple[Contact, ...], query: GetSub) -> Iterator[SubRow]:
    for contact in contacts:
        if contact.subscription.deleted:
            yield _ended(state, contact)
        elif not unmodified(query.ims, _updated(contact)):
            yield row(state, contact)


def _updated(contact: Contact) -> int:
    peer = contact.peer.updated if contact.peer else 0
    return max(contact.subscription.updated, contact.topic.updated, contact.topic.touched, peer)


def _address(state: MeState, contact: Contact) -> str:
    reader = ids.is_channel(contact.subscription.topic)
    return ids.seen_by(contact.topic.name, state.name, reader=reader)


def _ended(state: MeState, contact: Contact) -> SubRow:
    sub = contact.subscription
    return SubRow(topic=_address(state, contact), deleted=time(sub.deleted), acs=Acs())


def row(state: MeState, contact: Contact) -> SubRow:
    """One line of the contact list. Someone who is banned sees his modes and little else."""
    sub, topic, peer = contact.subscription, contact.topic, contact.peer
    line = state.lines.get(topic.name)
    online = bool(line and line.told and state.mode & PRES)
    joined = sub.mode & JOIN
    group = ids.kind_of(topic.name) is Kind.GROUP
    reads = readable(sub.mode)
    return SubRow(
        topic=_address(state, contact),
        updated=time(max(sub.updated, topic.updated)),
        touched=time(topic.touched) if joined else None,
        online=online,
        acs=show(sub.want, sub.given),
        seq=topic.seq if reads else 0,
        read=sub.read if reads else 0,
        recv=sub.recv if reads else 0,
        clear=max(0 if ids.is_channel(sub.topic) else topic.delid, sub.clear) if reads else 0,
        subcnt=contact.members if group and joined else 0,
        public=json(topic.public if group else peer.public if peer else None),
        trusted=json(topic.trusted if group else peer.trusted if peer else None),
        private=json(sub.private),
        seen=_seen(peer) if peer and joined and not online else None,
    )


def _seen(peer: User) -> Seen | None:
    at = time(peer.last_seen)
    return None if at is None else Seen(at, peer.user_agent)


def _tags(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    found = state.account.tags
    yield answer(asked, env, tags=found) if found else empty(env, asked, "tags")


def _cred(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    found = tuple(credentials.listed(facts[CredentialsOf(state.name)], env.settings))
    yield answer(asked, env, cred=found) if found else empty(env, asked, "creds")


def _sessions(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    """The logins that are good, so that a user can end those that he does not know."""
    rows: tuple[LoginSession, ...] = facts[SessionsOf(state.name)]
    shown = tuple(
        SessionRow(
            n=row.n,
            created=Time(row.created),
            seen=Time(row.seen),
            ua=row.user_agent,
            platf=row.platform,
            current=row.n == asked.caller.number,
        )
        for row in rows
        if not row.revoked
    )
    yield answer(asked, env, sessions=shown) if shown else empty(env, asked, "sessions")


def _data(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    raise Refused(DENIED)


def _del(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    yield empty(env, asked, "del")


def _aux(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    raise Refused(NOT_ALLOWED)


_PARTS: dict[str, Callable[[MeState, Asked, Facts, Env], Iterator[Effect]]] = {
    "desc": _desc,
    "sub": _sub,
    "data": _data,
    "del": _del,
    "tags": _tags,
    "cred": _cred,
    "aux": _aux,
    "inbox": inbox.answer,
    "sessions": _sessions,
}


def _from_outside(state: MeState, asked: Asked, found: tuple[str, ...], env: Env) -> Decision:
    user = state.account
    if found == ("desc",):
        anonymous = asked.caller.level <= access.Level.ANON
        desc = Desc(
            created=time(user.created),
            updated=time(user.updated),
            acs=Acs(mode=access.text(user.anon if anonymous else user.auth)),
            public=json(user.public),
            trusted=json(user.trusted),
        )
        return Decision(effects=(answer(asked, env, desc=desc),))
    if "desc" not in found and "sub" not in found:
        raise Refused(DENIED)
    own = SubRow(
        user=user.id,
        updated=time(user.updated),
        acs=show(user.want, access.ME),
        private=json(user.private),
    )
    return Decision(effects=(answer(asked, env, sub=(own,)),))
