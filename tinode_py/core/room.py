"""The rules of rooms (`tmp…`): who is in one hears what is said in it, and nothing is kept.

A user is in a room while a session of his is attached to it. The first one to come makes the
room, the last one to go ends it. A back end brings anybody in, puts him out, ends the room;
what clients may do by themselves is a setting (docs/rooms.md, docs/decisions/0018).

    needs(state, event, env)            nothing: there are no facts about a room
    decide(state, event, facts, env)    what follows; the one change, a message's number, is of
                                        the state alone
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from msgspec import structs

from ..errors import (
    ALREADY_SUBSCRIBED,
    ATTACH_FIRST,
    DENIED,
    EVICTED,
    MALFORMED,
    NO_ACTION,
    NOT_FOUND,
    NOT_JOINED,
    OK,
    POLICY,
    TOPIC_NOT_FOUND,
    Answer,
    Refused,
)
from ..queries import Query
from ..wire.client_packets import Del, Get, Leave, Note, Pub, Sub
from ..wire.server_packets import Ctrl, Info, Pres
from ..wire.server_parts import Desc, SubRow
from . import heads, meta, publications
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import Attach, Attached, Broadcast, Detach, Effect, Reply
from .events import Asked, Brought, Caller, Event, Gone
from .messages import TYPING
from .modes import show
from .room_state import MODE, RoomState

ROWS = 1024  # users in one answer to a client


def rows(name: str) -> tuple[Query[Any], ...]:
    """Nothing must be fetched to load a room."""
    return ()


def is_plain(event: Event) -> bool:
    """Whether the event changes nothing that the next one might look at."""
    return isinstance(event, Asked) and isinstance(event.request, Pub | Note)


def needs(state: RoomState, event: Event, env: Env) -> tuple[Query[Any], ...]:
    return ()


def decide(state: RoomState, event: Event, facts: Facts, env: Env) -> Decision:
    """What an event causes; Refused if a request breaks a rule."""
    match event:
        case Asked():
            return _asked(state, event, env)
        case Brought() if state.attached.get(event.caller.sid) is None:
            _check_bounds(state, event.caller.user, env)
            answer = ctrl(env, OK, topic=state.name, params=_params(state, event.caller.user))
            return _come(state, event.caller, answer, env)
        case Gone():
            return _gone(state, event.sids, env)
        case _:
            return NOTHING


def _asked(state: RoomState, asked: Asked, env: Env) -> Decision:
    match asked.request:
        case Sub():
            return _sub(state, asked, env)
        case Leave(unsub=unsub):
            if state.attached.get(asked.caller.sid) is None:
                raise Refused(ATTACH_FIRST if unsub else NOT_JOINED)
            answered = Decision(effects=(reply(env, OK, asked),))
            return answered + _gone(state, (asked.caller.sid,), env)
        case Pub():
            return _publish(state, asked, env)
        case Note():
            return _note(state, asked, env)
        case Get():
            return _get(state, asked, env)
        case Del(what="sub", user=user) if _vouched(asked):
            return _put_out(state, asked, user, env)
        case Del(what="topic") if _vouched(asked):
            return _end(state, asked, env)
        case _:
            raise Refused(DENIED if _is_here(state, asked) else _unknown(state, env))


def _vouched(asked: Asked) -> bool:
    """Whether a back end asks, or root."""
    return asked.unseated == "system" or asked.caller.is_root


def _is_here(state: RoomState, asked: Asked) -> bool:
    """Whether the session may speak: it is in, or its user is and no session is asked for."""
    caller = asked.caller
    if state.attached.get(caller.sid) is not None or asked.unseated == "system":
        return True
    return asked.unseated == "user" and state.is_in(caller.user)


def _unknown(state: RoomState, env: Env) -> Answer:
    """What is said to whom a room is closed: that there is none, unless he could join it."""
    open_ = env.settings.rooms.clients != "none" and len(state.attached)
    return DENIED if open_ else TOPIC_NOT_FOUND


# --- coming ------------------------------------------------------------------------------


def _sub(state: RoomState, asked: Asked, env: Env) -> Decision:
    caller, request = asked.caller, asked.request
    assert isinstance(request, Sub)
    if state.attached.get(caller.sid):
        raise Refused(ALREADY_SUBSCRIBED)
    if not _vouched(asked) and not state.is_in(caller.user):
        _check_client(state, caller.user, env)
    _check_bounds(state, caller.user, env)
    answer = ctrl(env, OK, asked, params=_params(state, caller.user))
    decision = _come(state, caller, answer, env)
    if request.get is None or not meta.asks(request.get):
        return decision
    query = attrs.asdict(request.get, recurse=False)
    then = structs.replace(asked, request=Get(id=request.id, topic=asked.named, **query))
    return structs.replace(decision, then=then)


def _check_client(state: RoomState, user: str, env: Env) -> None:
    """Whether somebody whom no back end has brought may come in."""
    rules = env.settings.rooms
    if rules.clients == "none" or (rules.clients == "join" and not len(state.attached)):
        raise Refused(TOPIC_NOT_FOUND)
    if env.rooms_of(user) >= rules.per_user:
        raise Refused(POLICY, {"what": "rooms.per_user"})


def _check_bounds(state: RoomState, user: str, env: Env) -> None:
    rules = env.settings.rooms
    if not len(state.attached) and env.rooms() >= rules.most:
        raise Refused(POLICY, {"what": "rooms.most"})
    if not state.is_in(user) and state.attached.count_users >= rules.members:
        raise Refused(POLICY, {"what": "rooms.members"})


def _params(state: RoomState, user: str) -> dict[str, object]:
    """What who comes is told: what he may do, and how many users are here with him."""
    here = state.attached.count_users + (not state.is_in(user))
    return {"acs": show(MODE, MODE), "online": here}


def _come(state: RoomState, caller: Caller, answer: Ctrl, env: Env) -> Decision:
    """The session is in; the others hear of it if it is the first one of its user."""
    item = Attached(caller.sid, caller.user, caller.level, user_agent=caller.user_agent)
    effects: list[Effect] = [Reply(caller.sid, answer), Attach(item)]
    if not state.is_in(caller.user) and state.attached.count_users < env.settings.rooms.told:
        effects.extend(_told(state, "on", caller.user, ()))
    return Decision(effects=tuple(effects))


def _told(state: RoomState, what: str, user: str, but: Iterable[str]) -> Iterator[Effect]:
    skip = frozenset(but)
    sids = tuple(item.sid for item in state.attached if item.sid not in skip)
    if sids:
        yield Broadcast(Pres(topic=state.name, what=what, src=user), sids)


# --- going -------------------------------------------------------------------------------


def _gone(state: RoomState, sids: Iterable[str], env: Env) -> Decision:
    """Sessions are not here any more. Of a user whose last one went the others hear, once."""
    items = [item for sid in sids if (item := state.attached.get(sid)) is not None]
    if not items:
        return NOTHING
    effects: list[Effect] = [Detach(item.sid) for item in items]
    if state.attached.count_users <= env.settings.rooms.told:
        leaving = [item.sid for item in items]
        for user, count in Counter(item.user for item in items).items():
            if count == len(state.attached.of(user)):
                effects.extend(_told(state, "off", user, leaving))
    return Decision(effects=tuple(effects))


def _put_out(state: RoomState, asked: Asked, user: str, env: Env) -> Decision:
    """All sessions of a user are told that they are evicted, and are here no more."""
    sids = state.attached.of(user)
    if not sids:
        raise Refused(NOT_FOUND)
    evicted = Decision(effects=tuple(_evicted(state, sids, env)))
    return Decision(effects=(reply(env, OK, asked),)) + evicted + _gone(state, sids, env)


def _end(state: RoomState, asked: Asked, env: Env) -> Decision:
    sids = tuple(item.sid for item in state.attached)
    if not sids:
        raise Refused(NO_ACTION)
    evicted = Decision(effects=tuple(_evicted(state, sids, env)))
    return Decision(effects=(reply(env, OK, asked),)) + evicted + _gone(state, sids, env)


def _evicted(state: RoomState, sids: Iterable[str], env: Env) -> Iterator[Effect]:
    packet = ctrl(env, EVICTED, topic=state.name, params={"unsub": True})
    yield from (Reply(sid, packet) for sid in sids)


# --- saying ------------------------------------------------------------------------------


def _publish(state: RoomState, asked: Asked, env: Env) -> Decision:
    """{pub}: to everybody who is here. What refers to what is kept makes no sense here."""
    request = asked.request
    assert isinstance(request, Pub)
    if not _is_here(state, asked):
        raise Refused(ATTACH_FIRST)
    heads.idem(request.head)  # 400 as elsewhere, if it is none
    if heads.replaced(request.head) or heads.may_hold(request.head, "webrtc"):
        raise Refused(DENIED)
    return publications.passing(state.name, asked, env, state.seq + 1)


def _note(state: RoomState, asked: Asked, env: Env) -> Decision:
    """{note}: that somebody types, or data of a client's own; receipts mean nothing here."""
    request, caller = asked.request, asked.caller
    assert isinstance(request, Note)
    if state.attached.get(caller.sid) is None:
        if request.what == "recv":
            return NOTHING
        return Decision(effects=(Reply(caller.sid, ctrl(env, ATTACH_FIRST, asked)),))
    data = request.what == "data"
    odd = request.payload is None if data else bool(request.seq)
    if request.what not in TYPING or odd or state.attached.count_users > env.settings.rooms.told:
        return NOTHING
    own = {caller.sid} if request.what != "kp" else set(state.attached.of(caller.user))
    sids = tuple(item.sid for item in state.attached if item.sid not in own)
    payload = request.payload if data else None
    info = Info(state.name, request.what, from_=caller.user, seq=request.seq, payload=payload)
    return Decision(effects=(Broadcast(info, sids),) if sids else ())


