"""{sub}: coming to a topic, creating it (protocol notes, 4.2-4.4, 5.3).

Here is what is asked of the store, which rules are followed, and those of `slf` and `sys`. Rules of
other kinds are in `subscribe_group` and `subscribe_p2p`, what all have in common in `attach`.
"""

from __future__ import annotations

from typing import Any

import attrs
from msgspec import structs

from .. import access, ids
from ..changes import Change, PutSubscription, PutTopic
from ..errors import (
    ALREADY_SUBSCRIBED,
    DENIED,
    MALFORMED,
    TOPIC_NOT_FOUND,
    Refused,
)
from ..ids import Kind
from ..queries import Query, SubscriptionOf, UserById
from ..records import Topic
from ..wire.client_packets import Get, Sub
from . import membership, meta
from .attach import attach, attach_again, mode_text, new_sub, wants_reader
from .decision import Decision, Env, Facts
from .effects import Reply
from .events import Asked
from .modes import acs, parse_mode
from .state import TopicState
from .subscribe_group import new_group, to_channel, to_group
from .subscribe_p2p import to_peer


def needs(state: TopicState, asked: Asked) -> tuple[Query[Any], ...]:
    """The facts for a {sub}."""
    user = asked.caller.user
    match state.kind:
        case Kind.P2P:
            peer = ids.p2p_peer(state.name, user)
            return (UserById(peer), UserById(user))
        case Kind.GROUP if wants_reader(asked):
            return (SubscriptionOf(asked.named, user),)
        case Kind.GROUP if state.topic is not None and state.member(user) is None:
            return (SubscriptionOf(state.name, user),)
        case _:
            return ()


def decide(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """Attach a session, creating the subscription or the topic where there is none."""
    request = asked.request
    assert isinstance(request, Sub)
    if state.attached.get(asked.caller.sid):
        raise Refused(ALREADY_SUBSCRIBED)
    if request.set and request.set.sub and request.set.sub.user:
        raise Refused(MALFORMED)
    decision = _by_kind(state, asked, facts, env)
    if request.get is None or not meta.asks(request.get):
        return decision
    query = attrs.asdict(request.get, recurse=False)
    named = _address(decision, asked)
    then = structs.replace(
        asked, request=Get(id=request.id, topic=named, **query), named=named, inside=True
    )
    return structs.replace(decision, then=then)


def _address(decision: Decision, asked: Asked) -> str:
    """The topic's final name, which a new group gets only now."""
    for effect in decision.effects:
        if isinstance(effect, Reply) and effect.sid == asked.caller.sid:
            return getattr(effect.packet, "topic", asked.named)
    return asked.named


def _by_kind(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    match state.kind:
        case Kind.P2P:
            return to_peer(state, asked, facts, env)
        case Kind.GROUP if state.topic is None:
            if asked.named[:3] not in ("new", "nch"):
                raise Refused(TOPIC_NOT_FOUND)
            return new_group(state, asked, env)
        case Kind.GROUP if wants_reader(asked):
            return to_channel(state, asked, facts, env)
        case Kind.GROUP:
            return to_group(state, asked, facts, env)
        case Kind.SELF:
            return _self(state, asked, env)
        case Kind.SYS:
            return _sys(state, asked, env)
        case _:
            raise Refused(TOPIC_NOT_FOUND)


def _self(state: TopicState, asked: Asked, env: Env) -> Decision:
    sub = state.member(asked.caller.user)
    if sub is not None:
        text = mode_text(asked)
        change = membership.Change((sub,))
        if text:
            change = membership.own_mode(state, sub, parse_mode(text), env)
        return attach_again(state, asked, env, sub, change)
    topic = Topic(state.name, env.now, env.now, env.now, owner=asked.caller.user, auth=access.SELF)
    sub = new_sub(state.name, asked.caller.user, access.SELF, access.FULL, asked, env)
    params = {"acs": acs(sub)}
    return Decision((PutTopic(topic), PutSubscription(sub))) + attach(
        state, asked, env, sub, params=params, old=None
    )


def _sys(state: TopicState, asked: Asked, env: Env) -> Decision:
    if not asked.caller.is_root:
        raise Refused(DENIED)
    sub = state.member(asked.caller.user)
    changes: tuple[Change, ...] = ()
    if sub is None:
        mode = access.SYS_ROOT
        sub = new_sub(state.name, asked.caller.user, mode, mode, asked, env)
        changes = (PutSubscription(sub),)
    return Decision(changes) + attach(state, asked, env, sub, params=None, old=sub)
