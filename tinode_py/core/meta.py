"""{get} on p2p conversations, groups, `slf` and `sys` (protocol notes, 5.6 and 5.7).

Every word of `what` is answered by itself: a {meta}, {data} packets with a closing {ctrl}, or
a {ctrl} 204 that names the word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import attrs

from .. import ids
from ..access import ADMIN, JOIN, PRES, READ, SHARE
from ..errors import (
    DENIED,
    MALFORMED,
    NO_CONTENT,
    NOT_ALLOWED,
    Refused,
)
from ..ids import Kind
from ..queries import (
    DeletionsIn,
    MembersOf,
    Query,
    UserById,
    UsersById,
)
from ..records import Deletions, Message, Subscription, Topic, User
from ..wire.client_packets import Get
from ..wire.client_parts import GetQuery, GetSub
from ..wire.parts import Acs, Json, Time
from ..wire.server_packets import Data, Meta
from ..wire.server_parts import DelValues, Desc, Seen, SubRow
from . import fitting, pages, ranges, seats
from .decision import Decision, Env, Facts, reply
from .effects import Attached, Effect, Page, Reply
from .events import Asked
from .modes import acs, show, show_defaults
from .state import TopicState

PAGE = 100  # deletions in one answer
WORDS = ("desc", "sub", "data", "del", "tags", "cred", "aux")
AFTER_SUB = ("desc", "sub", "tags", "cred", "aux", "data", "del")


def words(request: Get, known: tuple[str, ...] = WORDS) -> tuple[str, ...]:
    """What is asked for, in the order in which it is answered; Refused if nothing known is."""
    asked = set(request.what.split())
    found = tuple(word for word in known if word in asked)
    if not found:
        raise Refused(MALFORMED)
    return found


def asks(query: GetQuery, known: tuple[str, ...] = WORDS) -> bool:
    """Whether a {sub} asks for anything that there is; unknown words in it are no error."""
    return any(word in known for word in query.what.split())


def json(text: bytes | None) -> Json | None:
    return None if text is None else Json(text)


def time(at: int) -> Time | None:
    return Time(at) if at else None


# --- facts -------------------------------------------------------------------------------


def needs(state: TopicState, asked: Asked) -> tuple[Query[Any], ...]:
    """The facts for a {get}; none where it will be refused."""
    request = asked.request
    assert isinstance(request, Get)
    user = asked.caller.user
    found: list[Query[Any]] = []
    asked_for = request.what.split()
    if "desc" in asked_for and state.kind is Kind.P2P:
        found.append(UserById(ids.p2p_peer(state.name, user)))
    if "sub" in asked_for:
        found.extend(_needs_members(state, request))
    if "data" in asked_for and (page := pages.wanted(state, asked)):
        found.append(page)
    if "del" in asked_for:
        found.append(_deletions(state, asked))
    return tuple(found)


def _needs_members(state: TopicState, request: Get) -> Iterator[Query[Any]]:
    if state.kind is not Kind.GROUP:
        return
    yield UsersById(tuple(sorted(_listed(state, _narrowed(request.sub or GetSub())))))
    if request.sub and request.sub.ims is not None:
        yield MembersOf(state.name, former=True)


def _listed(state: TopicState, query: GetSub) -> set[str]:
    found = {sub.user for sub in state.members()} | set(state.readers)
    return found & {query.user} if query.user else found


def _deletions(state: TopicState, asked: Asked) -> DeletionsIn:
    query = cast(Get, asked.request).del_
    since, before, limit = (query.since, query.before, query.limit) if query else (0, 0, 0)
    bound = min(limit, PAGE) if limit > 0 else PAGE
    return DeletionsIn(state.name, asked.caller.user, max(since, 0), max(before, 0), bound)


# --- answers -----------------------------------------------------------------------------


def get(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """Answer a {get} of a session that is attached; for others there is `outside`."""
    request = asked.request
    assert isinstance(request, Get)
    effects: list[Effect] = []
    for word in words(request):
        try:
            effects.extend(_PARTS[word](state, asked, facts, env))
        except Refused as no:
            effects.append(reply(env, no.answer, asked, params=no.params))
    return Decision(effects=tuple(effects))


def empty(env: Env, asked: Asked, what: str) -> Reply:
    return reply(env, NO_CONTENT, asked, params={"what": what})


def answer(asked: Asked, env: Env, **parts: object) -> Reply:
    request = cast(Get, asked.request)
    meta = Meta(ts=Time(env.now), topic=asked.named, id=request.id, **parts)  # type: ignore[arg-type]
    return Reply(asked.caller.sid, meta)


def seat(state: TopicState, asked: Asked) -> Attached | None:
    """As what the session asks: attached, or with a {sub} that attached nobody."""
    caller = asked.caller
    item = seats.seat(state, asked)
    if item is None and asked.inside and state.member(caller.user):
        return Attached(caller.sid, caller.user, caller.level)
    return item


def _mode(state: TopicState, asked: Asked) -> int:
    item = seat(state, asked)
    return state.mode(item) if item else 0


def unmodified(ims: Time | None, updated: int) -> bool:
    return ims is not None and ims >= updated


def member_count(state: TopicState) -> int:
    return sum(1 for _ in state.members()) + (state.topic.readers if state.topic else 0)


def _desc(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    query = cast(Get, asked.request).desc
    if query and (query.user or query.limit):
        raise Refused(MALFORMED)
    yield answer(asked, env, desc=describe(state, asked, facts, query.ims if query else None, env))


def describe(state: TopicState, asked: Asked, facts: Facts, ims: Time | None, env: Env) -> Desc:
    """{meta desc} for a session that is attached."""
    topic, user = state.record, asked.caller.user
    item = seat(state, asked)
    sub = state.subscription(item) if item else None
    if item is None or sub is None:
        raise Refused(DENIED)
    peer: User | None = None
    public, trusted, updated = topic.public, topic.trusted, topic.updated
    if state.kind is Kind.P2P:
        peer = facts[UserById(ids.p2p_peer(state.name, user))]
        public, trusted = (peer.public, peer.trusted) if peer else (None, None)
        updated = max(updated, peer.updated) if peer else updated
    stale = not unmodified(ims, max(updated, sub.updated))
    desc = Desc(
        created=time(topic.created) if ims is None else None,
        updated=time(updated),
        touched=time(topic.touched),
        online=state.kind is Kind.GROUP and bool(sub.mode & PRES) and state.attached.anyone_online,
        chan=topic.channel,
        acs=acs(sub),
        public=json(public) if stale else None,
        trusted=json(trusted) if stale else None,
        private=json(sub.private) if stale else None,
        subcnt=member_count(state) if state.kind is Kind.GROUP else 0,
        seen=_seen(peer, sub, env),
    )
    if state.kind is Kind.SELF or (state.kind is Kind.GROUP and sub.mode & ADMIN):
        desc = attrs.evolve(desc, defacs=show_defaults(topic.auth, topic.anon))
    return _with_counters(desc, topic, sub, reader=item.reader)


def _with_counters(desc: Desc, topic: Topic, sub: Subscription, *, reader: bool) -> Desc:
    if not sub.mode & READ:
        return attrs.evolve(desc, touched=desc.updated)
    desc = attrs.evolve(desc, seq=topic.seq, clear=max(topic.delid, sub.clear))
    return desc if reader else attrs.evolve(desc, read=sub.read, recv=sub.recv)


def _seen(peer: User | None, sub: Subscription, env: Env) -> Seen | None:
    """When a peer who is not there now was there last, for those who follow his presence."""
    if peer is None or not sub.mode & PRES or not peer.last_seen or env.online(peer.id):
        return None
    return Seen(Time(peer.last_seen), peer.user_agent)


def _sub(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    query = listing(asked)
    rows = tuple(_rows(state, asked, facts, query))
    if query.limit > 0:
        rows = rows[: query.limit]
    yield answer(asked, env, sub=fitting.rows(rows, env)) if rows else empty(env, asked, "sub")


def listing(asked: Asked) -> GetSub:
    """To what a {get sub} narrows its rows; Refused if it means messages."""
    query = cast(Get, asked.request).sub or GetSub()
    if query.since or query.before:
        raise Refused(MALFORMED)
    return _narrowed(query)


def _narrowed(query: GetSub) -> GetSub:
    """A user's name that can be none narrows nothing."""
    return query if ids.is_user(query.user) else attrs.evolve(query, user="")


