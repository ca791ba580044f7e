"""People who stay with a cluster whatever happens to its nodes, and watch what they are sent.

A session must see each conversation without a gap and without a repeat, from where it has read
up to. When it ends its owner comes back, on any node, and reads what he lacks.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

import attrs
import trio
import trio_websocket as tw

from tests.durability.test_kill import Content, Ledger
from tests.process import Gone, Packet, Talker, connected

AWAY = (502, 503)  # "cannot be reached", "try again"
PAGE = 100
RETRY = 0.1  # seconds
SETTING_UP = 5.0  # seconds for a connection


@attrs.define
class Seen:
    """Message numbers that somebody has got: all up to `upto`, and some beyond."""

    upto: int = 0
    beyond: set[int] = attrs.field(factory=set)

    def add(self, seq: int) -> None:
        if seq > self.upto:
            self.beyond.add(seq)
        while self.upto + 1 in self.beyond:
            self.upto += 1
            self.beyond.remove(self.upto)


@attrs.define
class Watch:
    """One session's view of one conversation. `filling`: it reads what it lacks, so that numbers
    come in any order.
    """

    seen: Seen
    top: int = 0  # the highest number that came
    filling: bool = True

    def take(self, seq: int) -> str:
        """What is wrong with a message that came, or nothing."""
        self.seen.add(seq)
        last, self.top = self.top, max(self.top, seq)
        if self.filling or seq == last + 1:
            return ""
        return f"{seq} after {last}"


@attrs.define(eq=False)
class Dweller:
    """Publishes in all his conversations at once, one message after the other's answer.

    `taken` is told of each that was acknowledged: the conversation, and when it was sent.
    """

    number: int
    ledger: Ledger
    urls: Callable[[], list[str]]
    taken: Callable[[str, float], None]
    rng: random.Random
    pause: float  # seconds between an answer and the next message
    patience: float  # seconds without an answer after which he leaves the node
    token: str = ""
    user: str = ""
    topics: dict[str, str] = attrs.field(factory=dict)  # as he sees it -> conversation
    wrong: list[str] = attrs.field(factory=list)  # what he saw and should not have
    codes: dict[int, int] = attrs.field(factory=dict)
    sessions: int = 0
    url: str = ""  # of the node that he is on, or has tried last
    speaks: trio.Event = attrs.field(factory=trio.Event)  # while it is set he publishes
    impatient: int = 0  # times that he left because no answer came
    _count: int = 0
    _seen: dict[str, Seen] = attrs.field(factory=lambda: defaultdict(Seen))  # by conversation

    def lacks(self) -> dict[str, str]:
        """Conversations of which he has not got all that was acknowledged."""
        found = {}
        for talk in self.topics.values():
            got, last = self._seen[talk].upto, max(self.ledger.acknowledged.get(talk, {0: {}}))
            if got < last:
                found[talk] = f"{self.number} has {got} of {last}"
        return found

    async def stay(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self.url = self.rng.choice(self.urls())
                await self._visit(self.url)
            except* (OSError, Gone, tw.HandshakeError, tw.ConnectionClosed):
                pass
            except* trio.TooSlowError:
                self.impatient += 1
            await trio.sleep(RETRY)

    async def _visit(self, url: str) -> None:
        scope = trio.move_on_after(SETTING_UP)
        with scope:
            async with connected(url) as talker:
                proof = {"scheme": "token", "secret": self.token}
                if not await self._done(talker, login=proof):
                    return
                scope.deadline = trio.current_time() + float("inf")
                await self._dwell(talker)

    async def _dwell(self, talker: Talker) -> None:
        self.sessions += 1
        watches = {topic: Watch(self._seen[talk]) for topic, talk in self.topics.items()}

        def take(packet: Packet) -> None:
            talker.heard.clear()
            if "data" in packet:
                self._take(watches, packet["data"])

        talker.on_packet = take
        async with trio.open_nursery() as nursery:
            for topic, watch in watches.items():
                nursery.start_soon(self._talk, talker, topic, watch)
            await talker.ended.wait()
            nursery.cancel_scope.cancel()

    def _take(self, watches: dict[str, Watch], data: Packet) -> None:
        topic = data["topic"]
        self.ledger.see(self.topics[topic], data)
        wrong = watches[topic].take(data["seq"])
        if wrong:
            self.wrong.append(f"{self.number} in {self.topics[topic]}: {wrong}")

    async def _talk(self, talker: Talker, topic: str, watch: Watch) -> None:
        while not await self._done(talker, sub={"topic": topic}):  # noqa: ASYNC110
            await trio.sleep(RETRY)
        await self._catch_up(talker, topic, watch)
        while True:
            await self.speaks.wait()
            taken = await self._publish(talker, topic)
            await trio.sleep(self.pause * self.rng.uniform(0.5, 1.5) if taken else RETRY)

    async def _catch_up(self, talker: Talker, topic: str, watch: Watch) -> None:
        """Read what came while he was away, then nothing may come twice, or be missing."""
        code = 0
        while code != 204:
            since = watch.seen.upto + 1
            window = {"since": since, "before": since + PAGE, "limit": PAGE}
            asked = await talker.ask(get={"topic": topic, "what": "data", "data": window})
            code = asked["code"]
            if code in AWAY:
                await trio.sleep(RETRY)
            elif code not in (204, 208):
                self.wrong.append(f"{asked} to a question for messages")
        watch.filling = False
        watch.top = max(watch.top, watch.seen.upto)
        if watch.seen.beyond:
            self.wrong.append(f"{self.number} in {self.topics[topic]}: a gap, {watch.seen}")

    async def _publish(self, talker: Talker, topic: str) -> bool:
        self._count += 1
        content: Content = {"txt": f"{self.number}-{self._count}", "pad": "ж" * 40}
        began = trio.current_time()
        with trio.fail_after(self.patience):
            ctrl = await talker.ask(pub={"topic": topic, "content": content})
        self.codes[ctrl["code"]] = self.codes.get(ctrl["code"], 0) + 1
        if ctrl["code"] != 202:
            return self._is_away(ctrl)
        self.ledger.acknowledge(self.topics[topic], ctrl["params"]["seq"], content)
        self.taken(self.topics[topic], began)
        return True

    async def _done(self, talker: Talker, **request: Packet) -> bool:
        ctrl = await talker.ask(**request)
        return ctrl["code"] < 400 or self._is_away(ctrl)

    def _is_away(self, ctrl: Packet) -> bool:
        if ctrl["code"] not in AWAY:
            self.wrong.append(f"{self.number} was answered {ctrl}")
        return False
