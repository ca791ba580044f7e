"""Coming to a conversation of two, which the first to come makes (protocol notes, 4.3)."""

from __future__ import annotations

import attrs
from msgspec import structs

from .. import access, ids
from ..access import APPROVE, JOIN
from ..changes import Change, PutSubscription, PutTopic
from ..errors import DENIED, USER_NOT_FOUND, Refused
from ..queries import UserById
from ..records import State, Subscription, Topic, User
from . import membership
from .attach import attach, come_back, mode_text, new_sub, set_part, who_returns
from .decision import Decision, Env, Facts
from .events import Asked
from .modes import acs, parse_default, parse_mode
from .presence import ModeChange
from .state import TopicState


def to_peer(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """One of the two attaches, and the conversation begins if there was none."""
    sub = who_returns(state, asked.caller.user)
    if facts[UserById(ids.p2p_peer(state.name, asked.caller.user))] is None:
        raise Refused(USER_NOT_FOUND)
    if sub is None:
        return _new_p2p(state, asked, facts, env)
    restored = (sub.given | sub.want) & membership.p2p_mask(env) | APPROVE
    return come_back(state, asked, env, sub, restored)


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
    return Decision(tuple(changes)) + attach(
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
    if text := mode_text(asked):
        want = membership.masked_p2p(parse_mode(text), env)
    else:
        want = theirs_given if theirs_given & JOIN else given
    mine = new_sub(state.name, user.id, want, given, asked, env)
    if (former := state.subs.get(user.id)) is not None:
        mine = structs.replace(
            mine,
            given=former.given,
            want=mine.want if mode_text(asked) else former.want | JOIN,
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
    desc = set_part(asked).desc
    text = desc.defacs.auth if desc and desc.defacs else ""
    return parse_default(text, user.auth)
