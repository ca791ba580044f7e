"""{sub} and {leave}: coming to a topic, creating it, going away (protocol notes, 4.2-4.4, 5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from msgspec import structs

from .. import access, ids
from ..access import APPROVE, JOIN, OWNER, READ
from ..changes import Change, PutSubscription, PutTopic
from ..errors import (
    ALREADY_SUBSCRIBED,
    DENIED,
    MALFORMED,
    NOT_FOUND,
    OK,
    POLICY,
    TOPIC_NOT_FOUND,
    USE_OTHER,
    USER_NOT_FOUND,
    Refused,
)
from ..ids import Kind
from ..queries import Query, SubscriptionOf, UserById
from ..records import State, Subscription, Topic, User
from ..wire.client_packets import Get, Sub
from ..wire.client_parts import SetQuery
from ..wire.server_packets import Pres
from . import membership, meta, presence, tags, uploads
from .decision import NOTHING, Decision, Env, Facts, reply
from .effects import Attach, Attached, Effect, Online, Reply
from .events import Asked
from .merge import without_marks
from .modes import acs, parse_default, parse_mode
from .presence import ModeChange
from .state import HEARS, TopicState


def wants_reader(asked: Asked) -> bool:
    """Whether the topic was addressed as a channel."""
    return asked.named.startswith("chn")


def needs(state: TopicState, asked: Asked) -> tuple[Query[Any], ...]:
    """The facts for a {sub}."""
    user = asked.caller.user
    match state.kind:
        case Kind.P2P:
            peer = ids.p2p_peer(state.name, user)
            return (UserById(peer), UserById(user))
        case Kind.GROUP if wants_reader(asked):
            return (SubscriptionOf(asked.named, user),)
        case Kind.GROUP if state.topic is not None and state.member(user) is None:
            return (SubscriptionOf(state.name, user),)
        case _:
            return ()


def decide(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """Attach a session, creating the subscription or the topic where there is none."""
    request = asked.request
    assert isinstance(request, Sub)
    if state.attached.get(asked.caller.sid):
        raise Refused(ALREADY_SUBSCRIBED)
    if request.set and request.set.sub and request.set.sub.user:
        raise Refused(MALFORMED)
    decision = _by_kind(state, asked, facts, env)
    if request.get is None or not meta.asks(request.get):
        return decision
    query = attrs.asdict(request.get, recurse=False)
    named = _address(decision, asked)
    then = structs.replace(
        asked, request=Get(id=request.id, topic=named, **query), named=named, inside=True
    )
    return structs.replace(decision, then=then)


def _address(decision: Decision, asked: Asked) -> str:
    """The topic's final name, which a new group gets only now."""
    for effect in decision.effects:
        if isinstance(effect, Reply) and effect.sid == asked.caller.sid:
            return getattr(effect.packet, "topic", asked.named)
    return asked.named


