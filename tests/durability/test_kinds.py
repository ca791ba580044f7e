"""What a node that is killed may cost, kind by kind: presence, marks, the inbox, calls, rooms.

Three nodes on one PostgreSQL and four people who talk to each other all the while. Two of them are
in a call, and one goes for good with the node that is killed. Afterwards nobody may believe what is
not so, nothing may be stuck, and what was acknowledged, or told to anybody, must be there.
`TINODE_TEST_KILLS=20` is the long run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trio

from tests.durability.books import MARKS
from tests.durability.fleet import Fleet, running_fleet
from tests.durability.guests import ROOM, Guest
from tests.durability.test_back_end import run
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
            key = await run(
                "key", "create", "back end", "--scope", "all", *fleet.machines[0].where()
            )
            async with trio.open_nursery() as nursery:
                for person in people:
                    nursery.start_soon(person.stay)
                    nursery.start_soon(person.talk)
                for _ in range(KILLS):
                    await _round(fleet, people, key)
                await _all_there(people)
                nursery.cancel_scope.cancel()
            for person in people:
                person.book.check_once()
            wrong = [*(it for person in people for it in person.wrong)]
            print(sum(len(person.book.items) for person in people), "messages in inboxes")
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


async def _round(fleet: Fleet, people: list[Guest], key: str) -> None:
    """One kill, and what comes after it."""
    anna, bert, cleo, dina = people
    await _all_there(people)
    seq = await anna.publish(bert.user, {"txt": " "}, head={"webrtc": "started"})
    with trio.fail_after(DEADLINE):
        while ("accept", seq) not in anna.signals:
            await bert.note(anna.user, "call", seq, event="accept")
            await trio.sleep(0.1)
    said = [person.said + 3 for person in people]
    for person in people:
        person.speaks.set()
    await until(lambda: all(it.said >= n for it, n in zip(people, said, strict=True)), said)
    machine = next(it for it in fleet.machines if it.url == dina.url)
    dina.welcome = False
    began = trio.current_time()
    await machine.signalled(signal.SIGKILL)
    await machine.ended()
    await until(_believe(people), [(it.name, it.online) for it in people])
    known = trio.current_time() - began
    with trio.fail_after(DEADLINE):
        await _quiet(people)
        await _nothing_is_forgotten(people)
        await _reached(cleo, {bert.user: "delivered", dina.user: "stored"}, key)
        await _nothing_is_unread([anna, bert, cleo])
        await _call_is_over(anna, bert, seq)
        await anna.publish(ROOM, seq)
    await until(lambda: seq in bert.room and seq in cleo.room, "the room lives")
    print(f"after {known:.2f} s all knew who was there; {trio.current_time() - began:.2f} s in all")


async def _all_there(people: list[Guest]) -> None:
    """Whoever was away is back, and finds what was promised."""
    for person in people:
        person.welcome = True
    await until(_believe(people), [person.online for person in people])
    await _quiet(people)
    await _nothing_is_forgotten(people)


async def _quiet(people: list[Guest]) -> None:
    """Nobody says any more, and everybody who is there has all that was taken, in his inbox."""
    for person in people:
        if person.speaks.is_set():
            person.speaks = trio.Event()
    there = [person for person in people if person.welcome]

    def have_all() -> bool:
        return not any(person.talks for person in there) and all(
            one.book.has(other.user, max(one.book.last[other.user], other.book.last[one.user]))
            for one in there
            for other in people
            if other is not one
        )

    await until(have_all, [(it.name, it.talks, dict(it.book.last)) for it in people])


async def _nothing_is_forgotten(people: list[Guest]) -> None:
    """What {get sub} gives, on `me` and in each conversation, beside what they were told."""
    for one in people:
        if not one.welcome:
            continue
        heard = dict(one.book.told)
        told = {
            other.user: {what: other.book.told[one.user, what] for what in MARKS}
            for other in people
        }
        contacts = [row for row in await one.rows("me") if row["topic"] in one.peers]
        assert len(contacts) == len(one.peers)
        for row in contacts:
            one.book.check_contact(row, told[row["topic"]])
        for peer in one.peers:
            one.book.check_members(await one.rows(peer), heard)


async def _nothing_is_unread(people: list[Guest]) -> None:
    """Each says something to each, who reads it: that makes up for marks that were lost."""
    for one, other in itertools.permutations(people, 2):
        await _read_by(other, one, await one.say(other.user))
    for one, other in itertools.permutations(people, 2):
        (row,) = [it for it in await one.rows("me") if it["topic"] == other.user]
        assert (row["read"], row["recv"]) == (row["seq"], row["seq"]), row


async def _read_by(reader: Guest, author: Guest, seq: int) -> None:
    marks = [(reader.user, what) for what in MARKS]
    await until(lambda: all(author.book.told[it] >= seq for it in marks), "it is read")


async def _reached(author: Guest, expected: dict[str, str], key: str) -> None:
    """A back end is told whom its message has reached; never that it has one who is gone."""
    part = {"from": author.user, "users": [*expected], "content": "hello", "receipt": "answer"}
    async with httpx.AsyncClient(timeout=DEADLINE) as web:
        reached: dict[str, str] = {}
        while reached != expected:
            await trio.sleep(0.05)
            proof = {"Authorization": f"Bearer {key}"}
            sent = await web.post(f"{author.url}/v1/messages", json=part, headers=proof)
            for result in sent.json()["results"]:
                if result["status"] < 300:
                    author.book.knows(result["user"], result["seq"], is_own=True)
                reached |= {it["user"]: it["reached"] for it in result["receipts"]}
            wrong = {it for it, how in reached.items() if how == "delivered" != expected[it]}
            assert not wrong, reached


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
