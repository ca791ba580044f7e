"""{get} and {set} by a session that is not attached (protocol notes, 5.7 and 5.8): little, and
nothing of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from msgspec import structs

from .. import access, ids
from ..access import JOIN, OWNER
from ..changes import PutSubscription
from ..errors import (
    DENIED,
    MALFORMED,
    NOT_FOUND,
    NOT_MODIFIED,
    OK,
    TOPIC_NOT_FOUND,
    USER_NOT_FOUND,
    Answer,
    Refused,
)
from ..ids import Kind
from ..queries import (
    Query,
    SubscriptionOf,
    UserById,
)
from ..records import Subscription, User
from ..wire.client_packets import Get, Set
from ..wire.client_parts import GetSub
from ..wire.parts import Acs
from ..wire.server_packets import Pres
from ..wire.server_parts import Desc, SubRow
from . import describe, membership, presence, push
from .decision import Decision, Env, Facts, reply
from .effects import Deferred, Effect
from .events import Asked
from .merge import merge
from .meta import answer, json, member_count, member_row, time, words
from .modes import acs, parse_mode
from .state import TopicState

# --- {set} -------------------------------------------------------------------------------


def set_own(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{set} without being attached: one's own mode and `private`, nothing else."""
    request = cast(Set, asked.request)
    if (no := refusal(request, asked.caller.user)) is not NOT_FOUND:
        raise Refused(no)
    address = asked.named if asked.named.startswith("chn") else state.name
    sub: Subscription | None = facts[SubscriptionOf(address, asked.caller.user)]
    if sub is None or sub.deleted or state.topic is None:
        raise Refused(NOT_FOUND)
    new = sub
    if request.sub and request.sub.mode:
        change = membership.own_mode(state, sub, parse_mode(request.sub.mode), env)
        if change.topic is not None or change.subscription.mode & OWNER != sub.mode & OWNER:
            raise Refused(DENIED)
        new = change.subscription
    private_set = False
    if request.desc and request.desc.private is not None:
        private, private_set = merge(new.private, request.desc.private)
        new = structs.replace(new, private=private, updated=env.now)
    moded = (new.want, new.given) != (sub.want, sub.given)
    if not moded and not private_set:
        raise Refused(NOT_MODIFIED)
    effects = [*_moded(state, asked, sub, new, env)] if moded else []
    if private_set:
        reader = asked.named.startswith("chn")
        caller = asked.caller
        effects.append(describe.updated_for_owner(state, caller.user, caller.sid, reader=reader))
    effects.append(reply(env, OK, asked, params={"acs": acs(new)} if moded else None))
    return Decision((PutSubscription(new),), tuple(effects))


def refusal(request: Set, user: str = "") -> Answer:
    """Why a {set} from outside comes to nothing; NOT_FOUND if only for want of a subscription."""
    if request.tags is not None or request.cred is not None or request.aux is not None:
        return DENIED
    if request.desc is None and request.sub is None:
        return MALFORMED
    mode = request.sub.mode if request.sub else ""
    if mode and request.sub and request.sub.user not in ("", user):
        return DENIED
    private = request.desc.private if request.desc else None
    return NOT_FOUND if mode or private is not None else NOT_MODIFIED


def _moded(
    state: TopicState, asked: Asked, old: Subscription, new: Subscription, env: Env
) -> Iterator[Effect]:
    """The user's other sessions learn of it. Nobody else does: whom he blocks, or no longer
    follows, is not told.
    """
    user, reader = new.user, asked.named.startswith("chn")
    what = presence.dacs(old, new)
    yield from presence.on_topic(state, state.attached.of(user), "acs", dacs=what)
    pres = Pres(topic="me", what="acs", dacs=what)
    yield presence.on_me(state, user, pres, always=True, skip_sid=asked.caller.sid, reader=reader)
    if reader:
        yield presence.contact_changed(state, new, reader=True, quiet=True)
        yield from push.follow(old, new)
    elif (deferred := _deferred(state, new, env)) is not None:
        yield deferred
    else:
        yield presence.contact_changed(state, new, quiet=True)
    if not new.mode & JOIN:
        yield from membership.evict(state, user, env, unsub=False)


