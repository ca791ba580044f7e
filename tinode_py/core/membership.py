"""Changing who may do what in a topic: own wishes, others' rights, removal, bans, ownership.

The rules are those of the protocol notes, 4.4 and 4.5. Functions here decide about rows;
`presence` knows who is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from msgspec import structs

from .. import access, changes, ids
from ..access import APPROVE, DELETE, JOIN, OWNER
from ..changes import PutSubscription, PutTopic
from ..errors import (
    DENIED,
    EVICTED,
    MALFORMED,
    NO_ACTION,
    NOT_MODIFIED,
    OK,
    POLICY,
    USER_NOT_FOUND,
    Refused,
)
from ..ids import Kind
from ..queries import Query, SubscriptionOf, UserById
from ..records import State, Subscription, Topic, User
from ..wire.client_parts import SetSub
from ..wire.server_packets import Pres
from . import inbox, presence
from .decision import Decision, Env, Facts, ctrl, reply
from .effects import Detach, Effect, Reply
from .events import Asked
from .merge import merge
from .modes import acs, parse_mode
from .presence import ModeChange
from .seats import seat
from .state import TopicState


def p2p_mask(env: Env) -> int:
    return access.p2p_mask(delete_enabled=env.settings.messages.p2p_delete)


def masked_p2p(mode: int, env: Env) -> int:
    """A mode that a client asks for in a conversation of two: `A` cannot be given up."""
    if mode & OWNER:
        raise Refused(DENIED)
    return given_p2p(mode, env)


def given_p2p(mode: int, env: Env) -> int:
    """A mode in a conversation of two that is given to the other: excess letters fall away."""
    return mode & p2p_mask(env) | APPROVE


@attrs.frozen
class Change:
    """The rows after a change of mode: the one in question first, then others it entails."""

    rows: tuple[Subscription, ...]
    topic: Topic | None = None
    others: tuple[ModeChange, ...] = ()

    @property
    def subscription(self) -> Subscription:
        return self.rows[0]

    def changes_with(self, first: Subscription) -> tuple[changes.Change, ...]:
        """The durable changes, with the first row in its final form."""
        rows = tuple(PutSubscription(row) for row in (first, *self.rows[1:]))
        return rows + ((PutTopic(self.topic),) if self.topic else ())


def own_mode(state: TopicState, sub: Subscription, asked: int, env: Env) -> Change:
    """What becomes of a user's subscription if he asks for a mode."""
    if state.kind is Kind.P2P:
        return Change((structs.replace(sub, want=masked_p2p(asked, env), updated=env.now),))
    if ids.is_channel(sub.topic):
        if asked & OWNER:
            raise Refused(DENIED)
        want = asked & access.CHANNEL_READER
        return Change((structs.replace(sub, want=want, updated=env.now),))
    if state.record.owner == sub.user:
        if not asked & JOIN or not asked & OWNER:
            raise Refused(DENIED)
    elif asked & OWNER:
        if not sub.given & OWNER:
            raise Refused(DENIED)
        return _transfer(state, sub, asked, env)
    given = sub.given
    if sub.mode & APPROVE:  # who may raise others may raise himself
        given |= asked & ~(OWNER | DELETE)
    return Change((structs.replace(sub, want=asked, given=given, updated=env.now),))


def _transfer(state: TopicState, sub: Subscription, asked: int, env: Env) -> Change:
    """The chosen successor accepts: the old owner keeps all rights but this one."""
    new = structs.replace(sub, want=asked, updated=env.now)
    topic = structs.replace(state.record, owner=sub.user)
    old = state.stored(state.record.owner)
    if old is None:
        return Change((new,), topic)
    after = structs.replace(old, want=old.want & ~OWNER, given=old.given & ~OWNER, updated=env.now)
    return Change((new, after), topic, (ModeChange(old, after, sub.user),))


