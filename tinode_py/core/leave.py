"""{leave}, and all other ways in which a session goes (protocol notes, 5.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import structs

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
from ..wire.client_packets import Leave
from . import membership, presence
from .attach import wants_reader
from .decision import NOTHING, Decision, Env, reply
from .effects import Attached, Detach, Effect
from .events import Asked, Gone
from .seats import seat
from .state import HEARS, TopicState


def departure(state: TopicState, *items: Attached) -> Iterator[Effect]:
    """Sessions are going (they are still in the table): the last ones of their users?

    Who goes as well is not told.
    """
    if state.kind is not Kind.GROUP:
        return
    going = Counter(item.user for item in items if not (item.reader or item.background))
    if not going:
        return
    leaving = {item.sid for item in items}
    stay = tuple(sid for sid in state.holders(HEARS) if sid not in leaving)
    for user, count in going.items():
        if state.attached.count(user) == count:
            own = set(state.attached.of(user)) - leaving
            sids = tuple(sid for sid in stay if sid not in own) if own else stay
            yield from presence.on_topic(state, sids, "off", src=user)


def gone(state: TopicState, event: Gone) -> Decision:
    """The connections of some sessions have ended."""
    items = [item for sid in event.sids if (item := state.attached.get(sid)) is not None]
    if not items:
        return NOTHING
    detached = (Detach(item.sid) for item in items)
    return Decision(effects=(*departure(state, *items), *detached))


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
    sub = state.readers.get(caller.user) if reader else state.stored(caller.user)
    if sub is None:
        raise Refused(ATTACH_FIRST)
    done = structs.replace(sub, deleted=env.now, updated=env.now)
    effects: list[Effect] = [reply(env, OK, asked), Detach(caller.sid)]
    effects.extend(membership.evict(state, caller.user, env, unsub=True, skip_sid=caller.sid))
    effects.append(membership.gone_on_me(state, sub, skip_sid=caller.sid, reader=reader))
    effects.extend(presence.ended(state, sub, caller.user, origin=caller.sid))
    effects.append(presence.contact_changed(state, done, reader=reader))
    return Decision(_ending(state, done, reader=reader), tuple(effects))


def _ending(state: TopicState, done: Subscription, *, reader: bool) -> tuple[Change, ...]:
    if reader:
        fewer = structs.replace(state.record, readers=max(state.record.readers - 1, 0))
        return (PutSubscription(done), PutTopic(fewer))
    if state.kind is Kind.P2P and not any(s.user != done.user for s in state.members()):
        return (DeleteTopic(state.name),)
    return (PutSubscription(done),)
