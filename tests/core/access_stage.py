"""A topic in which one subscription takes every mode in turn, and what decisions say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from msgspec import structs

from tests.core import oracle
from tests.core.world import ANN, BOB, CAT, GROUP, PAIR, START, World
from tinode_py import access, ids
from tinode_py.access import Level
from tinode_py.changes import DeleteMessages, DeleteTopic, PutSubscription, PutUser, SetMarks
from tinode_py.config import Settings
from tinode_py.core import topic
from tinode_py.core.decision import Decision, Env
from tinode_py.core.effects import Attach, Attached, Broadcast, Reply
from tinode_py.core.events import Asked, Caller
from tinode_py.core.state import TopicState
from tinode_py.errors import Refused
from tinode_py.records import Deletions, Message, Range, Subscription, Topic, User
from tinode_py.store.memory_apply import apply
from tinode_py.wire.client_packets import Request
from tinode_py.wire.server_packets import Ctrl, Meta

DAN = ids.user_name(5005)
SID, OTHERS_SID = "s", "other"
PEER_MODE = access.parse_set("JRWPA")
PLAIN_MODE = access.parse_set("JRWP")
ENV = Env(Settings(), START, lambda name: False)
Outcome = Any


@attrs.define
class Blind:
    """A subscription whose effective mode does not follow from what else is to be seen."""

    topic: str
    user: str
    mode: int
    want: int = access.FULL
    given: int = access.FULL
    read: int = 1
    recv: int = 1
    clear: int = 0
    deleted: int = 0
    updated: int = START
    private: bytes | None = None


@attrs.define
class Stage:
    """A topic in which one subscription, the subject's, takes every mode in turn."""

    role: str
    named: str
    state: TopicState
    user: str
    world: World = attrs.field(factory=World)
    facts: dict[Any, Any] = attrs.field(factory=dict)
    env: Env = ENV

    @classmethod
    def of(cls, role: str) -> Stage:
        name = PAIR if role == "p2p" else GROUP
        user = ANN if role == "owner" else BOB
        row = Topic(name, START, START, START, seq=5, delid=1, auth=oracle.DEFAULT)
        if role != "p2p":
            row = structs.replace(row, owner=ANN, tags=("bees",), public=b'"g"')
        stage = cls(role, ANN if role == "p2p" else name, TopicState(name), user)
        apply(stage.world.tables, PutUser(User(DAN, START, START, auth=oracle.INVITED)))
        stage.state.load(row, stage.members())
        for sid, who in ((SID, user), (OTHERS_SID, BOB if user == ANN else ANN)):
            stage.state.attached.add(Attached(sid, who, Level.AUTH))
        return stage

    def members(self) -> Iterator[Subscription]:
        if self.role == "p2p":
            yield self.row(ANN, PEER_MODE, PEER_MODE)
            return
        yield self.row(ANN, access.FULL, access.FULL)
        yield self.row(BOB, oracle.DEFAULT, oracle.DEFAULT)
        yield self.row(CAT, PLAIN_MODE, PLAIN_MODE)

    def row(self, user: str, want: int, given: int) -> Subscription:
        return Subscription(self.state.name, user, START, START, want, given, None, 1, 1)

    def put(self, user: str, want: int, given: int) -> None:
        self.state.subs[user] = self.row(user, want, given)

    def put_blind(self, mode: int) -> None:
        self.state.subs[self.user] = Blind(self.state.name, self.user, mode)  # type: ignore[assignment]

    def ask(self, request: Request, user: str = "", sid: str = SID) -> Decision | int:
        """The decision, or the code of the refusal."""
        caller = Caller(sid, user or self.user, Level.AUTH, user or self.user)
        return self.decide(Asked(caller, request, self.named))

    def decide(self, asked: Asked) -> Decision | int:
        needed = topic.needs(self.state, asked, self.env)
        facts = {query: self.fact(query) for query in needed}
        try:
            return topic.decide(self.state, asked, facts, self.env)
        except Refused as no:
            return no.answer.code

    def fact(self, query: Any) -> Any:
        if query not in self.facts:
            self.facts[query] = self._found(query)
        return self.facts[query]

    def _found(self, query: Any) -> Any:
        name = type(query).__name__
        if name == "MessagesIn":
            return (Message(self.state.name, 5, CAT, START, None, b'"x"'),)
        if name == "DeletionsIn":
            return Deletions(1, (Range(2, 3),))
        if name == "SeqSince":
            return 1
        return self.world.fetch(query)