def _deferred(state: TopicState, new: Subscription, env: Env) -> Deferred | None:
    """Where others are attached, and no session of his, the mode he had stays in force for a
    while (decisions/0004).
    """
    delay = int(env.settings.topics.detached_set_delay * 1000)
    had = state.member(new.user)
    if not delay or had is None or not len(state.attached) or state.attached.of(new.user):
        return None
    if (had.want, had.given) == (new.want, new.given):
        return None
    promise = state.promises.get(new.user)
    until = promise.until if promise else env.now + delay
    return Deferred(new.user, had.want, had.given, until)


# --- {get} -------------------------------------------------------------------------------


def needs(state: TopicState, asked: Asked) -> tuple[Query[Any], ...]:
    user = asked.caller.user
    rows: tuple[Query[Any], ...] = (SubscriptionOf(state.name, user),)
    if asked.named.startswith("chn"):
        rows += (SubscriptionOf(asked.named, user),)
    if state.kind is Kind.P2P:
        return (*rows, UserById(ids.p2p_peer(state.name, user)))
    return rows


def get(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """What a session that is not attached may learn (protocol notes, 5.7)."""
    request = cast(Get, asked.request)
    found = words(request)
    if "desc" not in found and "sub" not in found:
        raise Refused(DENIED)
    if found == ("desc",):
        if state.kind is Kind.SELF:
            raise Refused(MALFORMED)
        return Decision(effects=(answer(asked, env, desc=_stranger(state, asked, facts)),))
    query = request.sub or GetSub()
    if query.user and query.user != asked.caller.user:
        raise Refused(DENIED)
    address = asked.named if asked.named.startswith("chn") else state.name
    sub: Subscription | None = facts[SubscriptionOf(address, asked.caller.user)]
    if sub is None:
        raise Refused(NOT_FOUND)
    if sub.deleted:
        row = SubRow(deleted=time(sub.deleted), acs=Acs())
    else:
        row = member_row(state, sub, None, GetSub(), own=True, acs=True, seen=False)
    return Decision(effects=(answer(asked, env, sub=(row,)),))


def _row_of(state: TopicState, asked: Asked, facts: Facts) -> Subscription | None:
    """The subscription in force, of a reader or of a member."""
    for address in (asked.named, state.name):
        row: Subscription | None = facts.get(SubscriptionOf(address, asked.caller.user))
        if row is not None and not row.deleted:
            return row
    return None


def _stranger(state: TopicState, asked: Asked, facts: Facts) -> Desc:
    sub = _row_of(state, asked, facts)
    if state.kind is Kind.P2P:
        return _stranger_user(state, asked, sub, facts)
    topic = state.topic
    if topic is None:
        raise Refused(TOPIC_NOT_FOUND)
    default = topic.anon if asked.caller.level <= access.Level.ANON else topic.auth
    if state.kind is Kind.SYS:
        default = access.NONE
    return Desc(
        created=time(topic.created),
        updated=time(topic.updated),
        chan=topic.channel,
        acs=acs(sub) if sub else Acs(mode=access.text(default)),
        subcnt=member_count(state) if state.kind is Kind.GROUP else 0,
        public=json(topic.public),
        trusted=json(topic.trusted),
        private=json(sub.private) if sub else None,
    )


def _stranger_user(state: TopicState, asked: Asked, sub: Subscription | None, facts: Facts) -> Desc:
    peer: User | None = facts[UserById(ids.p2p_peer(state.name, asked.caller.user))]
    if peer is None:
        raise Refused(USER_NOT_FOUND)
    anonymous = asked.caller.level <= access.Level.ANON
    return Desc(
        created=time(peer.created),
        updated=time(peer.updated),
        acs=acs(sub) if sub else Acs(mode=access.text(peer.anon if anonymous else peer.auth)),
        public=json(peer.public),
        trusted=json(peer.trusted),
        private=json(sub.private) if sub else None,
    )
