"""The rules of a `me` topic: one door for every event, as `topic` is for conversations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import attrs
from msgspec import structs

from .. import access, ids
from ..access import JOIN, OWNER, PRES
from ..changes import Change, PutUser, SetSeen
from ..errors import (
    ALREADY_SUBSCRIBED,
    DENIED,
    EVICTED,
    MALFORMED,
    NO_ACTION,
    NOT_JOINED,
    OK,
    USER_NOT_FOUND,
    Refused,
)
from ..queries import ContactsOf, CredentialsOf, Query
from ..records import User
from ..wire.client_packets import Acc, Del, Get, Leave, Note, Pub, Set, Sub
from ..wire.client_parts import SetQuery
from ..wire.server_packets import Pres
from . import account, credentials, describe, inbox, me, me_get, me_set, meeting
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import (
    Agent,
    Attach,
    Attached,
    Contacts,
    Detach,
    Effect,
    Line,
    Online,
    Reply,
    Retire,
    Tell,
    Told,
)
from .events import (
    Active,
    Asked,
    Awake,
    Confirmed,
    ContactChanged,
    Deliver,
    Event,
    Gone,
    InboxGrew,
    Introduce,
    NewLogin,
    Presence,
    Recheck,
    Woken,
)
from .me import MeState
from .merge import merge
from .meta import asks
from .modes import parse_mode, show

OFF_DELAY = 4000  # ms: a quick reconnect is nobody's business (protocol notes, 6.4)
UA_DELAY = 5000  # ms: how long a new user agent must last to be told


def is_plain(event: Event) -> bool:
    """Whether the event may share a commit, and a write to each session, with others around it:
    word for the sessions here, unless it changes what they take for online.
    """
    return type(event) is Deliver and event.packet.what != "gone"


def needs(state: MeState, event: Event, env: Env) -> tuple[Query[Any], ...]:
    """The facts that `decide` will look up."""
    if isinstance(event, InboxGrew | Recheck) and state.user is not None:
        news = inbox.news(state)
        contacts = (ContactsOf(state.name),) if isinstance(event, Recheck) else ()
        return (*((news,) if news else ()), *contacts)
    if not isinstance(event, Asked) or state.user is None:
        return ()
    match event.request:
        case Get():
            return me_get.needs(state, event)
        case Set():
            return me_set.needs(state, event, env)
        case Del(what="user"):
            return account.deletion_needs(state)
        case Del(what="cred"):
            return (CredentialsOf(state.name),)
        case Del(what="session"):
            return account.revoke_needs(state)
        case Acc():
            return account.update_needs(state, event, env)
        case _:
            return ()


def decide(state: MeState, event: Event, facts: Facts, env: Env) -> Decision:
    """What an event changes and causes; Refused if a request breaks a rule."""
    match event:
        case Asked():
            return _asked(state, event, facts, env)
        case Gone():
            return _gone(state, event, env)
        case Awake():
            return _awake(state, event)
        case Active():
            at = env.now + UA_DELAY if state.online else 0
            return Decision(effects=(Agent(event.user_agent, at),))
        case Woken():
            return _woken(state, env)
        case Presence():
            return Decision(effects=tuple(_presence(state, event)))
        case Deliver():
            return _deliver(state, event)
        case ContactChanged():
            return Decision(effects=tuple(_contact_changed(state, event, env)))
        case Introduce():
            return Decision(effects=tuple(_introduce(state, env)))
        case Confirmed():
            return me_set.confirmed(state, event.tag, env)
        case InboxGrew():
            return inbox.grew(state, facts, env)
        case Recheck():
            found = (*meeting.recheck(state, facts), *meeting.meet_again(state, env))
            return inbox.grew(state, facts, env) + Decision(effects=found)
        case NewLogin():
            return account.relogin(state, event, env)
        case _:
            return NOTHING  # notices for conversations


def _asked(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    if state.user is None:
        raise Refused(USER_NOT_FOUND)
    match asked.request:
        case Sub():
            return _sub(state, asked, env)
        case Leave():
            return _leave(state, asked, env)
        case Get():
            return me_get.get(state, asked, facts, env)
        case Set():
            return _set(state, asked, facts, env)
        case Pub():
            raise Refused(DENIED)
        case Note():
            return NOTHING
        case Del():
            return _del(state, asked, facts, env)
        case Acc():
            return account.update(state, asked, facts, env)
        case _:
            raise Refused(MALFORMED)


# --- sessions ----------------------------------------------------------------------------


def _sub(state: MeState, asked: Asked, env: Env) -> Decision:
    caller, request = asked.caller, cast(Sub, asked.request)
    if state.attached.get(caller.sid):
        raise Refused(ALREADY_SUBSCRIBED)
    if request.set and request.set.sub and request.set.sub.user:
        raise Refused(MALFORMED)
    item = Attached(
        caller.sid,
        caller.user,
        caller.level,
        background=caller.background,
        user_agent=caller.user_agent,
    )
    changes: tuple[Change, ...] = ()
    params = None
    user = _as_wished(state.account, request, env)
    if user != state.account:
        changes = (PutUser(user),)
    if user.want != state.account.want:
        params = {"acs": show(user.want, access.ME)}
    effects: list[Effect] = [reply(env, OK, asked, params=params)]
    mode = user.want & access.ME
    if mode & JOIN:
        effects.append(Attach(item))
        if not caller.background and not state.online and mode & PRES:
            effects.extend(_coming_online(state, caller.user_agent))
        if asked.quiet:
            effects.extend(meeting.returned(state, caller.sid, asked.shown, env))
    then = None
    if request.get is not None and asks(request.get, me_get.KNOWN) and mode & JOIN:
        query = attrs.asdict(request.get, recurse=False)
        then = structs.replace(asked, request=Get(id=request.id, topic=asked.named, **query))
    return Decision(changes, tuple(effects), then)


def _as_wished(user: User, request: Sub, env: Env) -> User:
    """The account after the {sub}: with another own mode or `private`, if it came with some."""
    part = request.set or SetQuery()
    want = user.want
    if part.sub and part.sub.mode:
        want = parse_mode(part.sub.mode)
        if want & OWNER:
            raise Refused(DENIED)
    elif not want & JOIN:  # someone who shut himself out comes back
        want = access.ME | user.auth
    private, changed = merge(user.private, part.desc.private if part.desc else None)
    if want == user.want and not changed:
        return user
    return structs.replace(user, want=want, private=private, updated=env.now)


def _coming_online(state: MeState, user_agent: str) -> tuple[Effect, ...]:
    return (Agent(user_agent, told=True), Online(True), Tell(state.name, Introduce()))


def _awake(state: MeState, event: Awake) -> Decision:
    """A background session has stayed: from now on it counts."""
    item = state.attached.get(event.sid)
    if item is None or not item.background:
        return NOTHING
    effects: tuple[Effect, ...] = (Attach(structs.replace(item, background=False)),)
    if not state.online and state.mode & PRES:
        effects += _coming_online(state, item.user_agent)
    return Decision(effects=effects)


def _leave(state: MeState, asked: Asked, env: Env) -> Decision:
    request = cast(Leave, asked.request)
    if state.attached.get(asked.caller.sid) is None:
        raise Refused(NOT_JOINED)
    if request.unsub:
        raise Refused(DENIED)
    answer = Decision(effects=(reply(env, OK, asked),))
    return answer + _departed(state, asked.caller.sid, asked.caller.user_agent, env)


def _gone(state: MeState, event: Gone, env: Env) -> Decision:
    if state.attached.get(event.sid) is None:
        return NOTHING
    return _departed(state, event.sid, event.user_agent, env)


def _departed(state: MeState, sid: str, user_agent: str, env: Env) -> Decision:
    """A session has left: when and with what the user was last seen is kept."""
    if state.user is None:
        return Decision(effects=(Detach(sid),))
    seen = SetSeen(state.name, env.now, user_agent)
    return Decision((seen,), (Detach(sid), *_next_agent(state, sid, env)))


def _next_agent(state: MeState, sid: str, env: Env) -> Iterator[Effect]:
    """Where the device in use is the one that goes, the latest of the others is it now."""
    left = state.attached.get(sid)
    others = [item.user_agent for item in state.attached if item.sid != sid]
    if left and others and left.user_agent == state.user_agent != others[-1]:
        yield Agent(others[-1], env.now + UA_DELAY if state.online else 0)


def _set(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    if not asked.unseated and state.attached.get(asked.caller.sid) is None:
        return me_set.set_part(state, asked, facts, env)
    first, rest = describe.split(asked)
    try:
        decision = me_set.set_part(state, first, facts, env)
    except Refused as no:
        decision = Decision(effects=(reply(env, no.answer, asked, params=no.params),))
    return structs.replace(decision, then=rest)


def _del(state: MeState, asked: Asked, facts: Facts, env: Env) -> Decision:
    request = cast(Del, asked.request)
    match request.what:
        case "user":
            return account.delete(state, asked, facts, env)
        case "topic":  # `me` ends with the account only; all sessions leave it
            return Decision(effects=(reply(env, OK, asked), *_left_by_all(state, asked, env)))
        case "cred" if not credentials.methods(env.settings):
            credentials.check_named(request.cred)
            return Decision(effects=(reply(env, NO_ACTION, asked),))  # there are none
        case "cred":
            return me_set.drop_cred(state, asked, request.cred, facts, env)
        case "session":
            return account.revoke(state, asked, facts, env)
        case "msg" | "sub":
            raise Refused(DENIED)
        case _:
            raise Refused(MALFORMED)


def _left_by_all(state: MeState, asked: Asked, env: Env) -> Iterator[Effect]:
    for item in state.attached:
        if item.sid != asked.caller.sid:
            yield Reply(item.sid, ctrl(env, EVICTED, topic="me", params={"unsub": True}))
        yield Detach(item.sid)


# --- presence ----------------------------------------------------------------------------


def _introduce(state: MeState, env: Env) -> Iterator[Effect]:
    """Say that the user is here, ask his peers whether they are, look which groups are."""
    if not state.online:
        return
    yield from me.announce(state, "on", state.user_agent, ask=True)
    for line in state.lines.values():
        if me.is_group(line) and not line.address.startswith("chn") and env.online(line.topic):
            yield from me.contact_on(state, line)


def _line_of(state: MeState, src: str) -> Line | None:
    if ids.is_user(src):
        return state.lines.get(ids.p2p_name(state.name, src)) if src != state.name else None
    return state.lines.get(src)


def _presence(state: MeState, event: Presence) -> Iterator[Effect]:
    line = _line_of(state, event.src)
    if line is None:
        return
    match event.what:
        case "on":
            yield from me.contact_on(state, line, event.user_agent)
            if event.ask and state.online and line.mode & JOIN:
                yield Tell(event.src, Presence(state.name, "on"))
        case "off":
            yield from me.contact_off(state, line, event.user_agent)
        case "ua" if line.told and state.mode & PRES:
            pres = Pres(topic="me", what="ua", src=line.address, ua=event.user_agent)
            yield from me.to_sessions(state, pres)
        case "upd" if line.mode & PRES and state.mode & PRES:
            yield from me.to_sessions(state, Pres(topic="me", what="upd", src=line.address))
        case _:
            pass  # news that this user does not want


def _deliver(state: MeState, event: Deliver) -> Decision:
    if not event.always and not state.mode & PRES:
        return NOTHING
    effects = tuple(me.to_sessions(state, event.packet, event.skip))
    line = _line_of(state, event.packet.src) if event.packet.what == "gone" else None
    if line is not None:
        effects += (Told(line.topic, False),)
    return Decision(effects=effects)


def _contact_changed(state: MeState, event: ContactChanged, env: Env) -> Iterator[Effect]:
    """A subscription began, changed or ended: keep the book, and presence with it."""
    old = state.lines.get(event.topic)
    if event.mode is None:
        if old is not None:
            yield Contacts(event.topic, None)
        return
    wanted = bool(event.mode & PRES)
    line = Line(event.topic, event.address, event.mode, bool(old and old.told))
    yield Contacts(event.topic, line)
    if not wanted and event.quiet:
        yield Told(event.topic, False)
    elif not wanted:
        yield from me.contact_off(state, line)
        if old is None and line.peer and state.online and line.mode & JOIN:
            yield Tell(line.peer, Presence(state.name, "on"))
    elif not line.told and state.online:
        if line.peer:
            yield Tell(line.peer, Presence(state.name, "on", ask=True))
        elif me.is_group(line) and line.address == line.topic and env.online(line.topic):
            yield from me.contact_on(state, line)


# --- time --------------------------------------------------------------------------------


def _woken(state: MeState, env: Env) -> Decision:
    """The last session left a while ago, or another device has been in use for a while."""
    if state.agent_at and env.now >= state.agent_at:
        news = state.online and state.user_agent != state.told_agent
        effects = tuple(me.announce(state, "ua", state.user_agent)) if news else ()
        return Decision(effects=(Agent(state.user_agent, told=True), *effects))
    if not state.off_at or env.now < state.off_at or state.attached.anyone_online:
        return NOTHING
    off: list[Effect] = []
    if state.online:
        off.append(Online(False))
        off.extend(me.announce(state, "off", state.user_agent))
    if not len(state.attached):
        off.append(Retire())
    return Decision(effects=tuple(off))
