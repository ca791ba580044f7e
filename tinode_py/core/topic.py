"""The rules of a p2p conversation, a group, `slf` and `sys`: one door for every event.

    needs(state, event, env)            which facts the decision wants
    decide(state, event, facts, env)    what changes, what follows

`decide` raises Refused for a request that changes nothing; the caller of this layer turns
that into a {ctrl}. Requests for which `is_plain` holds neither read what others write nor
change the table of sessions: a batch of them is committed at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from .. import ids
from ..changes import DeleteTopic
from ..errors import ATTACH_FIRST, DENIED, MALFORMED, NO_ACTION, OK, TOPIC_NOT_FOUND, Refused
from ..ids import Kind
from ..queries import MembersOf, Query, SilencedBy, SubscriptionOf, TopicByName
from ..wire.client_packets import Del, Get, Leave, Note, Pub, Set, Sub
from . import (
    attach,
    calls,
    describe,
    heads,
    inbox,
    leave,
    membership,
    messages,
    meta,
    outside,
    presence,
    retention,
    subscribe,
)
from .decision import NOTHING, Decision, Env, Facts, reply
from .effects import Detach, Effect, Forget, Online, Retire, Settled, Silenced, Tell
from .events import (
    Asked,
    Awake,
    ContactChanged,
    Event,
    Expire,
    Gone,
    Presence,
    PublishIs,
    Suspended,
    TopicEnded,
    UserEnded,
    Woken,
)
from .seats import seat
from .state import HEARS, TopicState

OFF_DELAY = 4000  # ms: how long nobody may be here before that is told (protocol notes, 6.3)


def rows(name: str) -> tuple[Query[Any], ...]:
    """What must be fetched to load a topic."""
    members = MembersOf(name, former=ids.kind_of(name) is Kind.P2P)
    return TopicByName(name), members, SilencedBy(name)


def is_plain(event: Event) -> bool:
    """Whether the event may share a commit with others around it."""
    if type(event) is Asked and type(event.request) is Pub:
        return event.request.head is None or not heads.needs_facts(event.request.head)
    match event:
        case Asked(request=Note(what="call")):
            return False
        case Asked(request=Note()) | Presence():
            return True
        case _:
            return False


def is_brief(event: Event) -> bool:
    """Whether the event changes nothing, and needs no facts but single rows and pages."""
    return type(event) is Asked and type(event.request) is Get and "sub" not in event.request.what


def needs(state: TopicState, event: Event, env: Env) -> tuple[Query[Any], ...]:
    """The facts that `decide` will look up."""
    if type(event) is Asked and type(event.request) is Pub:  # what is asked most
        return () if event.request.head is None else messages.pub_needs(state, event)
    if isinstance(event, Expire):
        return (retention.oldest(state),)
    if not isinstance(event, Asked):
        return ()
    match event.request:
        case Sub():
            return subscribe.needs(state, event)
        case Get() if meta.seat(state, event) is None:
            return outside.needs(state, event)
        case Get():
            return meta.needs(state, event)
        case Set():
            return describe.needs(state, event, env)
        case Del(what="msg"):
            return messages.delete_needs(state, event, env)
        case Note() if event.named.startswith("chn"):
            return (SubscriptionOf(event.named, event.caller.user),)
        case _:
            return ()


def decide(state: TopicState, event: Event, facts: Facts, env: Env) -> Decision:
    """What an event changes and causes; Refused if a request breaks a rule."""
    if type(event) is Asked and type(event.request) is Pub and state.topic is not None:
        decision = messages.publish(state, event, facts, env)  # what is asked most
    else:
        decision = _decided(state, event, facts, env)
    return decision if state.call is None else calls.found(state, env) + decision


def _decided(state: TopicState, event: Event, facts: Facts, env: Env) -> Decision:
    match event:
        case Asked():
            return _asked(state, event, facts, env)
        case Gone():
            return _without(state, event.sids, env) + leave.gone(state, event)
        case Awake():
            return attach.awake(state, event.sid)
        case Woken():
            return _woken(state, env)
        case Presence():
            return _presence(state, event)
        case PublishIs():
            return messages.publish_is(state, event, env)
        case UserEnded():
            return _user_ended(state, event)
        case Suspended():
            return Decision(effects=(Silenced(event.user, event.on),))
        case Expire():
            return retention.expire(state, event, facts, env)
        case TopicEnded():
            return Decision(effects=tuple(_unload(state)))
        case _:
            return NOTHING  # notices for `me` topics


def _asked(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    match asked.request:
        case Sub():
            return subscribe.decide(state, asked, facts, env)
        case Note():
            return messages.note(state, asked, env)
        case Get() if meta.seat(state, asked) is None:
            return outside.get(state, asked, facts, env)
        case Get():
            return meta.get(state, asked, facts, env)
        case Leave():
            left = leave.leave(state, asked, env)
            return _without(state, (asked.caller.sid,), env) + left
        case Set():
            return _set(state, asked, facts, env)
        case Del(what=what) if what not in ("msg", "topic", "sub", "cred"):
            raise Refused(MALFORMED)
    if state.topic is None:
        raise Refused(NO_ACTION if _is_deletion(asked) else TOPIC_NOT_FOUND)
    match asked.request:
        case Pub():
            return messages.publish(state, asked, facts, env)
        case Del(what="msg"):
            return messages.delete(state, asked, facts, env)
        case Del(what="topic"):
            return _del_topic(state, asked, env)
        case Del(what="sub", user=user):
            if seat(state, asked) is None:
                raise Refused(ATTACH_FIRST)
            return membership.remove(state, asked, user, env)
        case Del(what="cred"):
            raise Refused(DENIED)
        case _:
            raise Refused(MALFORMED)


def _is_deletion(asked: Asked) -> bool:
    return isinstance(asked.request, Del) and asked.request.what == "topic"


def _set(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    if seat(state, asked) is None:
        return outside.set_own(state, asked, facts, env)
    first, rest = describe.split(asked)
    try:
        decision = describe.set_part(state, first, facts, env)
    except Refused as no:
        decision = Decision(effects=(reply(env, no.answer, asked, params=no.params),))
    return structs.replace(decision, then=rest)


# --- the end of a topic ------------------------------------------------------------------


def _del_topic(state: TopicState, asked: Asked, env: Env) -> Decision:
    """{del topic}: the owner deletes it, a member leaves it (protocol notes, 5.9)."""
    caller = asked.caller
    if state.record.owner == caller.user:
        return Decision(effects=(reply(env, OK, asked),)) + _delete(state, caller.user, env)
    if state.member(caller.user) is None and caller.user not in state.readers:
        return Decision(effects=(reply(env, NO_ACTION, asked),))
    return leave.unsubscribe(state, asked, env)


def _delete(state: TopicState, actor: str, env: Env) -> Decision:
    effects: list[Effect] = []
    for sub in state.members():
        effects.append(membership.gone_on_me(state, sub))
        effects.append(Tell(sub.user, ContactChanged(state.name, "", None)))
    for sub in state.readers.values():
        effects.append(membership.gone_on_me(state, sub, reader=True))
    effects.extend(_unload(state))
    decision = Decision((DeleteTopic(state.name),), tuple(effects))
    members = tuple(sub.user for sub in state.members())
    return inbox.with_notices(decision, state, members, "gone", env, act=actor)


def _unload(state: TopicState) -> Iterator[Effect]:
    yield from (Detach(item.sid) for item in state.attached)
    yield Online(False)
    yield Retire()


def _user_ended(state: TopicState, event: UserEnded) -> Decision:
    """A member's account is gone, and his row with it; his contacts were told by his `me`.

    A conversation of two ends with him as far as this server's memory goes: the peer's
    sessions are detached, and whoever comes back finds what the store has kept.
    """
    if state.kind is Kind.P2P:
        return Decision(effects=tuple(_unload(state)))
    effects: list[Effect] = [Detach(sid) for sid in state.attached.of(event.user)]
    if state.attached.is_online(event.user):
        sids = state.holders(HEARS, skip_user=event.user)
        effects.extend(presence.on_topic(state, sids, "off", src=event.user))
    return Decision(effects=(*effects, Forget(event.user)))


# --- time and others' presence -----------------------------------------------------------


def _without(state: TopicState, sids: Iterable[str], env: Env) -> Decision:
    """Sessions leave: a call of which one of them is a party ends, once."""
    if state.call is None:
        return NOTHING
    found = (item for sid in sids if (item := state.attached.get(sid)) is not None)
    ends = (calls.left(state, item.sid, item.user, env) for item in found)
    return next((end for end in ends if end != NOTHING), NOTHING)


def _woken(state: TopicState, env: Env) -> Decision:
    """Nobody has answered, or nobody has been here for a while: say so, and unload."""
    if due := [user for user, promise in state.promises.items() if promise.until <= env.now]:
        return Decision(effects=tuple(_settled(state, due)))
    if state.call is not None:
        return calls.overdue(state, env)
    if not state.off_at or env.now < state.off_at or len(state.attached):
        return NOTHING
    effects: list[Effect] = []
    if state.online:
        effects.append(Online(False))
        effects.extend(presence.members_notice(state, "off"))
    return Decision(effects=(*effects, Retire()))


def _settled(state: TopicState, users: Iterable[str]) -> Iterator[Effect]:
    """What they changed without being attached is in force now."""
    for user in users:
        yield Settled(user)
        if (sub := state.stored(user)) is not None:
            yield presence.contact_changed(state, sub, quiet=True)


def _presence(state: TopicState, event: Presence) -> Decision:
    """A member's public description has changed: those who are here look again."""
    if event.what != "upd" or state.kind is not Kind.GROUP:
        return NOTHING
    sids = state.holders(HEARS)
    return Decision(effects=presence.on_topic(state, sids, "upd", src=event.src))
