"""Which topics of this node are to be on another one: where they are used, and away from much work.

The owner decides by what it sees itself (docs/decisions/0033): what each node asks of a topic and
where its readers are, counted so that it is half as much after half a minute; and what the other
nodes say of their processors.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

import attrs
import trio

from ..live.runner import Runner
from . import protocol
from .others import Others
from .serving import Serving

EVERY = 5.0  # seconds
HALF = 30.0  # seconds after which what was counted counts half
REST = 30.0  # seconds for which a topic stays that was given to this node
AT_FIRST = 4  # times what others ask: as much of all before is taken for what is asked here
LEAST = 10.0  # requests more than here that must come from where a topic goes
UNDER_WAY = 4  # topics at the same time
AT_END = 32  # the same where the node ends
BUSY, FULL = 0.8, 0.95  # of a core: too much; far beyond
EASY, LESS = 2 / 3, 1 / 3  # of a core: with more nobody is given topics; what he must have less


@attrs.define
class Use:
    """What is asked of one topic, by node, and what goes through it; both decayed."""

    runner: Runner
    asked: dict[int, float] = attrs.field(factory=dict)
    taken: float = 0.0
    before: int = 0  # of `Runner.taken`, as of the last count

    def count(self, asked: dict[int, int], here: int, seconds: float) -> None:
        """Add what has come in the last `seconds`; what did not come from others is ours."""
        left = 0.5 ** (seconds / HALF)
        new = self.runner.taken - self.before
        self.before = self.runner.taken
        self.taken = self.taken * left + new
        found = Counter({node: weight * left for node, weight in self.asked.items()})
        found.update(asked)
        found[here] += max(0, new - sum(asked.values()))
        self.asked = dict(found)

    def speaks_for(self, node: int, instead_of: int, readers: frozenset[int]) -> float:
        """How much less would cross links to and from `node` if the topic were there."""
        weight = self.asked.get(node, 0.0)
        if node in readers and instead_of not in readers:
            weight += self.taken
        return weight


@attrs.define(eq=False)
class Rebalance:
    """Gives topics of the node `here` away: `most` in a minute, none if that is 0.

    `cpu`: seconds of a core that this process has used. `is_ending`: of a node.
    """

    here: int
    serving: Serving
    others: Others
    most: int
    cpu: Callable[[], float]
    is_ending: Callable[[int], bool]
    busy: dict[int, float] = attrs.field(factory=dict)  # shares of a core, by node
    _uses: dict[str, Use] = attrs.field(factory=dict)
    _given: deque[float] = attrs.field(factory=deque)  # when, within the last minute

    async def run(self) -> None:
        """Look every now and then, until cancelled."""
        while True:
            used, began = self.cpu(), trio.current_time()
            await trio.sleep(EVERY)
            seconds = trio.current_time() - began
            self.busy[self.here] = (self.cpu() - used) / seconds
            self.others.mention(protocol.Busy(round(100 * self.busy[self.here])))
            self.look(seconds)

    def told(self, node: int, share: float) -> None:
        """Another node says how busy it is."""
        self.busy[node] = share

    def look(self, seconds: float) -> None:
        """Count what has come in the last `seconds`, and begin to give away what should be."""
        self._count(seconds)
        now = trio.current_time()
        while self._given and self._given[0] <= now - 60:
            self._given.popleft()
        for _, topic, to in sorted(self._wishes(), reverse=True):
            if self.serving.giving >= UNDER_WAY or len(self._given) >= self.most:
                return
            if self.serving.begin_to_give(topic, to):
                del self._uses[topic]
                self._given.append(now)

    def _count(self, seconds: float) -> None:
        asked: dict[str, dict[int, int]] = {}
        for other in self.others:
            for topic, count in other.guests.take_asked().items():
                asked.setdefault(topic, {})[other.peer.id] = count
        for topic in {*asked, *self._uses}:
            runner = self.serving.running(topic)
            use = self._uses.get(topic)
            if runner is None or (use is not None and use.runner is not runner):
                self._uses.pop(topic, None)
                continue
            if use is None:
                long_ago = runner.taken - AT_FIRST * sum(asked[topic].values())
                use = self._uses[topic] = Use(runner, before=max(0, long_ago))
            use.count(asked.get(topic, {}), self.here, seconds)
            if use.taken < 1:
                del self._uses[topic]

    def _wishes(self) -> list[tuple[float, str, int]]:
        """What is to be given to whom, and how much speaks for it."""
        ways = [it.peer.id for it in self.others if not self.is_ending(it.peer.id)]
        ways = [node for node in ways if self.busy.get(node, 0.0) <= EASY]
        own = self.busy.get(self.here, 0.0)
        found = []
        rested = trio.current_time() - REST
        for topic, use in self._uses.items():
            if self.serving.given_at(topic) > rested:
                continue
            readers = self._readers(topic, use.runner)
            for node in ways:
                there = use.speaks_for(node, self.here, readers)
                here = use.speaks_for(self.here, node, readers)
                relief = own > BUSY and self.busy.get(node, 1.0) <= own - LESS
                used_there = relief and (there > here / 2 or own > FULL)
                if (there - here >= LEAST and there >= 2 * here) or used_there:
                    found.append((there - here, topic, node))
        return found

    def _readers(self, topic: str, runner: Runner) -> frozenset[int]:
        found = {it.peer.id for it in self.others if topic in it.guests.links}
        if any(link.station is None for link in runner.links.values()):
            found.add(self.here)
        return frozenset(found)

    async def empty(self) -> None:
        """The node ends: give each topic to the node with most sessions in it, if one has any."""
        for topic in self.serving.topics():
            to = self._home(topic)
            while to and self.serving.giving >= AT_END:
                await self.serving.gave.wait()
            if to:
                self.serving.begin_to_give(topic, to)
        while self.serving.giving:
            await self.serving.gave.wait()

    def _home(self, topic: str) -> int:
        found = [
            (len(it.guests.links.get(topic, ())), it.peer.id)
            for it in self.others
            if not self.is_ending(it.peer.id)
        ]
        sessions, node = max(found, default=(0, 0))
        return node if sessions else 0
