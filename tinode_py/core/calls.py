"""Voice and video calls between the two users of a p2p conversation (protocol notes, 11).

The server carries signals and writes down what became of the call, as replacements of the
invitation. What is known of a call is in the topic's row: whoever loads the topic next, after a
restart or on another node, waits a little for the sessions of the call, and ends it if they do
not come.

    started --accept--> accepted --hang-up--> finished
            --hang-up of the callee--> declined
            --hang-up of the caller, or time--> missed
    any     --a party's session ends--> disconnected

A call is opened, accepted and ended in the row and in the state at once (`_is`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import msgspec
from msgspec import structs

from .. import ids
from ..changes import AppendMessage, Change, PutTopic, SetMarks
from ..errors import BUSY, DENIED, NOT_IMPLEMENTED, Refused
from ..ids import Kind
from ..records import Message, Topic
from ..wire.client_packets import Note, Pub
from ..wire.server_packets import Info
from . import heads, inbox
from .decision import NOTHING, Decision, Env
from .effects import Broadcast, Call, CallIs, Effect, Publish, Reply, Tell
from .events import Asked, Deliver
from .state import TopicState

SIGNALS = frozenset({"offer", "answer", "ice-candidate"})
RETURNING = 2000  # ms for sessions to come back to a topic that was loaded anew


def head_of(head: bytes | None) -> dict[str, Any]:
    """The fields of a message's head if it speaks of a call, else none."""
    if head is None or not heads.may_hold(head, "webrtc"):
        return {}
    fields: dict[str, Any] = msgspec.json.decode(head)
    return fields if "webrtc" in fields else {}


def check(state: TopicState, request: Pub, env: Env) -> dict[str, Any]:
    """The call that a message opens, if it opens one; Refused if it may not."""
    head = head_of(request.head)
    if not head:
        return head
    if not env.settings.calls.ice_servers:
        raise Refused(NOT_IMPLEMENTED)
    if state.kind is not Kind.P2P:
        raise Refused(DENIED)
    if state.call is not None:
        raise Refused(BUSY)
    return head if head["webrtc"] else {}  # nothing opens nothing


def opened(
    state: TopicState, message: Message, head: dict[str, Any], sid: str, env: Env
) -> Decision:
    """The invitation is out: it rings for `calls.timeout`."""
    call = Call(
        seq=message.seq,
        caller=message.sender,
        caller_sid=sid,
        content=message.content,
        mime=str(head.get("mime", "")),
        ends_at=env.now + env.settings.calls.timeout * 1000,
    )
    return _is(call, state.record.with_message(message.seq, message.ts))


def _is(call: Call | None, topic: Topic) -> Decision:
    """From now on this is the call; `topic` is the row as it is by then."""
    row = structs.replace(topic, call=msgspec.json.encode(call) if call else None)
    return Decision((PutTopic(row),), (CallIs(call),))


def note(state: TopicState, asked: Asked, env: Env) -> Decision:
    """{note what:"call"}: what does not belong to the running call is dropped."""
    request, call = asked.request, state.call
    assert isinstance(request, Note)
    if call is None or request.seq != call.seq or state.member(asked.caller.user) is None:
        return NOTHING
    sid, user = asked.caller.sid, asked.caller.user
    callee = user != call.caller
    match request.event:
        case "ringing" if callee and not call.accepted_at:
            return Decision(effects=tuple(_signal(state, asked, request, call.caller_sid)))
        case "accept" if callee and not call.accepted_at:
            return _accepted(state, asked, call, env)
        case "hang-up" if call.accepted_at:
            return end(state, "finished", user, env) if call.has(sid) else NOTHING
        case "hang-up" if callee:
            return end(state, "declined", user, env)
        case "hang-up" if sid == call.caller_sid:
            return end(state, "missed", user, env)
        case event if event in SIGNALS and call.accepted_at and call.has(sid):
            return Decision(effects=tuple(_signal(state, asked, request, call.other(sid))))
        case _:
            return NOTHING


