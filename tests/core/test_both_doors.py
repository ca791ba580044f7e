"""The two doors: a session that is attached, and a back end's request, for which nobody attaches.

Whoever could attach at once is answered as if he had. Whoever could not is refused in a way that
sends the request on to a {sub} (`live/asking`), or, where he can see his own row from outside,
sees that and no more. By the effective mode alone, for all 65,536 pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from tests.core import oracle
from tests.core.access_stage import SID, Outcome, Stage, code, deleted, described, listed, meta
from tests.core.world import CAT
from tinode_py.access import JOIN, Level
from tinode_py.core.decision import Decision
from tinode_py.core.events import Asked, Caller
from tinode_py.live.asking import LACKING
from tinode_py.wire.client_packets import Del, Get, Pub, Request
from tinode_py.wire.parts import Json, SeqRange

DOOR = "door"  # the id of the session that a back end's request has for its time
_RANGE = (SeqRange(5),)
Look = Callable[[Stage, Decision | int], Outcome]
ASKED: dict[str, tuple[Request, Look]] = {
    "send": (Pub(id="1", content=Json(b'"x"')), lambda s, d: code(d)),
    "edit": (
        Pub(id="1", content=Json(b'"x"'), head=Json(b'{"replace":":5"}')),
        lambda s, d: code(d),
    ),
    "history": (Get(id="1", what="data"), lambda s, d: code(d)),
    "members": (Get(id="1", what="sub"), listed),
    "desc": (Get(id="1", what="desc"), lambda s, d: described(d)),
    "delete": (
        Del(id="1", what="msg", delseq=_RANGE, hard=True),
        lambda s, d: deleted(d),
    ),
    "delete for oneself": (
        Del(id="1", what="msg", delseq=_RANGE),
        lambda s, d: deleted(d),
    ),
    "tags": (Get(id="1", what="tags"), lambda s, d: code(d)),
    "remove": (Del(id="1", what="sub", user=CAT), lambda s, d: code(d)),
}
FROM_OUTSIDE = {"members", "desc"}  # what {get} tells of oneself without being attached


def through_the_door(stage: Stage, request: Request) -> Decision | int:
    """As `live/asking` makes it; what is answered is said to the test's own session."""
    caller = Caller(DOOR, stage.user, Level.AUTH, stage.user, background=True)
    decision = stage.decide(Asked(caller, request, stage.named, unseated="user"))
    if isinstance(decision, int):
        return decision
    effects = tuple(_as_asked(effect) for effect in decision.effects)
    return Decision(decision.changes, effects, decision.then)


def _as_asked(effect: Any) -> Any:
    return structs.replace(effect, sid=SID) if getattr(effect, "sid", "") == DOOR else effect


@pytest.mark.parametrize("role", [*oracle.GROUP_ROLES, "p2p"])
@pytest.mark.parametrize("name", ASKED)
def test_both_doors_give_one_verdict(name: str, role: str):
    request, look = ASKED[name]
    stage = Stage.of(role)
    verdicts: list[tuple[Outcome, Outcome]] = []
    for mode in range(256):
        stage.put_blind(mode)
        attached, door = stage.ask(request), through_the_door(stage, request)
        if mode & JOIN:
            verdicts.append((look(stage, attached), look(stage, door)))
        elif name in FROM_OUTSIDE:
            verdicts.append((True, _is_outside(name, stage, door)))
        else:
            verdicts.append((True, code(door) in LACKING))
    wrong = [
        (want, given, *verdicts[want & given])
        for want in range(256)
        for given in range(256)
        if verdicts[want & given][0] != verdicts[want & given][1]
    ]
    assert not wrong, (len(wrong), wrong[:5])


def _is_outside(name: str, stage: Stage, decision: Decision | int) -> bool:
    """Whether it tells of oneself alone."""
    if code(decision) != "meta":
        return True
    found = meta(decision)
    if name == "members":
        return [row.user for row in found.sub or ()] == [stage.user]
    assert found.desc is not None
    return not (found.desc.seq or found.desc.online or found.desc.defacs)


def test_who_is_no_member_is_sent_on():
    stage = Stage.of("member")
    for kind in ("send", "history", "delete"):
        caller = Caller(DOOR, "usrAAAAAAAAAAE", Level.AUTH, "usrAAAAAAAAAAE", background=True)
        found = stage.decide(Asked(caller, ASKED[kind][0], stage.named, unseated="user"))
        assert code(found) in LACKING
