"""{get} by a session that is not attached (protocol notes, 5.7): little, and nothing of others."""

from __future__ import annotations

from typing import Any, cast

from .. import access, ids
from ..errors import (
    DENIED,
    MALFORMED,
    NOT_FOUND,
    TOPIC_NOT_FOUND,
    USER_NOT_FOUND,
    Refused,
)
from ..ids import Kind
from ..queries import (
    Query,
    SubscriptionOf,
    UserById,
)
from ..records import Subscription, User
from ..wire.packets import (
    Acs,
    Desc,
    Get,
    GetSub,
    SubRow,
)
from .decision import Asked, Decision, Env, Facts
from .meta import answer, json, member_count, member_row, time, words
from .modes import acs
from .state import TopicState


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
