"""`kill -9` under load: what was acknowledged is there afterwards, once, unaltered, in order.

Six people publish over real sockets, in a group and in pairs, several messages at a time,
while the server is killed and started again on the same data. What is checked after each
kill, from the sender's {ctrl 202} and from what readers saw live: every message is stored at
its number with its content, no content twice, numbers without a hole.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.process import Gone, Packet, ServerProcess, Talker, connected, serving

KILLS = 20
PEOPLE = 6
WINDOW = 8  # messages of one person without an answer
Content = dict[str, Any]


@attrs.define
class Ledger:
    """What is known of each conversation: number -> content."""

    acknowledged: dict[str, dict[int, Content]] = attrs.field(factory=dict)
    seen: dict[str, dict[int, Content]] = attrs.field(factory=dict)
    checked: dict[str, int] = attrs.field(factory=dict)
    contents: set[str] = attrs.field(factory=set)
    lost: int = 0
    altered: int = 0
    doubled: int = 0
    holes: int = 0

    def acknowledge(self, talk: str, seq: int, content: Content) -> None:
        numbers = self.acknowledged.setdefault(talk, {})
        self.doubled += seq in numbers
        numbers[seq] = content

    def see(self, talk: str, data: Packet) -> None:
        """A reader got it live: then it is stored, though its sender may never have heard."""
        self.seen.setdefault(talk, {})[data["seq"]] = data["content"]

    def check(self, talk: str, messages: list[Packet]) -> None:
        """Compare what the server has from the last checked number on."""
        start = self.checked.get(talk, 0)
        stored = {message["seq"]: message["content"] for message in messages}
        self.holes += sorted(stored) != [*range(start + 1, start + len(stored) + 1)]
        for promised in (self.acknowledged.get(talk, {}), self.seen.get(talk, {})):
            recent = {seq: content for seq, content in promised.items() if seq > start}
            self.lost += len(recent.keys() - stored.keys())
            self.altered += sum(
                stored[seq] != content for seq, content in recent.items() if seq in stored
            )
        for content in stored.values():
            key = json.dumps(content, sort_keys=True)
            self.doubled += key in self.contents
            self.contents.add(key)
        self.checked[talk] = start + len(stored)

    def total(self) -> int:
        return sum(map(len, self.acknowledged.values()))


@attrs.define(eq=False)
class Person:
    """Somebody with an account, who logs in with a token again and again."""

    number: int
    ledger: Ledger
    rng: random.Random
    token: str = ""
    user: str = ""
    topics: dict[str, str] = attrs.field(factory=dict)  # topic as seen by this one -> conversation
    _count: int = 0

    async def attach(self, talker: Talker) -> None:
        for topic in self.topics:
            ctrl = await talker.ask(sub={"topic": topic})
            assert ctrl["code"] in (200, 304), ctrl

    async def publish(self, talker: Talker) -> None:
        """Publish until the connection ends, a few messages ahead of the answers."""
        window = trio.Semaphore(WINDOW)
        talker.on_packet = self._see
        with contextlib.suppress(Gone):
            while True:
                await window.acquire()
                await self._send_one(talker, window)

    async def _send_one(self, talker: Talker, window: trio.Semaphore) -> None:
        topic, talk = self.rng.choice(list(self.topics.items()))
        self._count += 1
        padding = "ж" * self.rng.choice((0, 40, 2000 if self._count % 50 == 0 else 1))
        content: Content = {"txt": f"{self.number}-{self._count}", "pad": padding}

        def take(ctrl: Packet | None) -> None:
            window.release()
            if ctrl is not None:
                assert ctrl["code"] == 202, ctrl
                self.ledger.acknowledge(talk, ctrl["params"]["seq"], content)

        await talker.send(take, pub={"topic": topic, "noecho": True, "content": content})

    def _see(self, packet: Packet) -> None:
        if "data" in packet:
            data = packet["data"]
            self.ledger.see(self.topics[data["topic"]], data)


@pytest.mark.slow
async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    data, ledger = tmp_path / "data", Ledger()
    people = [Person(number, ledger, random.Random(number)) for number in range(PEOPLE)]
    address = await _acquainted(data, people)
    began, moments = trio.current_time(), random.Random(KILLS)
    for _ in range(KILLS):
        async with serving(data, listen=address) as server:
            await _publish_and_kill(server, people, ledger, moments.uniform(0.05, 0.6))
    async with serving(data, listen=address) as server, _logged_in(server, people) as talkers:
        await _check(people, talkers, ledger)
        ledger.checked.clear()  # and all of it again, from the beginning
        ledger.contents.clear()
        await _check(people, talkers, ledger)
    print(_line(ledger, trio.current_time() - began))
    assert (ledger.lost, ledger.altered, ledger.doubled, ledger.holes) == (0, 0, 0, 0)
    assert ledger.total() > KILLS * PEOPLE


async def _publish_and_kill(
    server: ServerProcess, people: list[Person], ledger: Ledger, seconds: float
) -> None:
    """Check what the last kill left, then publish for a while and kill again."""
    async with _logged_in(server, people) as talkers, trio.open_nursery() as nursery:
        await _check(people, talkers, ledger)
        for person, talker in zip(people, talkers, strict=True):
            nursery.start_soon(person.publish, talker)
        await trio.sleep(seconds)
        await server.kill()


def _line(ledger: Ledger, seconds: float) -> str:
    numbers: dict[str, Any] = {
        "test": "kill",
        "kills": KILLS,
        "acked": ledger.total(),
        "lost": ledger.lost,
        "altered": ledger.altered,
        "doubled": ledger.doubled,
        "holes": ledger.holes,
        "seconds": round(seconds, 1),
    }
    return json.dumps(numbers)


async def _acquainted(data: Path, people: list[Person], *args: str) -> str:
    """Accounts, a group of all, a pair of each two neighbours; where the server listened."""
    async with serving(data, *args) as server, contextlib.AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(connected(server.url)) for _ in people]
        for person, talker in zip(people, talkers, strict=True):
            await talker.register(f"person{person.number}")
            person.token, person.user = talker.token, talker.user
        group = (await talkers[0].ask(sub={"topic": "new"}))["topic"]
        for person in people:
            person.topics[group] = "group"
        for one, other in _pairs(people):
            one.topics[other.user] = other.topics[one.user] = f"{one.user} {other.user}"
        for person, talker in zip(people, talkers, strict=True):
            await person.attach(talker)
        assert await server.terminate() == 0
        return server.address


def _pairs(people: list[Person]) -> Iterator[tuple[Person, Person]]:
    return zip(people[::2], people[1::2], strict=True)


@contextlib.asynccontextmanager
async def _logged_in(server: ServerProcess, people: list[Person]) -> AsyncIterator[list[Talker]]:
    """A connection for each, attached to all that one's conversations."""
    async with contextlib.AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(connected(server.url)) for _ in people]
        for person, talker in zip(people, talkers, strict=True):
            await talker.login_token(person.token)
            await person.attach(talker)
        yield talkers


async def _check(people: list[Person], talkers: list[Talker], ledger: Ledger) -> None:
    """Read each conversation once, by one who is in it."""
    by_talk: dict[str, tuple[Talker, str]] = {}
    for person, talker in zip(people, talkers, strict=True):
        for topic, talk in person.topics.items():
            by_talk[talk] = (talker, topic)
    for talk, (talker, topic) in by_talk.items():
        ledger.check(talk, await talker.history(topic, ledger.checked.get(talk, 0) + 1))
