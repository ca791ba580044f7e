"""What a node that is killed may cost, kind by kind: presence, marks, calls, rooms.

Three nodes on one PostgreSQL and four people, of whom two call each other, two read what is
written, and one goes for good with the node that is killed. Afterwards nobody may believe what is
not so, and nothing may be stuck. `TINODE_TEST_KILLS=20` is the long run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.durability.fleet import Fleet, running_fleet
from tests.durability.guests import ROOM, Guest
from tests.postgres import running_cluster
from tests.process import connected

KILLS = int(os.environ.get("TINODE_TEST_KILLS", "1"))
SEED = int(os.environ.get("TINODE_TEST_SEED", "0"))
LEASE = float(os.environ.get("TINODE_TEST_LEASE", "5"))
NAMES = ("anna", "bert", "cleo", "dina")
DEADLINE = 60.0  # seconds, far above what anything here takes
SETTINGS = ('calls.ice_servers=[{urls=["stun:example.org"]}]', "rooms.clients=create")
ENDED = {"finished", "disconnected", "missed", "declined"}


@pytest.mark.slow
@pytest.mark.timeout(180 + 60 * KILLS)
async def test_what_a_kill_costs_by_kind(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        async with running_fleet(cluster, tmp_path, LEASE, settings=SETTINGS) as fleet:
            people = [Guest(name, fleet.urls, random.Random(name)) for name in NAMES]
            await _acquainted(fleet, people)
            async with trio.open_nursery() as nursery:
                for person in people:
                    nursery.start_soon(person.stay)
                for number in range(KILLS):
                    await _round(fleet, people, random.Random(SEED + number))
                nursery.cancel_scope.cancel()
            wrong = [*(it for person in people for it in person.wrong)]
            complaints = [line for machine in fleet.machines for line in machine.complaints()]
    assert not wrong
    assert not complaints


async def _acquainted(fleet: Fleet, people: list[Guest]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        talkers = []
        for person, url in zip(people, itertools.cycle(fleet.urls()), strict=False):
            talker = await stack.enter_async_context(connected(url))
            await talker.register(person.name)
            person.token, person.user = talker.token, talker.user
            talkers.append(talker)
        for person, talker in zip(people, talkers, strict=True):
            person.peers = [other.user for other in people if other is not person]
            for peer in person.peers:
                assert (await talker.ask(sub={"topic": peer}))["code"] < 400


async def until(true: Callable[[], bool], what: object) -> float:
    """Wait until something is so; how long that took."""
    began = trio.current_time()
    with trio.move_on_after(DEADLINE):
        while not true():  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert true(), what
    return trio.current_time() - began


def _believe(people: list[Guest]) -> Callable[[], bool]:
    """Whether all know who is there."""
    there = {person.user for person in people if person.welcome}

    def so() -> bool:
        return all(
            person.talker is not None
            and all(person.online.get(peer, False) is (peer in there) for peer in person.peers)
            for person in people
            if person.welcome
        )

    return so


async def _round(fleet: Fleet, people: list[Guest], rng: random.Random) -> None:
    """One kill, and what comes after it."""
    anna, bert, cleo, dina = people
    dina.welcome = True
    await until(_believe(people), [person.online for person in people])
    seq = await anna.publish(bert.user, {"txt": " "}, head={"webrtc": "started"})
    with trio.fail_after(DEADLINE):
        while ("accept", seq) not in anna.signals:
            await bert.note(anna.user, "call", seq, event="accept")
            await trio.sleep(0.1)
    read = await cleo.publish(anna.user, "read this")
    machine = next(it for it in fleet.machines if it.url == dina.url)
    dina.welcome = False
    began = trio.current_time()
    await machine.signalled(signal.SIGKILL)
    await machine.ended()
    await until(_believe(people), [(it.name, it.online) for it in people])
    known = trio.current_time() - began

    async def marked() -> None:
        while cleo.marks[anna.user] < read:
            await anna.note(cleo.user, "read", read)
            await trio.sleep(0.1)

    with trio.fail_after(DEADLINE):
        await marked()
        await _call_is_over(anna, bert, seq)
        await anna.publish(ROOM, seq)
    await until(lambda: seq in bert.room and seq in cleo.room, "the room lives")
    print(f"after {known:.2f} s all knew who was there; {trio.current_time() - began:.2f} s in all")


async def _call_is_over(anna: Guest, bert: Guest, seq: int) -> None:
    """It goes on, so that one can hang up, or it has ended."""
    while True:
        await bert.note(anna.user, "call", seq, event="hang-up")
        states = await bert.states(anna.user, seq)
        if states and states[-1] in ENDED:
            assert states[0] == "started"
            assert len(states) == 3
            return
        await trio.sleep(0.2)