def told(state: TopicState, change: Change, main: ModeChange, came: str = "") -> Iterator[Effect]:
    """Who hears of a change, and of those that it entails. `came`: the session that asks, where
    it attaches with this very request.
    """
    down = frozenset(item.new.user for item in change.others if not item.new.mode & access.ADMIN)
    accepted = change.topic is not None  # becoming the owner; else nobody's rights were his to see
    seat = (came,) if came and accepted else ()
    for item in change.others:
        yield from presence.mode_changed(state, attrs.evolve(item, came=seat))
    yield from presence.mode_changed(state, attrs.evolve(main, stepped_down=down))


def merged_private(sub: Subscription, private: bytes) -> tuple[bytes | None, bool]:
    return merge(sub.private, private)


# --- {set sub} ---------------------------------------------------------------------------


def needs(state: TopicState, target: str) -> tuple[Query[Any], ...]:
    """The facts for a change of somebody's mode."""
    if not target or state.member(target) is not None:
        return ()
    return (UserById(target), SubscriptionOf(state.name, target))


def set_sub(state: TopicState, asked: Asked, part: SetSub, facts: Facts, env: Env) -> Decision:
    """{set sub}: one's own mode, or what is given to someone else."""
    target = part.user or asked.caller.user
    if target == asked.caller.user:
        return _set_own(state, asked, part, env)
    return _set_other(state, asked, part, facts, env)


def _own_row(state: TopicState, asked: Asked) -> Subscription | None:
    item = seat(state, asked)
    if (item and item.reader) or asked.named.startswith("chn"):
        return state.readers.get(asked.caller.user)
    return state.member(asked.caller.user)


def _set_own(state: TopicState, asked: Asked, part: SetSub, env: Env) -> Decision:
    caller = asked.caller
    sub = _own_row(state, asked)
    if sub is None:
        raise Refused(DENIED)
    if not part.mode:
        raise Refused(NOT_MODIFIED)
    change = own_mode(state, sub, parse_mode(part.mode), env)
    new = change.subscription
    if (new.want, new.given) == (sub.want, sub.given):
        raise Refused(NOT_MODIFIED)
    reader = ids.is_channel(sub.topic)
    main = ModeChange(sub, new, caller.user, caller.sid, reader)
    effects: list[Effect] = [*told(state, change, main)]
    if not new.mode & JOIN and sub.mode & JOIN:
        effects.extend(evict(state, caller.user, env, unsub=False))
    effects.append(reply(env, OK, asked, params={"acs": acs(new)}))
    return Decision(change.changes_with(new), tuple(effects))


def _set_other(state: TopicState, asked: Asked, part: SetSub, facts: Facts, env: Env) -> Decision:
    actor = state.member(asked.caller.user)
    mode = actor.mode if actor else 0
    if not mode & (access.ADMIN if not part.mode else APPROVE | OWNER):
        raise Refused(DENIED)
    if not ids.is_user(part.user):
        raise Refused(MALFORMED)
    if state.kind not in (Kind.P2P, Kind.GROUP):
        raise Refused(DENIED)
    if state.kind is Kind.P2P and part.user not in ids.p2p_users(state.name):
        raise Refused(DENIED)
    old = state.stored(part.user)
    new = _invited(state, part, facts, env) if old is None else regiven(state, old, part, env)
    if part.mode and new.given & OWNER and state.record.owner != asked.caller.user:
        raise Refused(DENIED)
    effects: list[Effect] = [
        *presence.mode_changed(state, ModeChange(old, new, asked.caller.user, asked.caller.sid))
    ]
    if not new.given & JOIN:
        effects.extend(evict(state, new.user, env, unsub=False))
    params = {"acs": acs(new), "user": new.user}
    effects.append(reply(env, OK, asked, params=params))
    decision = Decision((PutSubscription(new),), tuple(effects))
    modes = acs(new)
    shown = {"want": modes.want, "given": modes.given, "mode": modes.mode}
    kind = "invite" if old is None else "acs"
    return inbox.with_notices(
        decision, state, (new.user,), kind, env, act=asked.caller.user, acs=shown
    )


