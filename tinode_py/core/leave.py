"""{leave}, and all other ways in which a session goes (protocol notes, 5.4)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..access import PRES, READ
from ..changes import Change, DeleteTopic, PutSubscription, PutTopic
from ..errors import (
    ATTACH_FIRST,
    DENIED,
    NOT_JOINED,
    OK,
    Refused,
)
from ..ids import Kind
from ..records import Subscription
from ..wire.packets import Leave
from . import membership, presence
from .decision import (
    NOTHING,
    Asked,
    Attached,
    Decision,
    Detach,
    Effect,
    Env,
    reply,
)
from .seats import seat
from .state import TopicState
from .subscribe import wants_reader


def departure(state: TopicState, item: Attached) -> Iterator[Effect]:
    """A session is going (it is still in the table): the last of its user?"""
    if state.kind is not Kind.GROUP or item.reader or item.background:
        return
    if state.attached.count(item.user) == 1:
        sids = state.holders(READ | PRES, skip_user=item.user)
        yield from presence.on_topic(state, sids, "off", src=item.user)


def gone(state: TopicState, sid: str) -> Decision:
    """The session's connection has ended."""
    item = state.attached.get(sid)
    if item is None:
        return NOTHING
    return Decision(effects=(*departure(state, item), Detach(sid)))


def leave(state: TopicState, asked: Asked, env: Env) -> Decision:
    """{leave}, with or without ending the subscription (protocol notes, 5.4)."""
    request, sid = asked.request, asked.caller.sid
    assert isinstance(request, Leave)
    item = seat(state, asked)
    if item is None:
        raise Refused(ATTACH_FIRST if request.unsub else NOT_JOINED)
    if request.unsub:
        return unsubscribe(state, asked, env)
    effects = (reply(env, OK, asked), *departure(state, item), Detach(sid))
    return Decision(effects=effects)


def unsubscribe(state: TopicState, asked: Asked, env: Env) -> Decision:
    """End one's own subscription; the last one to leave a p2p conversation deletes it."""
    caller = asked.caller
    if state.kind not in (Kind.P2P, Kind.GROUP) or state.record.owner == caller.user:
        raise Refused(DENIED)
    item = state.attached.get(caller.sid)
    reader = item.reader if item else wants_reader(asked)
    sub = state.readers.get(caller.user) if reader else state.member(caller.user)
    if sub is None:
        raise Refused(ATTACH_FIRST)
    done = attrs.evolve(sub, deleted=env.now, updated=env.now)
    effects: list[Effect] = [reply(env, OK, asked), Detach(caller.sid)]
    effects.extend(membership.evict(state, caller.user, env, unsub=True, skip_sid=caller.sid))
    effects.append(membership.gone_on_me(state, sub, skip_sid=caller.sid, reader=reader))
    effects.extend(presence.ended(state, sub, caller.user, origin=caller.sid))
    effects.append(presence.contact_changed(state, done, reader=reader))
    return Decision(_ending(state, done, reader=reader), tuple(effects))


def _ending(state: TopicState, done: Subscription, *, reader: bool) -> tuple[Change, ...]:
    if reader:
        fewer = attrs.evolve(state.record, readers=max(state.record.readers - 1, 0))
        return (PutSubscription(done), PutTopic(fewer))
    if state.kind is Kind.P2P and not any(s.user != done.user for s in state.members()):
        return (DeleteTopic(state.name),)
    return (PutSubscription(done),)