def _by_kind(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    match state.kind:
        case Kind.P2P:
            return _p2p(state, asked, facts, env)
        case Kind.GROUP if state.topic is None:
            if asked.named[:3] not in ("new", "nch"):
                raise Refused(TOPIC_NOT_FOUND)
            return _new_group(state, asked, env)
        case Kind.GROUP if wants_reader(asked):
            return _reader(state, asked, facts, env)
        case Kind.GROUP:
            return _group(state, asked, facts, env)
        case Kind.SELF:
            return _self(state, asked, env)
        case Kind.SYS:
            return _sys(state, asked, env)
        case _:
            raise Refused(TOPIC_NOT_FOUND)


def _part(asked: Asked) -> SetQuery:
    request = asked.request
    assert isinstance(request, Sub)
    return request.set or SetQuery()


def _mode_text(asked: Asked) -> str:
    part = _part(asked)
    return part.sub.mode if part.sub else ""


# --- groups ------------------------------------------------------------------------------


def _new_group(state: TopicState, asked: Asked, env: Env) -> Decision:
    caller, part = asked.caller, _part(asked)
    desc = part.desc
    if desc and desc.trusted is not None and not caller.is_root:
        raise Refused(DENIED)
    chosen = tags.normal(part.tags or (), env.settings)
    if tags.restricted(chosen, env.settings):
        raise Refused(DENIED)
    want = access.FULL
    if text := _mode_text(asked):
        want = parse_mode(text)
        if want & (JOIN | OWNER) != JOIN | OWNER:
            raise Refused(DENIED)
    defacs = desc.defacs if desc else None
    channel = asked.named.startswith("nch")
    auth = access.CHANNEL_AUTH if channel else access.GROUP_AUTH
    topic = Topic(
        name=state.name,
        created=env.now,
        updated=env.now,
        touched=env.now,
        owner=caller.user,
        channel=channel,
        auth=parse_default(defacs.auth if defacs else "", auth) & ~OWNER,
        anon=parse_default(defacs.anon if defacs else "", access.NONE) & ~OWNER,
        public=without_marks(desc.public) if desc else None,
        trusted=without_marks(desc.trusted) if desc else None,
        tags=chosen,
    )
    sub = _new_sub(state.name, caller.user, want, access.FULL, asked, env)
    picture = uploads.linked(state.name, 0, asked.attachments) if topic.public else ()
    claims = tags.claims(state.name, chosen, env.settings)
    changes: tuple[Change, ...] = (*claims, PutTopic(topic), PutSubscription(sub), *picture)
    params = {"acs": acs(sub), "tmpname": asked.named}
    return Decision(changes) + _attach(
        state, asked, env, sub, params=params, old=None, named=state.name
    )


def _group(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    sub = _who_returns(state, asked.caller.user)
    if sub is None:
        return _join(state, asked, facts, env)
    restored = sub.given | _default(state.record, asked) & ~OWNER
    return _return(state, asked, env, sub, restored)


def _who_returns(state: TopicState, user: str) -> Subscription | None:
    """His row: as it is stored, but that who gave up `J` and comes back in time did not."""
    sub = state.stored(user)
    return sub if sub and sub.want & JOIN else state.member(user)


def _return(
    state: TopicState, asked: Asked, env: Env, sub: Subscription, restored: int
) -> Decision:
    """A member attaches again, his mode changed or not.

    `restored`: what he wants from now on if he had given up J and asks for no mode.
    """
    if not sub.given & JOIN:
        raise Refused(DENIED)
    if text := _mode_text(asked):
        change = membership.own_mode(state, sub, parse_mode(text), env)
    elif not sub.want & JOIN:
        change = membership.Change((structs.replace(sub, want=restored, updated=env.now),))
    else:
        change = membership.Change((sub,))
    return _attach_again(state, asked, env, sub, change)


def _attach_again(
    state: TopicState,
    asked: Asked,
    env: Env,
    sub: Subscription,
    change: membership.Change,
) -> Decision:
    new = _with_private(change.subscription, asked, env)
    params = {"acs": acs(new)} if (new.want, new.given) != (sub.want, sub.given) else None
    stored = state.stored(new.user)  # perhaps with a mode that was not yet in force
    changes: tuple[Change, ...] = ()
    if new != sub or new.user in state.promises:
        changes = change.changes_with(new)
    attach = _attach(state, asked, env, new, params=params, old=sub, more=change)
    return Decision(changes, tuple(_taken_back(state, asked, stored, sub))) + attach


def _taken_back(
    state: TopicState, asked: Asked, stored: Subscription | None, sub: Subscription
) -> Iterator[Effect]:
    """His other sessions were told of a mode that does not come into force."""
    if stored is not None and (stored.want, stored.given) != (sub.want, sub.given):
        pres = Pres(topic="me", what="acs", dacs=presence.dacs(stored, sub))
        yield presence.on_me(state, sub.user, pres, always=True, skip_sid=asked.caller.sid)


def _default(topic: Topic, asked: Asked) -> int:
    return topic.anon if asked.caller.level <= access.Level.ANON else topic.auth


def _join(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    caller, topic = asked.caller, state.record
    former: Subscription | None = facts[SubscriptionOf(state.name, caller.user)]
    default = _default(topic, asked)
    given = former.given if former else default
    if not given & JOIN:
        raise Refused(DENIED)
    want = default
    if text := _mode_text(asked):
        want = parse_mode(text)  # also more than is given: the admins are told
    if sum(1 for _ in state.members()) >= env.settings.limits.topic_subscribers:
        raise Refused(POLICY)
    sub = _new_sub(state.name, caller.user, want, given & ~OWNER, asked, env)
    return Decision((PutSubscription(sub),)) + _attach(
        state, asked, env, sub, params={"acs": acs(sub)}, old=None
    )


def _new_sub(topic: str, user: str, want: int, given: int, asked: Asked, env: Env) -> Subscription:
    desc = _part(asked).desc
    return Subscription(
        topic=topic,
        user=user,
        created=env.now,
        updated=env.now,
        want=want,
        given=given,
        private=without_marks(desc.private) if desc else None,
    )


def _with_private(sub: Subscription, asked: Asked, env: Env) -> Subscription:
    """`set.desc.private` is the one description that {sub} changes on an existing topic."""
    desc = _part(asked).desc
    if desc is None or desc.private is None:
        return sub
    private, changed = membership.merged_private(sub, desc.private)
    return structs.replace(sub, private=private, updated=env.now) if changed else sub


def _reader(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    caller, topic = asked.caller, state.record
    if not topic.channel:
        raise Refused(NOT_FOUND)
    if state.member(caller.user):
        raise Refused(USE_OTHER, {"topic": state.name})
    old: Subscription | None = facts[SubscriptionOf(asked.named, caller.user)]
    if old and not old.deleted and not old.given & JOIN:
        raise Refused(DENIED)
    reader = access.CHANNEL_READER
    asked_for = parse_mode(text) if (text := _mode_text(asked)) else reader
    want = asked_for & reader | JOIN | READ  # who comes to read may be without P, no less
    if old is None or old.deleted:
        sub = _new_sub(asked.named, caller.user, want, reader, asked, env)
        if old is not None and sub.private is None:
            sub = structs.replace(sub, private=old.private)
        counted = structs.replace(topic, readers=topic.readers + 1)
        changes: tuple[Change, ...] = (PutSubscription(sub), PutTopic(counted))
    else:
        sub = _with_private(old, asked, env)
        if _mode_text(asked) or not sub.want & JOIN:
            sub = structs.replace(sub, want=want, updated=env.now)
        changes = (PutSubscription(sub),) if sub != old else ()
    params = None if caller.user in state.readers else {"acs": acs(sub)}
    return Decision(changes) + _attach(state, asked, env, sub, params=params, old=old)


# --- conversations of two ----------------------------------------------------------------


def _p2p(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    sub = _who_returns(state, asked.caller.user)
    if facts[UserById(ids.p2p_peer(state.name, asked.caller.user))] is None:
        raise Refused(USER_NOT_FOUND)
    if sub is None:
        return _new_p2p(state, asked, facts, env)
    restored = (sub.given | sub.want) & membership.p2p_mask(env) | APPROVE
    return _return(state, asked, env, sub, restored)


def _new_p2p(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    caller = asked.caller
    peer_id = ids.p2p_peer(state.name, caller.user)
    user: User | None = facts[UserById(caller.user)]
    peer: User | None = facts[UserById(peer_id)]
    if peer is None or user is None:
        raise Refused(USER_NOT_FOUND)
    if peer.state is State.SUSPENDED:
        raise Refused(DENIED)
    mine, theirs = _p2p_modes(state, asked, user, peer, env)
    if not mine.given & JOIN:
        raise Refused(DENIED)
    changes: list[Change] = []
    if state.topic is None:
        topic = Topic(state.name, created=env.now, updated=env.now, touched=env.now)
        changes.append(PutTopic(topic))
    changes.append(PutSubscription(mine))
    change = membership.Change((mine,))
    if theirs is not None:
        changes.append(PutSubscription(theirs))
        change = attrs.evolve(change, others=(ModeChange(None, theirs, caller.user),))
    return Decision(tuple(changes)) + _attach(
        state, asked, env, mine, params={"acs": acs(mine)}, old=None, more=change
    )


def _p2p_modes(
    state: TopicState, asked: Asked, user: User, peer: User, env: Env
) -> tuple[Subscription, Subscription | None]:
    """The rows of a new conversation (protocol notes, 4.3). One that ended is taken up again
    with its modes, so that a peer's ban outlives the leaving.
    """
    mask = membership.p2p_mask(env)
    caller = asked.caller
    default = peer.anon if caller.level <= access.Level.ANON else peer.auth
    own = _offered(asked, user) & mask
    theirs_given = own | APPROVE
    given = mask if caller.is_root else default
    if text := _mode_text(asked):
        want = membership.masked_p2p(parse_mode(text), env)
    else:
        want = theirs_given if theirs_given & JOIN else given
    mine = _new_sub(state.name, user.id, want, given, asked, env)
    if (former := state.subs.get(user.id)) is not None:
        mine = structs.replace(
            mine,
            given=former.given,
            want=mine.want if _mode_text(asked) else former.want | JOIN,
            private=mine.private or former.private,
        )
    if state.subs.get(peer.id) is not None:
        return mine, None  # the peer is still here, or has left: his row stays as it is
    want2 = (peer.auth if caller.level > access.Level.ANON else peer.anon) & mask | APPROVE
    theirs = Subscription(
        topic=state.name,
        user=peer.id,
        created=env.now,
        updated=env.now,
        want=want2,
        given=theirs_given,
    )
    return mine, theirs


def _offered(asked: Asked, user: User) -> int:
    """What the one who starts lets the other do."""
    desc = _part(asked).desc
    text = desc.defacs.auth if desc and desc.defacs else ""
    return parse_default(text, user.auth)


# --- slf, sys ----------------------------------------------------------------------------


def _self(state: TopicState, asked: Asked, env: Env) -> Decision:
    sub = state.member(asked.caller.user)
    if sub is not None:
        text = _mode_text(asked)
        change = membership.Change((sub,))
        if text:
            change = membership.own_mode(state, sub, parse_mode(text), env)
        return _attach_again(state, asked, env, sub, change)
    topic = Topic(state.name, env.now, env.now, env.now, owner=asked.caller.user, auth=access.SELF)
    sub = _new_sub(state.name, asked.caller.user, access.SELF, access.FULL, asked, env)
    params = {"acs": acs(sub)}
    return Decision((PutTopic(topic), PutSubscription(sub))) + _attach(
        state, asked, env, sub, params=params, old=None
    )


def _sys(state: TopicState, asked: Asked, env: Env) -> Decision:
    if not asked.caller.is_root:
        raise Refused(DENIED)
    sub = state.member(asked.caller.user)
    changes: tuple[Change, ...] = ()
    if sub is None:
        mode = access.SYS_ROOT
        sub = _new_sub(state.name, asked.caller.user, mode, mode, asked, env)
        changes = (PutSubscription(sub),)
    return Decision(changes) + _attach(state, asked, env, sub, params=None, old=sub)


# --- attaching ---------------------------------------------------------------------------


def _attach(
    state: TopicState,
    asked: Asked,
    env: Env,
    sub: Subscription,
    *,
    params: Mapping[str, object] | None,
    old: Subscription | None,
    more: membership.Change | None = None,
    named: str = "",
) -> Decision:
    """The session's answer, its place in the table, and what others hear of both."""
    caller = asked.caller
    reader = wants_reader(asked)
    effects: list[Effect] = [reply(env, OK, asked, topic=named or asked.named, params=params)]
    joined = bool(sub.mode & JOIN)
    item = Attached(caller.sid, caller.user, caller.level, reader, caller.background)
    came = tuple(arrival(state, item)) if joined else ()
    if joined:
        effects.append(Attach(item, sub if reader else None))
        # Before the news of the membership: who hears of it looks whether the topic is online.
        effects.extend(effect for effect in came if isinstance(effect, Online))
    main = ModeChange(old, sub, caller.user, caller.sid, reader, quiet=reader)
    change = more or membership.Change((sub,))
    effects.extend(membership.told(state, change, main, caller.sid if joined else ""))
    if joined:
        effects.extend(effect for effect in came if not isinstance(effect, Online))
    else:
        effects.extend(membership.evict(state, caller.user, env, unsub=False))
    return Decision(effects=tuple(effects))


def arrival(state: TopicState, item: Attached) -> Iterator[Effect]:
    """A foreground session came: the first of its user, the first of the topic?"""
    if item.background or item.reader or state.kind is not Kind.GROUP:
        return
    if not state.attached.is_online(item.user):
        sids = state.holders(HEARS, skip_sid=item.sid)
        yield from presence.on_topic(state, sids, "on", src=item.user)
    if not state.online:
        yield Online(True)
        yield from presence.members_notice(state, "on")


def awake(state: TopicState, sid: str) -> Decision:
    """A background session has stayed: from now on it counts."""
    item = state.attached.get(sid)
    if item is None or not item.background:
        return NOTHING
    item = structs.replace(item, background=False)
    return Decision(effects=(Attach(item), *arrival(state, item)))