def _rows(state: TopicState, asked: Asked, facts: Facts, query: GetSub) -> Iterator[SubRow]:
    user = asked.caller.user
    if state.kind is Kind.SELF:
        return
    item = seat(state, asked)
    own = state.subscription(item) if item else None
    if item is None or own is None:
        raise Refused(DENIED)
    people: dict[str, User] = {}
    if state.kind is Kind.GROUP:
        people = facts[UsersById(tuple(sorted(_listed(state, query))))]
    if item.reader:
        subs = [own]
    else:
        subs = [s for s in state.members() if not query.user or s.user == query.user]
    sees_all = bool(own.mode & ADMIN)
    seen = state.kind is Kind.GROUP and bool(own.mode & PRES)
    for sub in subs:
        mine = sub.user == user
        shown = sees_all or mine or bool(sub.mode & (ADMIN & ~SHARE))
        yield member_row(state, sub, people.get(sub.user), query, own=mine, acs=shown, seen=seen)
    if query.ims is not None and state.kind is Kind.GROUP and not item.reader:
        yield from _ended_rows(facts[MembersOf(state.name, former=True)], query)


def member_row(
    state: TopicState,
    sub: Subscription,
    person: User | None,
    query: GetSub,
    *,
    own: bool,
    acs: bool,
    seen: bool,
) -> SubRow:
    updated = max(sub.updated, person.updated if person else 0)
    stale = not unmodified(query.ims, updated)
    reads = sub.mode & (JOIN | READ) == JOIN | READ
    return SubRow(
        user=sub.user,
        updated=time(sub.updated),
        online=seen and _is_here(state, sub),
        acs=show(sub.want, sub.given) if acs else Acs(),
        read=sub.read if reads else 0,
        recv=sub.recv if reads else 0,
        clear=sub.clear if own and reads else 0,
        public=json(person.public) if person and stale else None,
        trusted=json(person.trusted) if person and stale else None,
        private=json(sub.private) if own and stale else None,
    )