def _signal(state: TopicState, asked: Asked, request: Note, to: str) -> Iterator[Effect]:
    """Hand a signal to one session of the other side."""
    user = asked.caller.user
    receiver = ids.p2p_peer(state.name, user)
    yield Reply(
        to,
        Info(
            topic=state.address(receiver),
            what="call",
            from_=user,
            seq=request.seq,
            event=request.event,
            payload=request.payload,
        ),
    )


def _accepted(state: TopicState, asked: Asked, call: Call, env: Env) -> Decision:
    user, sid = asked.caller.user, asked.caller.sid
    assert isinstance(asked.request, Note)
    now = structs.replace(call, callee_sid=sid, accepted_at=env.now, ends_at=0)
    decision = _replaced(state, call, "accepted", user, env, now)
    info = Info(
        topic="me", src=state.address(user), what="call", from_=user, seq=call.seq, event="accept"
    )
    effects: tuple[Effect, ...] = (
        Tell(user, Deliver(info, frozenset({sid}))),
        *_signal(state, asked, asked.request, call.caller_sid),
    )
    return decision + Decision(effects=effects)


def _replaced(
    state: TopicState, call: Call, what: str, actor: str, env: Env, now: Call | None, **more: Any
) -> Decision:
    """The invitation's new state, as a message of the caller; and what the call is `now`."""
    head: dict[str, Any] = {"replace": f":{call.seq}", "webrtc": what, **more}
    if call.mime:
        head["mime"] = call.mime
    if actor and actor != call.caller:
        head["sender"] = actor
    seq = state.record.seq + 1
    encoded = msgspec.json.encode(head)
    message = Message(state.name, seq, call.caller, env.now, encoded, call.content)
    owners = inbox.owners(state)
    changes: tuple[Change, ...] = (AppendMessage(message, owners),)
    if state.member(call.caller):
        changes += (SetMarks(state.name, call.caller, seq, seq),)
    stored = Decision(changes, (Publish(message, inboxes=owners),))
    return stored + _is(now, state.record.with_message(seq, env.now))


def end(state: TopicState, how: str, actor: str, env: Env) -> Decision:
    """The call is over: both sides are told, wherever they are."""
    call = state.call
    if call is None:
        return NOTHING
    more = {"webrtc-duration": env.now - call.accepted_at} if how == "finished" else {}
    decision = _replaced(state, call, how, actor, env, None, **more)
    info = Info(topic=state.name, what="call", seq=call.seq, event="hang-up")
    here = tuple(item.sid for item in state.attached)
    effects: list[Effect] = []
    if here:
        effects.append(Broadcast(info, here))
    for sub in state.members():
        packet = attrs.evolve(info, topic="me", src=state.address(sub.user), from_=actor)
        effects.append(Tell(sub.user, Deliver(packet, frozenset(here))))
    return decision + Decision(effects=tuple(effects))


def left(state: TopicState, sid: str, user: str, env: Env) -> Decision:
    """A session is gone: if it took part in the call, the call is over."""
    if state.call is None or not state.call.has(sid):
        return NOTHING
    return end(state, "disconnected", "", env)


def found(state: TopicState, env: Env) -> Decision:
    """A call of before, in a topic that was loaded anew: its sessions have a moment to return."""
    call = state.call
    if call is None or call.look_at >= 0:
        return NOTHING
    return Decision(effects=(CallIs(structs.replace(call, look_at=env.now + RETURNING)),))


def overdue(state: TopicState, env: Env) -> Decision:
    """Nobody answered in time, or a session has not come back."""
    call = state.call
    if call is None:
        return NOTHING
    if call.ends_at and env.now >= call.ends_at:
        return end(state, "missed", "", env)
    if call.look_at <= 0 or env.now < call.look_at:
        return NOTHING
    sids = (call.caller_sid, call.callee_sid) if call.accepted_at else (call.caller_sid,)
    if all(state.attached.get(sid) for sid in sids):
        return Decision(effects=(CallIs(structs.replace(call, look_at=0)),))
    return end(state, "disconnected", "", env)
