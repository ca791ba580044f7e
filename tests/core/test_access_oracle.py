"""Every operation under every mode, wanted (256) by given (256), beside the oracle.

Where a rule may look at the effective mode alone, it is decided once for each of the 256 modes,
on a row whose wanted and given mode tell nothing (`Blind`), and the outcome is asserted for all
65,536 pairs. Where both modes count, all 65,536 are decided; where that is long, by default some of
them, and all in a slow test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.core import oracle
from tests.core.access_stage import (
    DAN,
    ENV,
    OTHERS_SID,
    SID,
    Outcome,
    Stage,
    answered,
    came,
    code,
    deleted,
    described,
    given_now,
    heard,
    left,
    listed,
    marked,
    rows,
)
from tests.core.world import ANN, BOB, CAT
from tinode_py import access
from tinode_py.access import Level
from tinode_py.core import membership, modes
from tinode_py.core.decision import Decision
from tinode_py.core.effects import Attached, Broadcast, Detach
from tinode_py.core.events import Asked, Caller
from tinode_py.errors import Refused
from tinode_py.wire.client_packets import Del, Get, Leave, Note, Pub, Request, Set, Sub
from tinode_py.wire.client_parts import SetDesc, SetQuery, SetSub
from tinode_py.wire.parts import Acs, DefAcs, Json, SeqRange

WISHES = ("N", "JRWPS", "JRWPASD", "RWP", "JRWPASDO")
PAIRS = tuple((want, given) for want in range(256) for given in range(256))
SOME = PAIRS[::29]
Pairs = Sequence[tuple[int, int]]

# --- rules that look at the effective mode alone -----------------------------------------

Look = Callable[[Stage, Decision | int], Outcome]
_RANGE = (SeqRange(5),)
BLIND: dict[str, tuple[Callable[..., Outcome], Request, Look]] = {
    "pub": (oracle.pub, Pub(id="1", content=Json(b'"x"')), lambda s, d: code(d)),
    "data": (oracle.get_data, Get(id="1", what="data"), lambda s, d: code(d)),
    "del": (oracle.get_del, Get(id="1", what="del"), lambda s, d: code(d)),
    "tags": (oracle.get_tags, Get(id="1", what="tags"), lambda s, d: code(d)),
    "read": (oracle.note_mark, Note(what="read", seq=5), lambda s, d: marked(d)),
    "recv": (oracle.note_mark, Note(what="recv", seq=5), lambda s, d: marked(d)),
    "kp": (oracle.note_typing, Note(what="kp"), lambda s, d: heard(d)),
    "kpa": (oracle.note_typing, Note(what="kpa"), lambda s, d: heard(d)),
    "public": (
        oracle.set_public,
        Set(id="1", desc=SetDesc(public=Json(b'"y"'))),
        lambda s, d: code(d),
    ),
    "defacs": (
        oracle.set_public,
        Set(id="1", desc=SetDesc(defacs=DefAcs(auth="JR"))),
        lambda s, d: code(d),
    ),
    "trusted": (
        oracle.set_trusted,
        Set(id="1", desc=SetDesc(trusted=Json(b'"y"'))),
        lambda s, d: code(d),
    ),
    "set tags": (oracle.set_tags, Set(id="1", tags=("wasps",)), lambda s, d: code(d)),
    "aux": (oracle.set_aux, Set(id="1", aux=Json(b'{"a":1}')), lambda s, d: code(d)),
    "del sub": (
        oracle.del_sub,
        Del(id="1", what="sub", user=CAT),
        lambda s, d: code(d),
    ),
    "del msg": (
        oracle.del_msg,
        Del(id="1", what="msg", delseq=_RANGE, hard=True),
        lambda s, d: deleted(d),
    ),
    "del msg soft": (
        oracle.del_msg_soft,
        Del(id="1", what="msg", delseq=_RANGE),
        lambda s, d: deleted(d),
    ),
    "desc": (oracle.get_desc, Get(id="1", what="desc"), lambda s, d: described(d)),
    "sub": (oracle.get_sub, Get(id="1", what="sub"), listed),
    "invite": (
        oracle.invite,
        Set(id="1", sub=SetSub(DAN)),
        lambda s, d: given_now(DAN, d),
    ),
    "invite with JRWA": (
        partial(oracle.give, mode=access.parse("JRWA")),
        Set(id="1", sub=SetSub(DAN, "JRWA")),
        lambda s, d: given_now(DAN, d),
    ),
    "give JRWPASD": (
        partial(oracle.give, mode=access.parse("JRWPASD")),
        Set(id="1", sub=SetSub(CAT, "JRWPASD")),
        lambda s, d: given_now(CAT, d),
    ),
    "give JRWPASDO": (
        partial(oracle.give, mode=access.FULL),
        Set(id="1", sub=SetSub(CAT, "JRWPASDO")),
        lambda s, d: given_now(CAT, d),
    ),
    "give the peer JRWD": (
        partial(oracle.give, mode=access.parse("JRWD")),
        Set(id="1", sub=SetSub(ANN, "JRWD")),
        lambda s, d: given_now(ANN, d),
    ),
}


def roles_of(name: str) -> tuple[str, ...]:
    if "peer" in name:
        return ("p2p",)
    return oracle.GROUP_ROLES if name[:4] in ("invi", "give") else (*oracle.GROUP_ROLES, "p2p")


@pytest.mark.parametrize(
    ("name", "role"), [(name, role) for name in BLIND for role in roles_of(name)]
)
def test_what_the_effective_mode_allows(name: str, role: str):
    told, request, look = BLIND[name]
    stage, outcomes = Stage.of(role), []
    for mode in range(256):
        stage.put_blind(mode)
        outcomes.append(look(stage, stage.ask(request)))
    assert_pairs(partial(told, role), lambda want, given: outcomes[want & given])


@pytest.mark.parametrize("role", [*oracle.GROUP_ROLES, "p2p"])
def test_who_hears_others(role: str):
    """{data} and typing of others reach whom the effective mode lets read."""
    stage, outcomes = Stage.of(role), []
    peer = ANN if stage.user == BOB else BOB
    for mode in range(256):
        stage.put_blind(mode)
        kp = stage.ask(Note(what="kp"), peer, OTHERS_SID)
        assert isinstance(kp, Decision)
        sent = [e.sids for e in kp.effects if isinstance(e, Broadcast)]
        outcomes.append((SID in stage.state.holders(access.READ), any(SID in s for s in sent)))

    def told(want: int, given: int) -> Outcome:
        return oracle.hears_data(role, want, given), oracle.hears_typing(role, want, given)

    assert_pairs(told, lambda want, given: outcomes[want & given])


def assert_pairs(
    told: Callable[[int, int], Outcome],
    seen: Callable[[int, int], Outcome],
    pairs: Pairs = PAIRS,
) -> None:
    found = ((want, given, seen(want, given), told(want, given)) for want, given in pairs)
    wrong = [
        (access.text(want), access.text(given), outcome, expected)
        for want, given, outcome, expected in found
        if outcome != expected
    ]
    assert not wrong, (len(wrong), wrong[:5])


# --- rules that look at both -------------------------------------------------------------

AMOUNT = pytest.mark.parametrize(
    "pairs", [pytest.param(SOME, id="some"), pytest.param(PAIRS, id="all", marks=pytest.mark.slow)]
)
ROLES = pytest.mark.parametrize("role", [*oracle.GROUP_ROLES, "p2p"])


def test_the_effective_mode_is_what_both_have():
    stage = Stage.of("member")
    for want, given in PAIRS:
        row = stage.row(BOB, want, given)
        assert row.mode == want & given
        assert modes.acs(row) == Acs(*map(access.text, (want, given, want & given)))


def decided(stage: Stage, request: Request, look: Look) -> Callable[[int, int], Outcome]:
    asked = Asked(Caller(SID, stage.user, Level.AUTH, stage.user), request, stage.named)

    def seen(want: int, given: int) -> Outcome:
        stage.put(stage.user, want, given)
        return look(stage, stage.decide(asked))

    return seen


def wished(stage: Stage, asked: int) -> Callable[[int, int], Outcome]:
    def seen(want: int, given: int) -> Outcome:
        row = stage.row(stage.user, want, given)
        stage.state.subs[stage.user] = row
        try:
            new = membership.own_mode(stage.state, row, asked, ENV).subscription
        except Refused as no:
            return no.answer.code
        same = (new.want, new.given) == (want, given)
        return 304 if same else (200, new.want, new.given)

    return seen


@ROLES
@pytest.mark.parametrize("text", WISHES)
def test_what_one_wants_for_oneself(role: str, text: str):
    asked, stage = access.parse(text), Stage.of(role)

    def told(want: int, given: int) -> Outcome:
        return oracle.wish(role, want, given, asked)

    assert_pairs(told, wished(stage, asked))
    request = Set(id="1", sub=SetSub(mode=text))
    assert_pairs(told, decided(stage, request, answered), SOME)


@ROLES
@AMOUNT
def test_coming(role: str, pairs: Pairs):
    stage = Stage.of(role)
    stage.state.attached.remove(SID)
    told = partial(oracle.come, role)
    assert_pairs(told, decided(stage, Sub(id="1"), came), pairs)
    for text in WISHES:
        request = Sub(id="1", set=SetQuery(sub=SetSub(mode=text)))

        def told_with(want: int, given: int, asked: int = access.parse(text)) -> Outcome:
            return oracle.come_with(role, want, given, asked)

        assert_pairs(told_with, decided(stage, request, came), SOME)


@ROLES
def test_going(role: str):
    """A topic is left, or ends, whatever the modes: it is the role that counts."""
    stage, told = Stage.of(role), partial(oracle.del_topic, role)
    assert_pairs(told, decided(stage, Del(id="1", what="topic"), left), SOME)
    told = partial(oracle.leave_unsub, role)
    assert_pairs(told, decided(stage, Leave(id="1", unsub=True), left), SOME)


# --- what others make of a member with these modes ---------------------------------------


def target_of(role: str) -> tuple[Stage, str]:
    """A stage on which the subject asks, with full rights, about somebody of any modes."""
    stage = Stage.of(role)
    stage.put(stage.user, access.FULL, access.FULL if role != "p2p" else oracle.PRIVATE)
    return stage, ANN if role == "p2p" else CAT


def about(
    stage: Stage, target: str, request: Request, look: Callable[[Decision | int], Outcome]
) -> Callable[[int, int], Outcome]:
    def seen(want: int, given: int) -> Outcome:
        stage.put(target, want, given)
        return look(stage.ask(request))

    return seen


@AMOUNT
def test_who_can_be_put_out(pairs: Pairs):
    stage, target = target_of("owner")
    request = Del(id="1", what="sub", user=target)
    assert_pairs(partial(oracle.removed, "owner"), about(stage, target, request, code), pairs)


GIFTS = (("owner", "JRW"), ("owner", "RWPS"), ("p2p", "N"), ("p2p", "JRWPA"))


def gift(role: str, text: str) -> int:
    return access.parse(text) | (access.APPROVE if role == "p2p" else 0)


@pytest.mark.parametrize(("role", "text"), GIFTS)
def test_what_somebody_is_given(role: str, text: str):
    stage, target = target_of(role)

    def seen(want: int, given: int) -> Outcome:
        try:
            row = stage.row(target, want, given)
            new = membership.regiven(stage.state, row, SetSub(target, text), ENV)
        except Refused as no:
            return no.answer.code
        return (200, new.given)

    def told(want: int, given: int) -> Outcome:
        outcome = oracle.given_to_him(role, want, given, gift(role, text))
        return outcome if outcome == 304 else outcome[:2]

    assert_pairs(told, seen)


def quarter(number: int) -> Pairs:
    """Four quarters are all pairs; each holds every wanted and every given mode."""
    return tuple(pair for pair in PAIRS if sum(pair) % 4 == number)


@pytest.mark.parametrize(
    ("role", "text", "pairs"),
    [pytest.param(*told, SOME, id="-".join((*told, "some"))) for told in GIFTS]
    + [
        pytest.param(*told, quarter(n), id="-".join((*told, "more")), marks=pytest.mark.slow)
        for n, told in enumerate(GIFTS)
    ],
)
def test_what_is_said_of_what_somebody_is_given(role: str, text: str, pairs: Pairs):
    """The whole decision: his mode and whether he is put out. Every pair is in some quarter."""
    stage, target = target_of(role)

    def look(decision: Decision | int) -> Outcome:
        if code(decision) != 200:
            return code(decision)
        assert isinstance(decision, Decision)
        sent = [e for e in decision.effects if isinstance(e, Detach)]
        return (200, rows(decision)[target].given, bool(sent))

    stage.state.attached.add(Attached("target", target, Level.AUTH))
    request = Set(id="1", sub=SetSub(target, text))
    told = partial(oracle.given_to_him, role, mode=gift(role, text))
    assert_pairs(told, about(stage, target, request, look), pairs)


def test_the_owner_is_never_put_out_or_given_less():
    stage = Stage.of("member")
    for mode in range(256):
        stage.put_blind(mode & ~access.OWNER)
        assert code(stage.ask(Del(id="1", what="sub", user=ANN))) == 403
        assert code(stage.ask(Set(id="1", sub=SetSub(ANN, "JR")))) == 403