def regiven(state: TopicState, old: Subscription, part: SetSub, env: Env) -> Subscription:
    """What becomes of a subscription if somebody who may do so gives it a mode."""
    if not part.mode:
        raise Refused(NOT_MODIFIED)
    given = parse_mode(part.mode)
    if state.kind is Kind.P2P:
        given = given_p2p(given, env)
    elif old.user == state.record.owner:
        raise Refused(DENIED)
    if given == old.given:
        raise Refused(NOT_MODIFIED)
    want = old.want
    if given & OWNER and not old.given & OWNER:
        want &= ~OWNER  # who is to be the next owner says so after he was chosen
    return structs.replace(old, want=want, given=given, updated=env.now)


def _invited(state: TopicState, part: SetSub, facts: Facts, env: Env) -> Subscription:
    user: User | None = facts[UserById(part.user)]
    former: Subscription | None = facts[SubscriptionOf(state.name, part.user)]
    if user is None:
        raise Refused(USER_NOT_FOUND)
    if user.state is State.SUSPENDED or not user.auth & JOIN:
        raise Refused(DENIED)
    if state.kind is Kind.GROUP:
        if sum(1 for _ in state.members()) >= env.settings.limits.topic_subscribers:
            raise Refused(POLICY)
        given = parse_mode(part.mode) if part.mode else state.record.auth | JOIN
    else:
        given = given_p2p(parse_mode(part.mode), env) if part.mode else p2p_mask(env)
    if not given & JOIN:
        raise Refused(DENIED)  # an invitation to stay out
    return Subscription(
        topic=state.name,
        user=user.id,
        created=env.now,
        updated=env.now,
        want=(former.want if former else user.auth & given) & ~OWNER,
        given=given,
        private=former.private if former else None,
    )


# --- removal -----------------------------------------------------------------------------


def remove(state: TopicState, asked: Asked, target: str, env: Env) -> Decision:
    """{del sub}: put a member out; he may come back with what was given to him."""
    caller = asked.caller
    actor = state.member(caller.user)
    if actor is None or not actor.mode & (APPROVE | OWNER) or state.kind is not Kind.GROUP:
        raise Refused(DENIED)
    if not ids.is_user(target) or target in (caller.user, state.record.owner):
        raise Refused(DENIED)
    sub = state.stored(target)
    if sub is None:
        return Decision(effects=(reply(env, NO_ACTION, asked),))
    if not sub.want & JOIN:
        raise Refused(DENIED)  # a self-banned member must stay to stay banned
    done = structs.replace(sub, deleted=env.now, updated=env.now)
    effects: list[Effect] = [
        *evict(state, target, env, unsub=True),
        gone_on_me(state, sub),
        *presence.ended(state, sub, caller.user, origin=caller.sid),
        presence.contact_changed(state, done),
        reply(env, OK, asked),
    ]
    decision = Decision((PutSubscription(done),), tuple(effects))
    return inbox.with_notices(decision, state, (target,), "removed", env, act=caller.user)


def evict(
    state: TopicState, user: str, env: Env, *, unsub: bool, skip_sid: str = ""
) -> Iterator[Effect]:
    """Detach a user's sessions and say so, in the words that clients compare."""
    for sid in state.attached.of(user):
        if sid == skip_sid:
            continue
        item = state.attached.get(sid)
        address = state.address(user, reader=bool(item and item.reader))
        yield Reply(sid, ctrl(env, EVICTED, topic=address, params={"unsub": unsub}))
        yield Detach(sid)


def gone_on_me(
    state: TopicState, sub: Subscription, *, skip_sid: str = "", reader: bool = False
) -> Effect:
    """The user's sessions on `me` forget the topic."""
    return presence.on_me(
        state,
        sub.user,
        Pres(topic="me", what="gone"),
        always=True,
        everywhere=True,
        skip_sid=skip_sid,
        reader=reader,
    )
