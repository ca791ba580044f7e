"""The `fnd` topic: finding people and groups by their tags (protocol notes, 9).

The public query belongs to one session and is lost when it leaves; the private one is kept
and serves all sessions of the user that have none of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import attrs
import msgspec

from .. import access, ids
from ..access import Level
from ..changes import Change, PutFindQuery
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
from ..queries import FindByTags, FindQueryOf, OwnerOfTag, Query, UserById
from ..records import Found, User
from ..wire.packets import Acs, Del, Desc, Get, Json, Leave, Note, Pres, Set, Sub, SubRow, Time
from . import describe, rewrite, tags
from . import query as language
from .decision import (
    NOTHING,
    Asked,
    Attach,
    Attached,
    Decision,
    Deliver,
    Detach,
    Effect,
    Env,
    Event,
    Facts,
    Gone,
    Kept,
    Reply,
    Retire,
    Tell,
    Woken,
    ctrl,
    reply,
)
from .merge import is_delete
from .meta import answer, asks, empty, json, listing, time, unmodified, words
from .modes import show, show_defaults
from .state import Attachments

MOST = 1024  # rows in one result
CLEARED = b"null"  # what a public query reads as once it was deleted


@attrs.define
class FindState:
    """A user's `fnd`: his persistent query, and those of the sessions that are here."""

    name: str
    user: User | None = None
    query: bytes | None = None
    public: dict[str, bytes] = attrs.field(factory=dict)
    attached: Attachments = attrs.field(factory=Attachments)
    online: bool = False
    off_at: int = 0

    @property
    def is_void(self) -> bool:
        """Whether there is nothing of this name."""
        return self.user is None

    @property
    def wake_at(self) -> int:
        """When something is due here; 0: nothing is."""
        return self.off_at

    def load(self, user: User | None, query: bytes | None) -> None:
        """Take the rows of the store; sessions and their queries stay."""
        self.user = user
        self.query = query

    def apply(self, change: Change) -> None:
        match change:
            case PutFindQuery() if change.user == ids.owner_of(self.name):
                self.query = change.query
            case _:
                pass  # nothing else is kept here

    def follow(self, effect: Effect) -> None:
        """Keep the table in step with the effects that are carried out."""
        match effect:
            case Attach():
                self.attached.add(effect.attached)
                self.off_at = 0
            case Detach():
                self.attached.remove(effect.sid)
                self.public.pop(effect.sid, None)
            case Kept():
                self.public[effect.sid] = effect.query
            case _:
                pass  # the rest concerns others

    def address(self, user: str, *, reader: bool = False) -> str:
        """The topic as its user calls it."""
        return ids.seen_by(self.name, user)

    def wanted(self, sid: str) -> str:
        """The query in force for a session, "" if there is none."""
        text = self.public.get(sid)
        if text is None or text == CLEARED:
            text = self.query
        value = msgspec.json.decode(text) if text else ""
        return value if isinstance(value, str) else ""


def rows(name: str) -> tuple[Query[Any], Query[Any]]:
    """What must be fetched to load a `fnd` topic."""
    user = ids.owner_of(name)
    return UserById(user), FindQueryOf(user)


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
    """The tag about which {get tags} asks whether it is taken, and by whom; "" if that is none
    of which there is one.
    """
    tag = state.wanted(asked.caller.sid).strip()
    return tag if tags.unique((tag,), env.settings) else ""


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
    then = None
    if request.get is not None and asks(request.get):
        query = attrs.asdict(request.get, recurse=False)
        then = attrs.evolve(asked, request=Get(id=request.id, topic=asked.named, **query))
    return Decision(effects=(reply(env, OK, asked), Attach(item)), then=then)


def _set(state: FindState, asked: Asked, env: Env) -> Decision:
    first, rest = describe.split(asked)
    part = cast(Set, first.request)
    if part.desc is None:
        decision = Decision(effects=(reply(env, NOT_ALLOWED, asked),))
        return attrs.evolve(decision, then=rest)
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
    """{set} without being attached: the private query only."""
    request = cast(Set, asked.request)
    no = describe.refusal_outside(request, asked.caller.user)
    private = request.desc.private if request.desc else None
    if no is not NOT_FOUND or private is None:
        raise Refused(no if no is not NOT_FOUND else NOT_ALLOWED)
    query = None if is_delete(private) else bytes(private)
    changes = (PutFindQuery(asked.caller.user, query),)
    return Decision(changes, (reply(env, OK, asked), _told_on_me(asked)))


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
    return Desc(
        created=time(at),
        updated=time(at),
        touched=time(at),
        defacs=show_defaults(access.NONE, access.NONE),
        acs=show(access.ME, access.ME),
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
    return answer(asked, env, sub=rows) if rows else empty(env, asked, "sub")


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
    own = SubRow(user=asked.caller.user, updated=time(at), acs=show(access.ME, access.ME))
    return Decision(effects=(answer(asked, env, sub=(own,)),))
