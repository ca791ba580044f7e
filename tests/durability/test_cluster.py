"""Three nodes on one PostgreSQL, stopped at random under load: nothing lost, nothing doubled.

Six people on all of the nodes publish in groups and in private chats. Nodes are killed with
`kill -9`, stopped for longer than their lease, told to end, and PostgreSQL is restarted; people
come back on any node. What was acknowledged, and what readers saw, is there afterwards, once, as
it was; no session saw a gap or a repeat; and it is measured how long a topic was away.

TINODE_TEST_KILLS=200 is the long run, TINODE_TEST_LEASE the lease in seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.durability.dwellers import Dweller
from tests.durability.fleet import Fleet, Machine, running_fleet
from tests.durability.test_kill import Ledger, _pairs
from tests.postgres import running_cluster
from tests.process import Talker, connected
from tinode_py.ids import p2p_name

KILLS = int(os.environ.get("TINODE_TEST_KILLS", "1"))
SEED = int(os.environ.get("TINODE_TEST_SEED", "0"))
LEASE = float(os.environ.get("TINODE_TEST_LEASE", "2"))
PEOPLE = 6
GROUPS = 2
EVERY = 8  # kills, then something else
PAUSE = (
    0.2 if KILLS < 8 else 0.5
)  # seconds between an answer and the next message of somebody in a conversation
PATIENCE = 2 * LEASE + 5
BACK = 60.0  # seconds within which every topic is there again


@attrs.define(eq=False)
class Waiting:
    """Conversations that a fault has hit, and how long they were away, by kind of fault."""

    kind: str = ""
    since: float = 0.0
    talks: set[str] = attrs.field(factory=set)
    took: dict[str, list[float]] = attrs.field(factory=dict)
    _none: trio.Event = attrs.field(factory=trio.Event)

    def begin(self, kind: str, talks: set[str]) -> None:
        self.kind, self.since, self.talks = kind, trio.current_time(), talks
        self._none = trio.Event()
        self.took.setdefault(kind, [])

    def taken(self, talk: str, sent: float) -> None:
        """A message that was sent at that time was acknowledged."""
        if talk in self.talks and sent > self.since:
            self.talks.remove(talk)
            self.took[self.kind].append(trio.current_time() - self.since)
            self._none.set()

    async def over(self) -> None:
        with trio.fail_after(BACK):
            while self.talks:
                self._none = trio.Event()
                await self._none.wait()


@attrs.define(eq=False)
class Faults:
    """What happens to the nodes, one after the other."""

    fleet: Fleet
    waiting: Waiting
    people: list[Dweller]
    talks: set[str]
    rng: random.Random

    async def kill(self) -> None:
        machine = await self._struck("kill", rest=self.rng.uniform(0, LEASE / 2))
        await machine.signalled(signal.SIGKILL)
        await machine.ended()
        await self.waiting.over()

    async def stop(self) -> None:
        """As a machine that sleeps: when it goes on it finds that it is no member. What counts
        are conversations of which somebody is on another node.
        """
        await self.fleet.settled(LEASE)  # so that somebody may fence it
        machine = await self._struck("stop")
        self._only_elsewhere(machine)
        before = await machine.times_joined()
        await machine.signalled(signal.SIGSTOP)
        await trio.sleep(LEASE + 1)
        await self.waiting.over()
        await machine.signalled(signal.SIGCONT)
        await machine.joined(before + 1)

    async def end(self) -> None:
        machine = await self._struck("end")
        await machine.end()
        assert machine.code == 0
        await self.waiting.over()

    async def restart(self) -> None:
        """What counts is the time from when PostgreSQL is there again. A node that starts
        meanwhile would end: none does.
        """
        for machine in self.fleet.machines:
            await machine.up()
        await trio.to_thread.run_sync(self.fleet.cluster.stop, "immediate")
        await trio.to_thread.run_sync(self.fleet.cluster.start)
        self.waiting.begin("restart of PostgreSQL", set(self.talks))
        await self.waiting.over()

    async def kill_all(self) -> None:
        """At once, so that whoever is started next has met none of them. What counts is the time
        from when the first one serves.
        """
        for machine in self.fleet.machines:
            machine.rest = 0.0
            await machine.up()
        async with trio.open_nursery() as nursery:
            for machine in self.fleet.machines:
                nursery.start_soon(_killed, machine)
        await self.fleet.machines[0].up()
        self.waiting.begin("kill of all", set(self.talks))
        await self.waiting.over()

    async def _struck(self, kind: str, rest: float = 0.0) -> Machine:
        """Choose a machine that is up, and another one is."""
        machine = await self.fleet.any_of_several(self.rng)
        machine.rest = rest
        if not any(other.has_run(LEASE) for other in self.fleet.machines if other != machine):
            kind += ", the others being new"  # none of which may fence it yet
        self.waiting.begin(kind, self.fleet.owned(machine) & self.talks)
        return machine

    def _only_elsewhere(self, machine: Machine) -> None:
        elsewhere = [person for person in self.people if person.url != machine.url]
        self.waiting.talks &= {talk for person in elsewhere for talk in person.topics.values()}

    def plan(self) -> list[Callable[[], Awaitable[None]]]:
        """So many kills, and everything else in between."""
        others = [self.stop, self.end, self.restart, self.kill_all]
        kills: list[Callable[[], Awaitable[None]]] = [self.kill] * KILLS
        if KILLS < EVERY:
            return [*kills, *others[:-1]]
        for place in range(KILLS - KILLS % EVERY, 0, -EVERY):
            kills.insert(place, others[place // EVERY % len(others)])
        return kills


async def _killed(machine: Machine) -> None:
    await machine.signalled(signal.SIGKILL)
    await machine.ended()


@pytest.mark.slow
@pytest.mark.timeout(120 + 60 * KILLS)
async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    with running_cluster(durable=True) as cluster:
        async with running_fleet(cluster, tmp_path, LEASE) as fleet:
            await ordeal(fleet)


async def ordeal(fleet: Fleet, kind: type[Faults] = Faults) -> None:
    """Let people talk through all that `kind` plans; then see what has become of it."""
    ledger, waiting, rng = Ledger(), Waiting(), random.Random(SEED)
    people = [
        Dweller(n, ledger, fleet.urls, waiting.taken, random.Random(SEED + n), PAUSE, PATIENCE)
        for n in range(PEOPLE)
    ]
    await _acquainted(fleet, people)
    talks = {talk for person in people for talk in person.topics.values()}
    plan = kind(fleet, waiting, people, talks, rng).plan()
    async with trio.open_nursery() as nursery:
        for person in people:
            nursery.start_soon(person.stay)
        for number, fault in enumerate(plan):
            await _all_is_well(people, waiting, talks)
            await trio.sleep(rng.uniform(0.1, 0.5))
            await fault()
            _quiet(people)
            if KILLS > EVERY:
                print(number + 1, "of", len(plan), waiting.kind, ledger.total(), flush=True)
        await _all_is_well(people, waiting, talks)
        nursery.cancel_scope.cancel()
    await _check(fleet, people, ledger)
    complaints = [line for machine in fleet.machines for line in machine.complaints()]
    wrong = [each for person in people for each in person.wrong]
    print(json.dumps(_figures(people, ledger, waiting)))
    assert (ledger.lost, ledger.altered, ledger.doubled, ledger.holes) == (0, 0, 0, 0)
    assert not wrong, wrong[:10]
    assert not complaints, complaints[:10]
    assert ledger.total() > 10 * len(plan)


async def _all_is_well(people: list[Dweller], waiting: Waiting, talks: set[str]) -> None:
    """Everybody gets all that there is, over the session that he has; then all can publish."""
    with trio.move_on_after(BACK) as patience:
        while any(person.lacks() for person in people):  # noqa: ASYNC110
            await trio.sleep(0.05)
    lacking = [person.lacks() for person in people]
    assert not patience.cancelled_caught, lacking
    waiting.begin("", set(talks))
    for person in people:
        person.speaks.set()
    await waiting.over()


def _quiet(people: list[Dweller]) -> None:
    for person in people:
        person.speaks = trio.Event()


async def _acquainted(fleet: Fleet, people: list[Dweller]) -> None:
    """Accounts on all nodes; groups of all, and a pair of each two neighbours."""
    async with contextlib.AsyncExitStack() as stack:
        talkers = []
        for person in people:
            url = fleet.urls()[person.number % len(fleet.machines)]
            talker = await stack.enter_async_context(connected(url))
            await talker.register(f"person{person.number}")
            person.token, person.user = talker.token, talker.user
            talkers.append(talker)
        for maker in talkers[:GROUPS]:
            made = await maker.ask(sub={"topic": "new"})
            for person, talker in zip(people, talkers, strict=True):
                person.topics[made["topic"]] = made["topic"]
                await _attached(talker, made["topic"])
        for one, other in _pairs(people):  # type: ignore[arg-type]
            talk = p2p_name(one.user, other.user)
            one.topics[other.user] = other.topics[one.user] = talk
            for here, there in ((one, other), (other, one)):
                await _attached(talkers[here.number], there.user)


async def _attached(talker: Talker, topic: str) -> None:
    ctrl = await talker.ask(sub={"topic": topic})
    assert ctrl["code"] in (200, 304), ctrl


async def _check(fleet: Fleet, people: list[Dweller], ledger: Ledger) -> None:
    """Read every conversation from the beginning, once on each node."""
    for machine in fleet.machines:
        url = (await machine.up()).url
        ledger.checked.clear()
        ledger.contents.clear()
        done: set[str] = set()
        for person in people:
            async with connected(url) as talker:
                await talker.login_token(person.token)
                for topic, talk in person.topics.items():
                    if talk not in done:
                        await _attached(talker, topic)
                        ledger.check(talk, await talker.history(topic))
                        done.add(talk)


def _figures(people: list[Dweller], ledger: Ledger, waiting: Waiting) -> dict[str, Any]:
    codes: dict[int, int] = {}
    for person in people:
        for code, count in person.codes.items():
            codes[code] = codes.get(code, 0) + count
    return {
        "test": "cluster",
        "lease": LEASE,
        "acked": ledger.total(),
        "lost": ledger.lost,
        "altered": ledger.altered,
        "doubled": ledger.doubled,
        "holes": ledger.holes,
        "impatient": sum(person.impatient for person in people),
        "wrong": sum(len(person.wrong) for person in people),
        "answers": codes,
        "sessions": sum(person.sessions for person in people),
        "away": {
            kind: {
                "topics": len(took),
                "p50": round(statistics.median(took), 2),
                "max": round(max(took), 2),
            }
            for kind, took in waiting.took.items()
            if kind and took
        },
    }
