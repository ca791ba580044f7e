"""The `fnd` topic: finding people and groups by their tags (protocol notes, 9).

The public query belongs to one session and is lost when it leaves; the private one is kept
and serves all sessions of the user that have none of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import attrs
import msgspec
from msgspec import structs

from .. import access, ids
from ..access import JOIN, OWNER, Level
from ..changes import Change, PutFindQuery, PutSubscription
from ..config import Settings
from ..errors import (
    ALREADY_SUBSCRIBED,
    ATTACH_FIRST,
    DENIED,
    EVICTED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_JOINED,
    NOT_MODIFIED,
    OK,
    Refused,
)
from ..queries import FindByTags, FindQueryOf, OwnerOfTag, Query, SubscriptionOf, UserById
from ..records import Found, Subscription
from ..wire.client_packets import Del, Get, Leave, Note, Set, Sub
from ..wire.client_parts import SetSub
from ..wire.parts import Acs, Json, Time
from ..wire.server_packets import Pres
from ..wire.server_parts import Desc, SubRow
from . import describe, fitting, outside, rewrite, tags
from . import query as language
from .decision import NOTHING, Decision, Env, Facts, ctrl, reply
from .effects import Attach, Attached, Detach, Effect, Kept, Reply, Retire, Tell
from .events import Asked, Deliver, Event, Gone, Woken
from .find_state import CLEARED, FindState
from .merge import is_delete
from .meta import answer, asks, empty, json, listing, time, unmodified, words
from .modes import parse_mode, show, show_defaults

MOST = 1024  # rows in one result


def rows(name: str) -> tuple[Query[Any], ...]:
    """What must be fetched to load a `fnd` topic."""
    user = ids.owner_of(name)
    return UserById(user), FindQueryOf(user), SubscriptionOf(name, user)


def needs(state: FindState, event: Event, env: Env) -> tuple[Query[Any], ...]:
    """The facts that `decide` will look up."""
    if not isinstance(event, Asked) or not isinstance(event.request, Get):
        return ()
    if not state.attached.get(event.caller.sid):
        return ()
    asked_for = event.request.what.split()
    found: list[Query[Any]] = []
    if "sub" in asked_for and (search := _search(state, event, env)):
        found.append(search)
    if "tags" in asked_for and (tag := _single(state, event, env)):
        found.append(OwnerOfTag(tag))
    return tuple(found)


def _terms(state: FindState, asked: Asked, env: Env) -> language.Terms | None:
    """What a session searches for; None if that is nothing that there can be."""
    parsed = language.parse(state.wanted(asked.caller.sid))
    if parsed is None:
        return None
    where = rewrite.country(asked.caller.language, env.settings)
    found = rewrite.rewritten(parsed, where, env.settings)
    return found if found.required or found.optional else None


def search(
    text: str, spoken: str, user: str, level: Level, settings: Settings
) -> FindByTags | None:
    """What finds users and groups by a query as people type it; None if that can find nothing.

    `spoken` is the asker's language. Refused (403) for a namespace that is masked.
    """
    parsed = language.parse(text)
    if parsed is None:
        return None
    terms = rewrite.rewritten(parsed, rewrite.country(spoken, settings), settings)
    if rewrite.is_masked(terms, settings):
        raise Refused(DENIED)
    if not (terms.required or terms.optional):
        return None
    root = level is Level.ROOT
    return FindByTags(terms.required, terms.optional, user, root, MOST)


def _search(state: FindState, asked: Asked, env: Env) -> FindByTags | None:
    parsed = _terms(state, asked, env)
    if parsed is None or rewrite.is_masked(parsed, env.settings):
        return None
    return FindByTags(
        required=parsed.required,
        optional=parsed.optional,
        exclude=asked.caller.user,
        any_state=asked.caller.is_root,
        limit=MOST,
    )


def _single(state: FindState, asked: Asked, env: Env) -> str:
    """The tag about which {get tags} asks whether it is taken, and by whom; "" if that is no
    tag with a namespace, or none that may be searched for.
    """
    tag = state.wanted(asked.caller.sid).strip()
    if not tags.is_prefixed(tag) or tags.namespace(tag) in env.settings.tags.masked:
        return ""
    return tag


def decide(state: FindState, event: Event, facts: Facts, env: Env) -> Decision:
    """What an event changes and causes; Refused if a request breaks a rule."""
    match event:
        case Asked():
            return _asked(state, event, facts, env)
        case Gone() if state.attached.get(event.sid):
            return Decision(effects=(Detach(event.sid),))
        case Woken() if state.off_at and env.now >= state.off_at and not len(state.attached):
            return Decision(effects=(Retire(),))
        case _:
            return NOTHING


def _asked(state: FindState, asked: Asked, facts: Facts, env: Env) -> Decision:
    attached = state.attached.get(asked.caller.sid)
    match asked.request:
        case Sub():
            return _sub(state, asked, env)
        case Get():
            return _get(state, asked, facts, env)
        case Note():
            return NOTHING
        case Leave(unsub=unsub) if attached is None:
            raise Refused(ATTACH_FIRST if unsub else NOT_JOINED)
        case Leave(unsub=False):
            return Decision(effects=(reply(env, OK, asked), Detach(asked.caller.sid)))
        case Set() if attached is not None:
            return _set(state, asked, env)
        case Set():
            return _set_outside(state, asked, env)
        case Del(what="topic"):
            return _left_by_all(state, asked, env)
        case _:
            raise Refused(DENIED)


def _sub(state: FindState, asked: Asked, env: Env) -> Decision:
    caller, request = asked.caller, cast(Sub, asked.request)
    if state.attached.get(caller.sid):
        raise Refused(ALREADY_SUBSCRIBED)
    item = Attached(
        caller.sid,
        caller.user,
        caller.level,
        background=caller.background,
        user_agent=caller.user_agent,
    )
    part = request.set.sub if request.set else None
    want = state.want
    if part and part.mode:
        want = _wished(part.mode)
    elif not want & JOIN:  # someone who shut himself out comes back
        want = access.ME
    attach = (Attach(item),) if want & JOIN else ()
    then = None
    if attach and request.get is not None and asks(request.get):
        query = attrs.asdict(request.get, recurse=False)
        then = structs.replace(asked, request=Get(id=request.id, topic=asked.named, **query))
    if want == state.want:
        return Decision(effects=(reply(env, OK, asked), *attach), then=then)
    told = _mode_told(state, asked, want)
    answered = reply(env, OK, asked, params={"acs": show(want, access.ME)})
    return Decision((_put_mode(state, asked, want, env),), (answered, *attach, *told), then)


# --- the own mode, which nobody but its user sees ----------------------------------------


def _wished(text: str) -> int:
    want = parse_mode(text)
    if want & OWNER:
        raise Refused(DENIED)
    return want


def _mode(state: FindState, asked: Asked, part: SetSub, env: Env) -> Decision:
    """{set sub}: without J nobody is here."""
    if part.user not in ("", asked.caller.user):
        raise Refused(DENIED)
    want = _wished(part.mode) if part.mode else state.want
    if want == state.want:
        raise Refused(NOT_MODIFIED)
    effects: list[Effect] = [*_mode_told(state, asked, want)]
    if not want & JOIN:
        for item in state.attached:
            packet = ctrl(env, EVICTED, topic="fnd", params={"unsub": False})
            effects.extend((Reply(item.sid, packet), Detach(item.sid)))
    effects.append(reply(env, OK, asked, params={"acs": show(want, access.ME)}))
    return Decision((_put_mode(state, asked, want, env),), tuple(effects))


def _put_mode(state: FindState, asked: Asked, want: int, env: Env) -> PutSubscription:
    sub = Subscription(state.name, asked.caller.user, env.now, env.now, want, access.ME)
    return PutSubscription(sub)


def _mode_told(state: FindState, asked: Asked, want: int) -> Iterator[Effect]:
    """The user's other sessions learn of it: those that are here, and those on `me`."""
    was, own = state.want, asked.caller.sid
    dacs = Acs(want=access.delta(was, want) if was else access.text(want))
    here = tuple(item.sid for item in state.attached if item.sid != own)
    for sid in here:
        yield Reply(sid, Pres(topic="fnd", what="acs", dacs=dacs))
    pres = Pres(topic="me", what="acs", src="fnd", dacs=dacs)
    yield Tell(asked.caller.user, Deliver(pres, frozenset({own, *here}), always=True))


