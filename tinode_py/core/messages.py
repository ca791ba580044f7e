"""Publishing, deleting and marking messages (protocol notes, 5.5, 7, 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from msgspec import structs

from .. import ids
from ..access import DELETE, FULL, PRES, READ, WRITE
from ..changes import AppendMessage, Change, DeleteMessages, PutIdem, PutTopic, SetMarks
from ..errors import (
    ATTACH_FIRST,
    DENIED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_MODIFIED,
    OK,
    TOPIC_NOT_FOUND,
    Refused,
)
from ..ids import Kind
from ..queries import AnswerTo, MessageAt, MessagesIn, Query, SeqSince
from ..records import Message, Range, Subscription
from ..wire.client_packets import Del, Note, Pub
from ..wire.server_packets import Info, Pres
from . import calls, heads, inbox, presence, publications, push, ranges, uploads
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import Attached, Broadcast, Effect, Reply, Tell
from .events import Asked, Deliver, PublishIs
from .seats import seat
from .state import HEARS, TopicState

TYPING = frozenset({"kp", "kpa", "kpv", "data"})
MARKS = frozenset({"read", "recv"})


# --- {pub} -------------------------------------------------------------------------------


def pub_needs(state: TopicState, asked: Asked) -> tuple[Query[Any], ...]:
    """What an edit replaces, and what an earlier try of the same publication was answered."""
    request, user = asked.request, asked.caller.user
    assert isinstance(request, Pub)
    found: list[Query[Any]] = []
    if target := heads.replaced(request.head):
        found.append(MessageAt(state.name, target))
    if key := heads.idem(request.head):
        found.append(AnswerTo(state.name, user, key))
    return tuple(found)


def publish(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{pub}: give the message the next number, store it, send it."""
    request, caller = asked.request, asked.caller
    assert isinstance(request, Pub)
    item = seat(state, asked)
    if item is None and state.kind is not Kind.SYS:
        raise Refused(ATTACH_FIRST)
    asked = _as_known(state, asked, item)
    if not (_may_write(state, asked, item) and _is_open(state, asked)):
        return Decision(effects=(reply(env, DENIED, asked),))
    # Most messages have no head, and of those nothing that is in one need be asked.
    key = heads.idem(request.head) if request.head else ""
    if key and (earlier := facts[AnswerTo(state.name, caller.user, key)]):
        return Decision(effects=publications.accepted(asked, env, earlier.seq, earlier.ts))
    call = calls.check(state, request, env) if request.head else None
    head = publications.head(request, caller)
    if head and heads.is_ephemeral(head):
        return publications.passing(state.name, asked, env)
    if head and (target := heads.replaced(head)):
        _check_edit(facts[MessageAt(state.name, target)], caller.user, env)
    message = publications.message(state.name, asked, state.record.seq + 1, head, env)
    owners = inbox.owners(state)
    sent = publications.to_readers(asked, message, owners)
    effects = (*publications.accepted(asked, env, message.seq), sent)
    changes = _stored(state, message, owners, key)
    if asked.attachments:
        changes += uploads.linked(state.name, message.seq, asked.attachments)
    decision = Decision(changes, effects)
    return decision + calls.opened(state, message, call, caller.sid, env) if call else decision


def _is_open(state: TopicState, asked: Asked) -> bool:
    """Whether messages may come from here: from root and from back ends in any case."""
    caller = asked.caller
    return state.record.publish or caller.backend or caller.is_root or caller.by is not None


def publish_is(state: TopicState, event: PublishIs, env: Env) -> Decision:
    """Leave publishing to the back end, or give it back to the clients."""
    if state.topic is None:
        raise Refused(TOPIC_NOT_FOUND)
    if state.record.publish is event.on:
        return Decision(effects=(reply(env, NOT_MODIFIED, event.asked),))
    topic = structs.replace(state.record, publish=event.on, updated=env.now)
    return Decision((PutTopic(topic),), (reply(env, OK, event.asked),))


def _stored(
    state: TopicState, message: Message, owners: tuple[str, ...], key: str
) -> tuple[Change, ...]:
    """What a publication writes. Its author has read his own message."""
    changes: tuple[Change, ...] = (AppendMessage(message, owners),)
    if state.member(message.sender):
        changes += (SetMarks(state.name, message.sender, message.seq, message.seq),)
    if key:
        changes += (PutIdem(state.name, message.sender, key, message.seq, message.ts),)
    return changes


def _as_known(state: TopicState, asked: Asked, item: Attached | None) -> Asked:
    """Who is here is answered under the name that is his, whether he said grp or chn."""
    if item is None:
        return asked
    named = ids.seen_by(state.name, item.user, reader=item.reader)
    return asked if asked.named == named else structs.replace(asked, named=named)