# --- what a decision says ----------------------------------------------------------------


def answers(decision: Decision, sid: str = SID) -> list[Any]:
    return [e.packet for e in decision.effects if isinstance(e, Reply) and e.sid == sid]


def code(decision: Decision | int) -> Outcome:
    """The last code said to the session, `meta` where it is told something without one."""
    if isinstance(decision, int):
        return decision
    found = answers(decision)
    codes = [p.code for p in found if isinstance(p, Ctrl) and p.code != 205]
    if codes:
        return codes[-1]
    return "meta" if any(isinstance(p, Meta) for p in found) else None


def meta(decision: Decision | int) -> Meta:
    assert isinstance(decision, Decision)
    (found,) = (p for p in answers(decision) if isinstance(p, Meta))
    return found


def rows(decision: Decision | int) -> dict[str, Subscription]:
    assert isinstance(decision, Decision)
    changed = (c.subscription for c in decision.changes if isinstance(c, PutSubscription))
    return {row.user: row for row in changed}


def described(decision: Decision | int) -> Outcome:
    desc = meta(decision).desc
    assert desc is not None
    return {
        "counters": bool(desc.seq or desc.read or desc.clear),
        "online": desc.online,
        "defacs": desc.defacs is not None,
    }


def listed(stage: Stage, decision: Decision | int) -> Outcome:
    found = {row.user: row for row in meta(decision).sub or ()}
    shown = {user: bool(row.acs and row.acs.mode) for user, row in found.items()}
    if stage.role == "p2p":
        return {"own": shown[BOB], "peer": shown[ANN]}
    return {
        "own": shown[stage.user],
        "owner": shown[ANN],
        "plain": shown[CAT],
        "online": found[stage.user].online,
    }


def deleted(decision: Decision | int) -> Outcome:
    if code(decision) != 200:
        return code(decision)
    assert isinstance(decision, Decision)
    (change,) = (c for c in decision.changes if isinstance(c, DeleteMessages))
    return (200, "soft" if change.user else "hard")


def left(stage: Stage, decision: Decision | int) -> Outcome:
    if code(decision) != 200:
        return code(decision)
    assert isinstance(decision, Decision)
    if any(isinstance(change, DeleteTopic) for change in decision.changes):
        return (200, "deleted")
    return (200, "left") if rows(decision)[stage.user].deleted else (200, "stayed")


def given_now(user: str, decision: Decision | int) -> Outcome:
    return (200, rows(decision)[user].given) if code(decision) == 200 else code(decision)


def marked(decision: Decision | int) -> Outcome:
    assert isinstance(decision, Decision)
    return any(isinstance(change, SetMarks) for change in decision.changes)


def heard(decision: Decision | int) -> Outcome:
    assert isinstance(decision, Decision)
    return any(isinstance(e, Broadcast) for e in decision.effects)


def answered(stage: Stage, decision: Decision | int) -> Outcome:
    if code(decision) != 200:
        return code(decision)
    row = rows(decision)[stage.user]
    return (200, row.want, row.given)


def came(stage: Stage, decision: Decision | int) -> Outcome:
    if isinstance(decision, int):
        return decision
    row = rows(decision).get(stage.user, stage.state.subs[stage.user])
    return (code(decision), row.want, any(isinstance(e, Attach) for e in decision.effects))