def _set(state: FindState, asked: Asked, env: Env) -> Decision:
    first, rest = describe.split(asked)
    part = cast(Set, first.request)
    if part.sub is not None:
        return structs.replace(_mode(state, asked, part.sub, env), then=rest)
    if part.desc is None:
        decision = Decision(effects=(reply(env, NOT_ALLOWED, asked),))
        return structs.replace(decision, then=rest)
    changes: tuple[Change, ...] = ()
    effects: list[Effect] = []
    public, private = part.desc.public, part.desc.private
    if public is not None:
        text = CLEARED if is_delete(public) else bytes(public)
        effects.append(Kept(asked.caller.sid, text))
    if private is not None:
        query = None if is_delete(private) else bytes(private)
        changes = (PutFindQuery(asked.caller.user, query),)
    done = OK if effects or changes else NOT_MODIFIED
    effects.append(reply(env, done, asked))
    if changes:
        effects.append(_told_on_me(asked))
    return Decision(changes, tuple(effects), rest)


def _set_outside(state: FindState, asked: Asked, env: Env) -> Decision:
    """{set} without being attached: the private query and the own mode."""
    request = cast(Set, asked.request)
    no = outside.refusal(request, asked.caller.user)
    if no is not NOT_FOUND:
        raise Refused(no)
    changes: list[Change] = []
    effects: list[Effect] = []
    params = None
    if request.sub and request.sub.mode and (want := _wished(request.sub.mode)) != state.want:
        changes.append(_put_mode(state, asked, want, env))
        params = {"acs": show(want, access.ME)}
    if request.desc and (private := request.desc.private) is not None:
        query = None if is_delete(private) else bytes(private)
        changes.append(PutFindQuery(asked.caller.user, query))
        effects.append(_told_on_me(asked))
    if not changes:
        raise Refused(NOT_MODIFIED)
    return Decision(tuple(changes), (reply(env, OK, asked, params=params), *effects))


