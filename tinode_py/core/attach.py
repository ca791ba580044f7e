"""Attaching: a session's place in a topic's table, its answer, and what others hear of it.

What comes before, who may and with which mode, is in `subscribe` and its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import structs

from ..access import JOIN
from ..changes import Change
from ..errors import DENIED, OK, Refused
from ..ids import Kind
from ..records import Subscription
from ..wire.client_packets import Sub
from ..wire.client_parts import SetQuery
from ..wire.server_packets import Pres
from . import membership, presence
from .decision import NOTHING, Decision, Env, reply
from .effects import Attach, Attached, Effect, Online
from .events import Asked
from .merge import without_marks
from .modes import acs, parse_mode
from .presence import ModeChange
from .state import HEARS, TopicState


def wants_reader(asked: Asked) -> bool:
    """Whether the topic was addressed as a channel."""
    return asked.named.startswith("chn")


def set_part(asked: Asked) -> SetQuery:
    """What a {sub} asks to change on the way in."""
    request = asked.request
    assert isinstance(request, Sub)
    return request.set or SetQuery()


def mode_text(asked: Asked) -> str:
    """The mode that a {sub} asks for, or ""."""
    part = set_part(asked)
    return part.sub.mode if part.sub else ""


def who_returns(state: TopicState, user: str) -> Subscription | None:
    """His row: as it is stored, but that who gave up `J` and comes back in time did not."""
    sub = state.stored(user)
    return sub if sub and sub.want & JOIN else state.member(user)


def come_back(
    state: TopicState, asked: Asked, env: Env, sub: Subscription, restored: int
) -> Decision:
    """A member attaches again, his mode changed or not.

    `restored`: what he wants from now on if he had given up J and asks for no mode.
    """
    if not sub.given & JOIN:
        raise Refused(DENIED)
    if text := mode_text(asked):
        change = membership.own_mode(state, sub, parse_mode(text), env)
    elif not sub.want & JOIN:
        change = membership.Change((structs.replace(sub, want=restored, updated=env.now),))
    else:
        change = membership.Change((sub,))
    return attach_again(state, asked, env, sub, change)


def attach_again(
    state: TopicState,
    asked: Asked,
    env: Env,
    sub: Subscription,
    change: membership.Change,
) -> Decision:
    new = with_private(change.subscription, asked, env)
    params = {"acs": acs(new)} if (new.want, new.given) != (sub.want, sub.given) else None
    stored = state.stored(new.user)  # perhaps with a mode that was not yet in force
    changes: tuple[Change, ...] = ()
    if new != sub or new.user in state.promises:
        changes = change.changes_with(new)
    attached = attach(state, asked, env, new, params=params, old=sub, more=change)
    return Decision(changes, tuple(_taken_back(state, asked, stored, sub))) + attached


def _taken_back(
    state: TopicState, asked: Asked, stored: Subscription | None, sub: Subscription
) -> Iterator[Effect]:
    """His other sessions were told of a mode that does not come into force."""
    if stored is not None and (stored.want, stored.given) != (sub.want, sub.given):
        pres = Pres(topic="me", what="acs", dacs=presence.dacs(stored, sub))
        yield presence.on_me(state, sub.user, pres, always=True, skip_sid=asked.caller.sid)


def new_sub(topic: str, user: str, want: int, given: int, asked: Asked, env: Env) -> Subscription:
    desc = set_part(asked).desc
    return Subscription(
        topic=topic,
        user=user,
        created=env.now,
        updated=env.now,
        want=want,
        given=given,
        private=without_marks(desc.private) if desc else None,
    )


def with_private(sub: Subscription, asked: Asked, env: Env) -> Subscription:
    """`set.desc.private` is the one description that {sub} changes on an existing topic."""
    desc = set_part(asked).desc
    if desc is None or desc.private is None:
        return sub
    private, changed = membership.merged_private(sub, desc.private)
    return structs.replace(sub, private=private, updated=env.now) if changed else sub


def attach(
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
