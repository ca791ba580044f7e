"""How much crosses the links of a cluster: `python -m tests.benchmarks.crossing`.

Nodes in one process, over links in memory. People publish in groups of five and in pairs. At
random, everybody is on any node, whoever he talks to. Where traffic is local a conversation's
people are on one node, but one in twenty. A topic lives on the node of who came first; beside it
is what the same traffic would be if topics were placed by a hash of their names. Where topics may
move, it is measured after some rounds of the same traffic.

Nothing is timed.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from typing import Any

import attrs
import trio
import trio.testing

from tests.cluster.parts import Carried, Machines, nodes
from tinode_py.client import Client, ClientError
from tinode_py.ids import p2p_name
from tinode_py.testing import RunningServer

PEOPLE = 60
GROUPS = 24  # of five
PAIRS = 60
TIMES = 4  # that each member publishes
ROUNDS = 4  # of publishing, in which topics may move
STRAYS = 0.05  # of the members of a local conversation
CONTENT = "x" * 100


@attrs.define(eq=False)
class Somebody:
    client: Client
    node: int  # the index of his node
    got: dict[str, int] = attrs.field(factory=dict)  # messages by topic, as he sees it

    async def listen(self) -> None:
        with contextlib.suppress(ClientError):
            while True:
                packet = await self.client.receive()
                if "data" in packet:
                    topic = packet["data"]["topic"]
                    self.got[topic] = self.got.get(topic, 0) + 1


@attrs.frozen(eq=False)
class Talk:
    """A conversation: its name in the store, and its people with the name that each has for it."""

    name: str
    people: tuple[tuple[Somebody, str], ...]


@attrs.define
class Share:
    """Of publications and deliveries, those between two nodes."""

    sent: int = 0
    sent_across: int = 0
    got: int = 0
    got_across: int = 0

    def add(self, talk: Talk, owner: int, before: dict[tuple[Somebody, str], int]) -> None:
        for somebody, topic in talk.people:
            count = somebody.got.get(topic, 0) - before.get((somebody, topic), 0)
            away = somebody.node != owner
            self.sent, self.got = self.sent + TIMES, self.got + count
            self.sent_across += TIMES * away
            self.got_across += count * away

    def __str__(self) -> str:
        sent, got = self.sent_across / self.sent, self.got_across / self.got
        return f"{sent:.1%} of publications, {got:.1%} of deliveries"


def _members(rng: random.Random, people: list[Somebody], size: int, local: bool) -> list[Somebody]:
    if not local:
        return rng.sample(people, size)
    home = rng.choice(people).node
    here = [each for each in people if each.node == home]
    there = [each for each in people if each.node != home]
    strays = sum(rng.random() < STRAYS for _ in range(size))
    members = rng.sample(here, size - strays) + rng.sample(there, strays)
    rng.shuffle(members)
    return members


async def _group(members: list[Somebody]) -> Talk:
    made = await members[0].client.sub("new", set={"desc": {"defacs": {"auth": "JRWPS"}}})
    for each in members[1:]:
        await each.client.sub(made.topic)
    return Talk(made.topic, tuple((each, made.topic) for each in members))


async def _pair(one: Somebody, other: Somebody) -> Talk:
    await one.client.sub(other.client.user)
    await other.client.sub(one.client.user)
    name = p2p_name(one.client.user, other.client.user)
    return Talk(name, ((one, other.client.user), (other, one.client.user)))


async def _publish(rng: random.Random, talks: list[Talk]) -> None:
    turns = [(each, topic) for talk in talks for each, topic in talk.people] * TIMES
    rng.shuffle(turns)
    for somebody, topic in turns:
        await somebody.client.pub(topic, CONTENT, noecho=True)
    await trio.sleep(1)


async def _measure(count: int, local: bool, moves: int) -> None:
    rng = random.Random(count)
    async with nodes(*map(str, range(count)), moves=moves) as (machines, servers):
        people = []
        for number in range(PEOPLE):
            node = number % count if local else rng.randrange(count)
            people.append(Somebody(await servers[node].user(f"user{number}"), node))
        async with trio.open_nursery() as nursery:
            for each in people:
                await each.client.sub("me")
                nursery.start_soon(each.listen)
            talks = [await _group(_members(rng, people, 5, local)) for _ in range(GROUPS)]
            for one, other in (_members(rng, people, 2, local) for _ in range(PAIRS)):
                talk = await _pair(one, other)
                if talk.name not in {known.name for known in talks}:
                    talks.append(talk)
            await trio.sleep(1)
            for _ in range(ROUNDS if moves else 0):
                await _publish(rng, talks)
                await trio.sleep(10)
            await _stay(servers)
            machines.network.carried.__init__()  # type: ignore[misc]
            before = {(each, topic): count for each in people for topic, count in each.got.items()}
            await _publish(rng, talks)
            what = ("local" if local else "random") + (", topics move" if moves else "")
            _report(machines, talks, before, what)
            nursery.cancel_scope.cancel()


async def _stay(servers: list[RunningServer]) -> None:
    """No topic moves from now on."""
    for server in servers:
        placement: Any = server.server.hub.placement
        placement.rebalance.most = 0
    await trio.sleep(1)


def _report(
    machines: Machines, talks: list[Talk], before: dict[tuple[Somebody, str], int], what: str
) -> None:
    numbers = {machines.number(name): int(name) for name in machines.clusters}
    owners, count = machines.owners(), len(numbers)
    ours, hashed = Share(), Share()
    for talk in talks:
        ours.add(talk, numbers[owners[talk.name]], before)
        hashed.add(talk, _hash(talk.name) % count, before)
    print(f"{count} nodes, {what}: {ours}; by a hash {hashed}")
    print("   over links:", _carried(machines.network.carried, ours))


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def _carried(carried: Carried, share: Share) -> str:
    """Messages and bytes for one publication, by class."""
    each = [
        f"{name} {count / share.sent:.2f} of {carried.octets[name] / count:.0f} bytes"
        for name, count in carried.messages.most_common()
    ]
    total = sum(carried.octets.values()) / share.sent
    return ", ".join(each) + f": {total:.0f} bytes for a publication"


def main() -> None:
    for count in (2, 3, 5):
        for local in (False, True):
            for moves in (0, 10_000):
                clock = trio.testing.MockClock(autojump_threshold=0)
                trio.run(_measure, count, local, moves, clock=clock)


if __name__ == "__main__":
    main()
