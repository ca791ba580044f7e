"""The rules of chat without tasks: states of topics beside the rows of a memory store.

Does by hand what a topic's task does: load, decide, apply, commit, follow the effects. Notices
to other topics are delivered at once. Nothing is sent anywhere; answers are kept.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs

from tinode_py import ids
from tinode_py.access import Level
from tinode_py.changes import PutUser
from tinode_py.config import Settings
from tinode_py.core import me, me_topic, topic
from tinode_py.core.decision import Decision, Env
from tinode_py.core.effects import Reply, Tell
from tinode_py.core.events import Asked, Caller, Event, Gone
from tinode_py.core.me import MeState
from tinode_py.core.state import TopicState
from tinode_py.errors import Answer, Refused
from tinode_py.records import User
from tinode_py.store.memory_apply import apply
from tinode_py.store.memory_read import answer
from tinode_py.store.tables import Tables
from tinode_py.wire.client_packets import Request
from tinode_py.wire.server_packets import Ctrl

USERS = tuple(ids.user_name(number) for number in (1001, 2002, 3003))
ANN, BOB, CAT = USERS
GROUP = "grp" + ids.user_name(4004)[3:]
PAIR = ids.p2p_name(ANN, BOB)
START = 1_700_000_000_000


@attrs.define
class World:
    """Three users, each with sessions of any name."""

    settings: Settings = attrs.field(factory=Settings)
    tables: Tables = attrs.field(factory=Tables)
    states: dict[str, TopicState | MeState] = attrs.field(factory=dict)
    now: int = START
    answers: list[Ctrl] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        for user in USERS:
            apply(self.tables, PutUser(User(user, START, START, auth=0x7F, public=b'{"fn":"x"}')))

    def env(self) -> Env:
        return Env(self.settings, self.now, lambda name: False)

    def fetch(self, query: Any) -> Any:
        return answer(self.tables, query)

    def fresh(self, name: str) -> TopicState | MeState:
        """A topic as it is in the store."""
        if ids.is_user(name):
            own = MeState(name)
            own.load(*(self.fetch(query) for query in me.rows(name)))
            return own
        state = TopicState(name)
        state.load(*(self.fetch(query) for query in topic.rows(name)))
        return state

    def state(self, name: str) -> TopicState | MeState:
        if name not in self.states:
            self.states[name] = self.fresh(name)
        return self.states[name]

    def conversation(self, name: str) -> TopicState:
        state = self.state(name)
        assert isinstance(state, TopicState)
        return state

    def ask(
        self,
        user: str,
        request: Request,
        routable: str,
        *,
        sid: str = "",
        level: Level = Level.AUTH,
    ) -> Answer | None:
        """One request; the answer if it was refused. Each takes a moment."""
        self.now += 1
        caller = Caller(sid or user, user, level, user)
        named = getattr(request, "topic", "")
        return self.handle(routable, Asked(caller, request, named))

    def vanish(self, user: str, sid: str = "") -> None:
        """The session is gone from everywhere."""
        for name in list(self.states):
            self.handle(name, Gone(sid or user))

    def handle(self, name: str, event: Event) -> Answer | None:
        queue: deque[tuple[str, Event]] = deque([(name, event)])
        refused = None
        while queue:
            at, what = queue.popleft()
            try:
                decision = self._decide(at, what)
            except Refused as no:
                refused = refused or no.answer
                continue
            queue.extend(self._carry_out(at, decision))
        return refused

    def _decide(self, name: str, event: Event) -> Decision:
        state = self.state(name)
        if isinstance(state, MeState):
            facts = {q: self.fetch(q) for q in me_topic.needs(state, event, self.env())}
            decision = me_topic.decide(state, event, facts, self.env())
        else:
            facts = {q: self.fetch(q) for q in topic.needs(state, event, self.env())}
            decision = topic.decide(state, event, facts, self.env())
        for change in decision.changes:
            state.apply(change)
            apply(self.tables, change)
        self.tables.forget()
        return decision

    def _carry_out(self, name: str, decision: Decision) -> list[tuple[str, Event]]:
        state = self.state(name)
        follow: list[tuple[str, Event]] = []
        for effect in decision.effects:
            state.follow(effect)
            if isinstance(effect, Reply) and isinstance(effect.packet, Ctrl):
                self.answers.append(effect.packet)
            if isinstance(effect, Tell) and effect.topic in self.states:
                follow.append((effect.topic, effect.notice))
        if decision.then is not None:
            follow.insert(0, (name, decision.then))
        return follow
