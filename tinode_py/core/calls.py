"""Voice and video calls between the two users of a p2p conversation (protocol notes, 11).

The server carries signals and writes down what became of the call, as replacements of the
invitation. A call lives in the memory of its topic: a restart ends it, and clients time out.

    started --accept--> accepted --hang-up--> finished
            --hang-up of the callee--> declined
            --hang-up of the caller, or time--> missed
    any     --a party's session ends--> disconnected
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import msgspec
from msgspec import structs

from .. import ids
from ..changes import AppendMessage, Change, SetMarks
from ..errors import BUSY, DENIED, NOT_IMPLEMENTED, Refused
from ..ids import Kind
from ..records import Message
from ..wire.packets import Info, Note, Pub
from . import heads, inbox
from .decision import (
    NOTHING,
    Asked,
    Broadcast,
    Call,
    CallIs,
    Decision,
    Deliver,
    Effect,
    Env,
    Publish,
    Reply,
    Tell,
)
from .state import TopicState

SIGNALS = frozenset({"offer", "answer", "ice-candidate"})


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


def opened(message: Message, head: dict[str, Any], sid: str, env: Env) -> CallIs:
    """The invitation is out: it rings for `calls.timeout`."""
    return CallIs(
        Call(
            seq=message.seq,
            caller=message.sender,
            caller_sid=sid,
            content=message.content,
            mime=str(head.get("mime", "")),
            ends_at=env.now + env.settings.calls.timeout * 1000,
        )
    )


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
    decision = _replaced(state, call, "accepted", user, env)
    info = Info(
        topic="me", src=state.address(user), what="call", from_=user, seq=call.seq, event="accept"
    )
    effects: tuple[Effect, ...] = (
        CallIs(now),
        Tell(user, Deliver(info, frozenset({sid}))),
        *_signal(state, asked, asked.request, call.caller_sid),
    )
    return decision + Decision(effects=effects)


def _replaced(
    state: TopicState, call: Call, what: str, actor: str, env: Env, **more: Any
) -> Decision:
    """The invitation's new state, as a message of the caller."""
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
    return Decision(changes, (Publish(message), *inbox.grown(owners)))


def end(state: TopicState, how: str, actor: str, env: Env) -> Decision:
    """The call is over: both sides are told, wherever they are."""
    call = state.call
    if call is None:
        return NOTHING
    more = {"webrtc-duration": env.now - call.accepted_at} if how == "finished" else {}
    decision = _replaced(state, call, how, actor, env, **more)
    info = Info(topic=state.name, what="call", seq=call.seq, event="hang-up")
    here = tuple(item.sid for item in state.attached)
    effects: list[Effect] = [CallIs(None)]
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


def overdue(state: TopicState, env: Env) -> Decision:
    """Nobody answered in time."""
    call = state.call
    if call is None or not call.ends_at or env.now < call.ends_at:
        return NOTHING
    return end(state, "missed", "", env)