def _may_write(state: TopicState, asked: Asked, item: Attached | None) -> bool:
    if state.kind is Kind.SYS:
        return True
    if item is None or item.reader or (state.silenced and state.is_silent):
        return False
    if asked.unseated == "system" and state.kind is Kind.GROUP:
        return True
    sub = state.member(item.user)
    return sub is not None and bool(sub.mode & WRITE)


def _check_edit(original: Message | None, user: str, env: Env) -> None:
    """An edit may replace one's own message only, and only for `messages.edit_age`."""
    if original is None or original.sender != user:
        raise Refused(DENIED)
    age = env.settings.messages.edit_age * 1000
    if age and env.now - original.ts > age:
        raise Refused(DENIED)


# --- {del msg} ---------------------------------------------------------------------------


def _wanted(state: TopicState, asked: Asked) -> tuple[bool, tuple[Range, ...]]:
    """Whether a {del msg} is for all, and what it names; Refused if it may not be asked."""
    request = asked.request
    assert isinstance(request, Del)
    item = seat(state, asked)
    if item is None:
        raise Refused(ATTACH_FIRST)
    if item.reader or asked.named.startswith("chn"):
        raise Refused(NOT_ALLOWED)
    mode = FULL if asked.caller.moderates else state.mode(item)
    if not mode & READ:
        raise Refused(DENIED)
    if not request.delseq:
        raise Refused(MALFORMED)
    found = ranges.to_delete(request.delseq, state.record.seq)
    return request.hard and bool(mode & DELETE), found


def _left(state: TopicState, asked: Asked, hard: bool, found: tuple[Range, ...]) -> MessagesIn:
    """Is any of it still there, for all or for the one who asks?"""
    return MessagesIn(state.name, "" if hard else asked.caller.user, found, 1)


def delete_needs(state: TopicState, asked: Asked, env: Env) -> tuple[Query[Any], ...]:
    """Whether something is left to delete, and from which message on it is young enough."""
    try:
        hard, found = _wanted(state, asked)
    except Refused:
        return ()
    left = _left(state, asked, hard, found)
    age = env.settings.messages.delete_age
    return (left, SeqSince(state.name, env.now - age * 1000)) if hard and age else (left,)