def _is_here(state: TopicState, sub: Subscription) -> bool:
    return state.attached.is_online(sub.user)


def _ended_rows(subs: tuple[Subscription, ...], query: GetSub) -> Iterator[SubRow]:
    for sub in subs:
        if sub.deleted > (query.ims or 0) and (not query.user or query.user == sub.user):
            yield SubRow(user=sub.user, deleted=time(sub.deleted), acs=Acs())


def _data(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    query = cast(Get, asked.request).data
    item = seat(state, asked)
    if item is None or not state.mode(item) & READ:
        raise Refused(DENIED)
    if query and (query.ims is not None or query.user or query.topic):
        raise Refused(MALFORMED)
    page = pages.wanted(state, asked)
    messages = fitting.messages(facts[page], env) if page else ()
    if not messages:
        yield empty(env, asked, "data")
        return
    yield Page(asked.caller.sid, asked.named, messages, item.reader)
    yield Reply(asked.caller.sid, pages.delivered(asked, messages, env))


def to_data(message: Message, address: str, *, reader: bool = False) -> Data:
    """A message as somebody sees it; channel readers are not told who wrote."""
    return Data(
        topic=address,
        seq=message.seq,
        ts=Time(message.ts),
        content=Json(message.content),
        from_="" if reader else message.sender,
        head=json(message.head),
    )


def _del(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    query = cast(Get, asked.request).del_
    if query and query.ims is not None:
        raise Refused(MALFORMED)
    found: Deletions | None = facts[_deletions(state, asked)]
    if found is None or not _mode(state, asked) & READ:
        yield empty(env, asked, "del")
        return
    values = DelValues(clear=found.clear, delseq=ranges.to_wire(found.ranges))
    yield answer(asked, env, del_=values)


def _tags(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    if state.kind is not Kind.GROUP:
        raise Refused(NOT_ALLOWED)
    if state.record.owner != asked.caller.user:
        raise Refused(DENIED)
    found = state.record.tags
    yield answer(asked, env, tags=found) if found else empty(env, asked, "tags")


def _cred(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    raise Refused(NOT_ALLOWED)


def _aux(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    if state.kind not in (Kind.P2P, Kind.GROUP, Kind.SELF):
        raise Refused(NOT_ALLOWED)
    aux = state.record.aux
    if aux in (None, b"{}"):
        yield empty(env, asked, "aux")
    else:
        yield answer(asked, env, aux=json(aux))


_PARTS: dict[str, Callable[[TopicState, Asked, Facts, Env], Iterator[Effect]]] = {
    "desc": _desc,
    "sub": _sub,
    "data": _data,
    "del": _del,
    "tags": _tags,
    "cred": _cred,
    "aux": _aux,
}