# --- {get} -------------------------------------------------------------------------------


def _get(state: RoomState, asked: Asked, env: Env) -> Decision:
    request = asked.request
    assert isinstance(request, Get)
    found = meta.words(request)
    if not _is_here(state, asked):
        raise Refused(_unknown(state, env))
    effects: list[Effect] = []
    for word in found:
        match word:
            case "desc":
                effects.append(meta.answer(asked, env, desc=_desc(state)))
            case "sub":
                effects.append(_listed(state, asked, env))
            case _:  # nothing of the kind is kept
                effects.append(meta.empty(env, asked, word))
    return Decision(effects=tuple(effects))


def _desc(state: RoomState) -> Desc:
    count = state.attached.count_users
    return Desc(online=bool(count), acs=show(MODE, MODE), subcnt=count)


def _listed(state: RoomState, asked: Asked, env: Env) -> Effect:
    """Who is here, in the order in which they came; a back end gets all, a client some."""
    query = meta.listing(asked)
    users = state.attached.users
    if query.user:
        users = (query.user,) if state.is_in(query.user) else ()
    if query.limit < 0:
        raise Refused(MALFORMED)
    most = len(users) if asked.unseated == "system" else ROWS
    users = users[: min(query.limit or most, most)]
    if not users:
        return meta.empty(env, asked, "sub")
    return meta.answer(asked, env, sub=tuple(SubRow(user=user, online=True) for user in users))