def _told_on_me(asked: Asked) -> Effect:
    """The user's other sessions learn that his private query has changed."""
    caller = asked.caller
    pres = Pres(topic="me", what="upd", src="fnd")
    return Tell(caller.user, Deliver(pres, frozenset({caller.sid})))


def _left_by_all(state: FindState, asked: Asked, env: Env) -> Decision:
    """{del topic}: `fnd` ends with the account only; all sessions leave it."""
    effects: list[Effect] = [reply(env, OK, asked)]
    for item in state.attached:
        if item.sid != asked.caller.sid:
            packet = ctrl(env, EVICTED, topic="fnd", params={"unsub": True})
            effects.append(Reply(item.sid, packet))
        effects.append(Detach(item.sid))
    return Decision(effects=tuple(effects))


def _get(state: FindState, asked: Asked, facts: Facts, env: Env) -> Decision:
    request = cast(Get, asked.request)
    found = words(request)
    if not state.attached.get(asked.caller.sid):
        return _from_outside(state, asked, found, env)
    effects: list[Effect] = []
    for word in found:
        match word:
            case "desc":
                effects.append(answer(asked, env, desc=_desc(state, asked)))
            case "sub":
                effects.append(_sub_answer(state, asked, facts, env))
            case "tags":
                effects.append(_tags_answer(state, asked, facts, env))
            case "data":
                effects.append(reply(env, DENIED, asked))
            case "del":
                effects.append(empty(env, asked, "del"))
            case _:
                effects.append(reply(env, NOT_ALLOWED, asked))
    return Decision(effects=tuple(effects))


def _desc(state: FindState, asked: Asked) -> Desc:
    at = state.user.created if state.user else 0
    shares = state.want & access.ME & access.ADMIN
    return Desc(
        created=time(at),
        updated=time(at),
        touched=time(at),
        defacs=show_defaults(access.NONE, access.NONE) if shares else None,
        acs=show(state.want, access.ME),
        public=json(state.public.get(asked.caller.sid)),
        private=json(state.query),
    )


def _sub_answer(state: FindState, asked: Asked, facts: Facts, env: Env) -> Effect:
    query = listing(asked)
    terms = _terms(state, asked, env)
    if terms is not None and rewrite.is_masked(terms, env.settings):
        return reply(env, DENIED, asked)
    search = _search(state, asked, env)
    found: tuple[Found, ...] = facts[search] if search else ()
    rows = tuple(_rows(found, asked.caller.level, query.ims))
    return answer(asked, env, sub=fitting.rows(rows, env)) if rows else empty(env, asked, "sub")


def _rows(found: tuple[Found, ...], level: Level, ims: Time | None) -> Iterator[SubRow]:
    anonymous = level <= Level.ANON
    modes: dict[int, Acs] = {}  # there are few, and few sets of tags: they are shared by rows
    matched: dict[tuple[str, ...], Json] = {}
    for item in found:
        mode = item.anon if anonymous else item.auth
        if item.channel:
            mode = access.CHANNEL_READER
        if mode not in modes:
            modes[mode] = Acs(mode=access.text(mode))
        if item.tags not in matched:
            matched[item.tags] = Json(msgspec.json.encode(item.tags))
        new = item.name.startswith("grp") or not unmodified(ims, item.updated)
        yield SubRow(
            topic=ids.channel_of(item.name) if item.channel else item.name,
            updated=time(item.updated),
            acs=modes[mode],
            subcnt=item.members,
            public=json(item.public) if new else None,
            trusted=json(item.trusted) if new else None,
            private=matched[item.tags],
        )


def _tags_answer(state: FindState, asked: Asked, facts: Facts, env: Env) -> Effect:
    tag = _single(state, asked, env)
    owner: str | None = facts[OwnerOfTag(tag)] if tag else None
    return answer(asked, env, tags=(owner,)) if owner else empty(env, asked, "tags")


def _from_outside(state: FindState, asked: Asked, found: tuple[str, ...], env: Env) -> Decision:
    if found == ("desc",):
        raise Refused(MALFORMED)
    if "desc" not in found and "sub" not in found:
        raise Refused(DENIED)
    at = state.user.created if state.user else 0
    own = SubRow(user=asked.caller.user, updated=time(at), acs=show(state.want, access.ME))
    return Decision(effects=(answer(asked, env, sub=(own,)),))
