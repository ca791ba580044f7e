"""The table of attached sessions: what is kept beside it equals what a search would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tinode_py.access import JOIN, PRES, READ, Level
from tinode_py.changes import PutSubscription
from tinode_py.core import leave
from tinode_py.core.decision import Decision
from tinode_py.core.effects import Attach, Attached, Broadcast, Detach, Forget
from tinode_py.core.events import Gone
from tinode_py.core.state import HEARS, TopicState
from tinode_py.records import Subscription, Topic

USERS = [f"usr{letter * 11}" for letter in "ABC"]
NAME = "grp" + "A" * 11
MODES = (JOIN, JOIN | READ, JOIN | PRES, JOIN | READ | PRES)

users = st.sampled_from(USERS)
sids = st.sampled_from([f"s{n}" for n in range(6)])
steps = st.one_of(
    st.tuples(st.just("attach"), sids, users, st.booleans()),
    st.tuples(st.just("detach"), sids),
    st.tuples(st.just("mode"), users, st.sampled_from(MODES)),
    st.tuples(st.just("forget"), users),
)


def group() -> TopicState:
    state = TopicState(NAME)
    subs = [
        Subscription(NAME, user, 1, 1, JOIN | READ | PRES, JOIN | READ | PRES) for user in USERS
    ]
    state.load(Topic(NAME, 1, 1, 1, owner=USERS[0]), subs)
    return state


def attach(state: TopicState, sid: str, user: str, *, background: bool = False) -> None:
    state.follow(Attach(Attached(sid, user, Level.AUTH, background=background)))


def take(state: TopicState, step: tuple[object, ...]) -> None:
    match step:
        case ("attach", str(sid), str(user), bool(background)):
            attach(state, sid, user, background=background)
        case ("detach", str(sid)):
            state.follow(Detach(sid))
        case ("mode", str(user), int(mode)):
            state.apply(PutSubscription(Subscription(NAME, user, 1, 1, mode, mode)))
        case ("forget", str(user)):
            state.follow(Forget(user))


@given(st.lists(steps, max_size=30))
def test_who_hears_is_who_would_be_found(schedule: list[tuple[object, ...]]) -> None:
    state = group()
    for step in schedule:
        take(state, step)
        items = list(state.attached)
        found = {item.sid for item in items if state.mode(item) & HEARS == HEARS}
        assert set(state.holders(HEARS)) == found
        for user in USERS:
            mine = [item for item in items if item.user == user]
            assert set(state.attached.of(user)) == {item.sid for item in mine}
            assert state.attached.count(user) == sum(not item.background for item in mine)
        assert state.attached.anyone_online == any(not item.background for item in items)


def told(decision: Decision) -> list[tuple[str, tuple[str, ...]]]:
    found = [effect for effect in decision.effects if isinstance(effect, Broadcast)]
    return [(effect.packet.src, effect.sids) for effect in found]


def test_who_goes_together_is_told_of_by_one_packet_a_user() -> None:
    state = group()
    for sid, user in (("a1", 0), ("a2", 0), ("b1", 1), ("b2", 1), ("c1", 2)):
        attach(state, sid, USERS[user])
    decision = leave.gone(state, Gone("a1", others=("b1", "a2", "unknown")))
    assert told(decision) == [(USERS[0], ("b2", "c1"))]  # a session of the second one stays
    gone = [effect.sid for effect in decision.effects if isinstance(effect, Detach)]
    assert gone == ["a1", "b1", "a2"]


def test_nobody_is_told_when_all_go() -> None:
    state = group()
    for n, user in enumerate(USERS):
        attach(state, f"s{n}", user)
    assert told(leave.gone(state, Gone("s0", others=("s1", "s2")))) == []