def delete(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """{del msg}, for all (`hard`, with D) or for oneself.

    Every request takes a deletion number; it is logged only if something was left to delete.
    """
    caller = asked.caller
    hard, found = _wanted(state, asked)
    logged = found if facts[_left(state, asked, hard, found)] else ()
    if hard and not caller.moderates:
        found = _young_enough(state, caller.user, found, facts, env)
        logged = found if logged else ()
    delid = state.record.delid + 1
    change = DeleteMessages(state.name, delid, "" if hard else caller.user, logged, env.now)
    pres = Pres(
        topic=state.name, what="del", src=caller.user, clear=delid, delseq=ranges.to_wire(found)
    )
    effects: tuple[Effect, ...] = (
        *deleted_here(state, pres, caller.sid, hard=hard),
        *deleted_on_me(state, pres, caller.sid, hard=hard),
        reply(env, OK, asked, params={"del": delid}),
    )
    decision = Decision((change,), effects)
    if not hard or not logged:
        return decision
    users = tuple(sub.user for sub in state.members() if sub.mode & READ)
    told = {"act": caller.user, "clear": delid, "delseq": as_json(logged)}
    return inbox.with_notices(decision, state, users, "del", env, **told)


def as_json(found: tuple[Range, ...]) -> list[dict[str, int]]:
    """Ranges as packets write them: `hi` is missing where it is one message."""
    return [{"low": r.low, "hi": r.hi} if r.hi else {"low": r.low} for r in ranges.to_wire(found)]


def _young_enough(
    state: TopicState, user: str, found: tuple[Range, ...], facts: Facts, env: Env
) -> tuple[Range, ...]:
    """What may still be deleted for all: everything for the owner, else what is not older
    than `messages.delete_age`. Only that is announced.
    """
    age = env.settings.messages.delete_age
    if not age or state.record.owner == user:
        return found
    first = facts[SeqSince(state.name, env.now - age * 1000)] or state.record.seq + 1
    young = tuple(Range(max(r.low, first), r.hi) for r in found if r.hi > first)
    if not young:
        raise Refused(DENIED)
    return young


def deleted_here(state: TopicState, pres: Pres, sid: str, *, hard: bool) -> Iterator[Effect]:
    sids = state.holders(HEARS, skip_sid=sid)
    if not hard:
        own = state.attached.of(pres.src)
        sids = tuple(s for s in sids if s in own)
    if sids:
        yield Broadcast(pres, sids)


def deleted_on_me(state: TopicState, pres: Pres, sid: str, *, hard: bool) -> Iterator[Effect]:
    packet = Pres(topic="me", what="del", clear=pres.clear, act=pres.src)
    for sub, reader in state.present():
        if (hard or sub.user == pres.src) and sub.mode & (READ | PRES) == READ | PRES:
            yield presence.on_me(state, sub.user, packet, skip_sid=sid, reader=reader)


# --- {note} ------------------------------------------------------------------------------


def note(state: TopicState, asked: Asked, env: Env) -> Decision:
    """{note}: typing, receipts. What breaks a rule is dropped in silence."""
    request = asked.request
    assert isinstance(request, Note)
    item = state.attached.get(asked.caller.sid)
    if request.what == "call":
        return calls.note(state, asked, env)
    if item is None and request.what != "recv":
        return Decision(effects=(Reply(asked.caller.sid, ctrl(env, ATTACH_FIRST, asked)),))
    if state.topic is None or state.kind not in (Kind.P2P, Kind.GROUP, Kind.SELF):
        return NOTHING
    reader = item.reader if item else asked.named.startswith("chn")
    user = asked.caller.user
    sub = state.readers.get(user) if reader else state.member(user)
    if sub is None:
        return NOTHING
    if request.what in MARKS:
        decision = _mark(state, asked, sub, request, reader=reader)
        return _told_devices(state, sub, request, decision, env)
    if request.what in TYPING and not reader:
        return _typing(state, asked, sub, request)
    return NOTHING


def _typing(state: TopicState, asked: Asked, sub: Subscription, request: Note) -> Decision:
    data = request.what == "data"
    if state.is_silent:
        return NOTHING
    if not data and (request.seq or not sub.mode & WRITE):
        return NOTHING
    if data and request.payload is None:
        return NOTHING
    payload = request.payload if data else None
    info = Info(topic=state.name, what=request.what, from_=sub.user, payload=payload)
    sid, skip_user = asked.caller.sid, sub.user if request.what == "kp" else ""
    sids = state.holders(READ, skip_sid=sid, skip_user=skip_user, readers=False)
    here = attrs.evolve(info, seq=request.seq)
    effects: tuple[Effect, ...] = (Broadcast(here, sids),) if sids else ()
    return Decision(effects=(*effects, *_said_on_me(state, info, sid, skip_user)))


def _mark(
    state: TopicState, asked: Asked, sub: Subscription, request: Note, *, reader: bool
) -> Decision:
    seq, what = request.seq, request.what
    held = sub.read if what == "read" else max(sub.recv, sub.read)
    if not held < seq <= state.record.seq or not sub.mode & READ:
        return NOTHING
    marks = (seq, sub.recv) if what == "read" else (sub.read, seq)  # one does not raise the other
    change = SetMarks(sub.topic, sub.user, *marks)
    sid = asked.caller.sid
    effects: list[Effect] = []
    if sub.mode & PRES:
        own = Pres(topic="me", what=what, seq=seq)
        effects.append(presence.on_me(state, sub.user, own, skip_sid=sid, reader=reader))
    if reader:  # nobody else hears of his marks
        return Decision((change,), tuple(effects))
    info = Info(topic=state.name, what=what, from_=sub.user, seq=seq)
    if sids := state.holders(READ, skip_sid=sid, readers=False):
        effects.append(Broadcast(info, sids))
    effects.extend(_marked_on_me(state, info, sid))
    return Decision((change,), tuple(effects))


def _told_devices(
    state: TopicState, sub: Subscription, request: Note, decision: Decision, env: Env
) -> Decision:
    """What was read here is read on the user's other devices, too."""
    wanted = env.pushing and request.what == "read" and decision.changes
    if not wanted or ids.is_channel(sub.topic) or sub.mode & PRES == 0:
        return decision
    return decision + Decision(effects=(push.read(state, sub, request.seq),))


def _said_on_me(state: TopicState, info: Info, sid: str, skip_user: str) -> Iterator[Effect]:
    """Word that somebody types, for those who are on `me` and not here."""
    for sub, reader in state.present():
        if sub.user == skip_user or sub.mode & (READ | PRES) != READ | PRES:
            continue
        skip = frozenset((*state.attached.of(sub.user), sid))
        packet = attrs.evolve(info, topic="me", src=state.address(sub.user, reader=reader))
        yield Tell(sub.user, Deliver(packet, skip))


def _marked_on_me(state: TopicState, info: Info, sid: str) -> Iterator[Effect]:
    """Word of a receipt for members who are on `me` and not here."""
    for sub in state.members():
        if sub.mode & (READ | PRES) != READ | PRES:
            continue
        skip = frozenset((*state.attached.of(sub.user), sid))
        packet = attrs.evolve(info, topic="me", src=state.address(sub.user))
        yield Tell(sub.user, Deliver(packet, skip))
