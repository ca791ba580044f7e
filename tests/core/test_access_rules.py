"""Who may change whose mode, held against a few sentences of the protocol notes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tests.core.world import ANN, BOB, CAT, GROUP, PAIR, START
from tinode_py import access
from tinode_py.access import APPROVE, DELETE, JOIN, OWNER, SHARE
from tinode_py.config import Settings
from tinode_py.core import membership, presence
from tinode_py.core.decision import Env
from tinode_py.core.effects import Reply
from tinode_py.core.events import Asked, Caller
from tinode_py.core.state import TopicState
from tinode_py.errors import DENIED, NOT_MODIFIED, Refused
from tinode_py.queries import Query, SubscriptionOf, UserById
from tinode_py.records import Subscription, Topic, User
from tinode_py.wire.client_packets import Set
from tinode_py.wire.client_parts import SetSub
from tinode_py.wire.parts import Acs
from tinode_py.wire.server_packets import Ctrl

ENV = Env(Settings(), START, lambda name: False)
LETTERS = [1 << bit for bit in range(8)]
ASKED = sorted({0, 255, 7, 47, 63, 127, *LETTERS, *(255 - bit for bit in LETTERS)})
SOME = sorted({access.parse_set(x) for x in ("J", "JRW", "JRWPS", "JRWPA", "RWP", "JRWPASDO", "")})


def group(*subs: Subscription, name: str = GROUP) -> TopicState:
    state = TopicState(name)
    state.load(Topic(name, START, START, owner=ANN if name == GROUP else ""), subs)
    return state


def row(user: str, want: int, given: int, name: str = GROUP) -> Subscription:
    return Subscription(name, user, START, START, want, given)


@pytest.mark.parametrize("want", SOME)
def test_ones_own_wish(want: int):
    """A wish is granted as far as it is given; who may raise others may raise himself."""
    for given in range(256):
        sub = row(BOB, want, given)
        state = group(row(ANN, 255, 255), sub)
        for asked in ASKED:
            if asked & OWNER and not given & OWNER:
                with pytest.raises(Refused):
                    membership.own_mode(state, sub, asked, ENV)
                continue
            change = membership.own_mode(state, sub, asked, ENV)
            raised = asked & ~(OWNER | DELETE) if want & given & APPROVE else 0
            transfer = bool(asked & OWNER)
            assert change.subscription.want == asked
            assert change.subscription.given == (given if transfer else given | raised)
            assert (change.topic is not None) == transfer


def test_the_owner_stays_and_stays_owner():
    sub = row(ANN, 255, 255)
    state = group(sub)
    for asked in range(256):
        if asked & (JOIN | OWNER) == JOIN | OWNER:
            assert membership.own_mode(state, sub, asked, ENV).subscription.want == asked
        else:
            with pytest.raises(Refused):
                membership.own_mode(state, sub, asked, ENV)


def test_a_successor_takes_over():
    old, new = row(ANN, 255, 255), row(BOB, 47, 255)
    change = membership.own_mode(group(old, new), new, 255, ENV)
    assert change.topic is not None
    assert change.topic.owner == BOB
    assert [(sub.user, access.text(sub.mode)) for sub in change.rows] == [
        (BOB, "JRWPASDO"),
        (ANN, "JRWPASD"),
    ]


def test_in_a_conversation_of_two_a_wish_is_masked():
    sub = row(ANN, 31, 31, PAIR)
    state = group(sub, name=PAIR)
    for asked in range(256):
        if asked & OWNER:
            with pytest.raises(Refused):
                membership.own_mode(state, sub, asked, ENV)
        else:
            want = membership.own_mode(state, sub, asked, ENV).subscription.want
            assert want == asked & access.parse_set("JRWPAD") | APPROVE


def given_to(state: TopicState, actor: str, target: str, mode: str) -> int | Refused:
    """What {set sub} makes of somebody's given mode."""
    request = Set(topic=GROUP, sub=SetSub(target, mode))
    asked = Asked(Caller("s", actor, access.Level.AUTH, actor), request, GROUP)
    facts: dict[Query[Any], Any] = {
        UserById(target): User(target, START, START),
        SubscriptionOf(GROUP, target): None,
    }
    part = request.sub
    assert part is not None
    try:
        decision = membership.set_sub(state, asked, part, facts, ENV)
    except Refused as no:
        return no
    (reply,) = (effect for effect in decision.effects if isinstance(effect, Reply))
    assert isinstance(reply.packet, Ctrl)
    assert reply.packet.params is not None
    return access.parse(reply.packet.params["acs"].given)


@pytest.mark.parametrize("actor_is_owner", [False, True])
def test_what_one_gives_to_others(actor_is_owner: bool):
    """With a mode it takes A or O; O is the owner's to give; what is so already is no change."""
    old = access.parse_set("JRW")
    for mode in range(256):
        actor = ANN if actor_is_owner else CAT
        state = group(row(ANN, 255, 255), row(BOB, 47, old), row(CAT, 255, mode & ~OWNER))
        if actor_is_owner:
            state.subs[ANN] = row(ANN, 255, mode | OWNER)
        for asked in (0, old, JOIN, 47, 127, OWNER | 47, 255):
            result = given_to(state, actor, BOB, access.text(asked))
            if not actor_is_owner and (not mode & APPROVE or asked & OWNER):
                assert isinstance(result, Refused)
                assert result.answer in (DENIED, NOT_MODIFIED)
            elif asked == old:
                assert isinstance(result, Refused)
                assert result.answer == NOT_MODIFIED
            else:
                assert result == asked


def test_inviting_takes_s_a_or_o():
    for mode in range(128):
        state = group(row(ANN, 255, 255), row(CAT, 255, mode))
        state.topic = structs.replace(state.record, auth=access.GROUP_AUTH)
        result = given_to(state, CAT, BOB, "")
        if mode & (SHARE | APPROVE | OWNER):
            assert result == access.GROUP_AUTH
        else:
            assert isinstance(result, Refused)


def test_nobody_changes_what_the_owner_is_given():
    state = group(row(ANN, 255, 255), row(CAT, 127, 127))
    assert isinstance(given_to(state, CAT, ANN, "JR"), Refused)


def test_deltas():
    for old in range(256):
        for new in range(256):
            text = access.delta(old, new)
            added = text.partition("-")[0].removeprefix("+")
            removed = text.partition("-")[2]
            assert (old | access.parse_set(added)) & ~access.parse_set(removed) == new


def test_a_newcomer_hears_the_full_modes_even_if_they_are_none():
    assert presence.dacs(None, row(BOB, 0, 0)) == Acs(want="N", given="N")
    former = structs.replace(row(BOB, 47, 47), deleted=START)
    assert presence.dacs(former, row(BOB, 47, 0)) == Acs(want="JRWPS", given="N")
    assert presence.dacs(row(BOB, 0, 47), row(BOB, 7, 3)) == Acs(want="JRW", given="-WPS")
    assert presence.dacs(row(BOB, 47, 47), former) == Acs(want="N", given="N")
