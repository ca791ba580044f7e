"""Polling sessions without HTTP: their task, whatever the session under it does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tests.web.parts import EchoSession
from tinode_py.config import Settings
from tinode_py.live.outbox import ConnectionInfo, Outlet
from tinode_py.web.polled import PolledSession, PolledSessions, TooMany

INFO = ConnectionInfo("192.0.2.1", "lp", "key")


@attrs.define
class Place:
    """A table that runs, and the sessions it made."""

    table: PolledSessions
    made: list[EchoSession]


@asynccontextmanager
async def running(gate: trio.Event | None = None, **longpoll: Any) -> AsyncIterator[Place]:
    made: list[EchoSession] = []

    def new_session(outlet: Outlet, info: ConnectionInfo) -> EchoSession:
        made.append(EchoSession(outlet, info, gate))
        return made[-1]

    settings = Settings.of(web={"longpoll": longpoll})
    place = Place(PolledSessions(settings, new_session, lambda: 0, os.urandom), made)
    async with trio.open_nursery() as nursery:
        await nursery.start(place.table.serve)
        yield place
        nursery.cancel_scope.cancel()
    assert [session.ends for session in made] == [1] * len(made)
    assert place.table.statistics().sessions == 0


async def polled(session: PolledSession) -> bytes | None:
    return await session.poll(trio.Event())


async def test_a_bug_costs_one_session(autojump_clock, caplog: pytest.LogCaptureFixture):
    async with running() as place:
        one, other = place.table.open(INFO), place.table.open(INFO)
        await one.post("a")
        await one.post("bug")
        assert await polled(one) == b"a"
        await trio.testing.wait_all_tasks_blocked()
        assert place.made[0].ends == 1
        assert await polled(one) is None
        assert not await one.post("b")
        await other.post("c")
        assert await polled(other) == b"c"
    assert "a polling session failed" in caplog.text


async def test_packets_are_taken_one_at_a_time_and_in_order(autojump_clock):
    gate = trio.Event()
    async with running(gate) as place:
        session = place.table.open(INFO)
        async with trio.open_nursery() as nursery:
            for n in range(12):
                nursery.start_soon(session.post, f"{n}")
                await trio.testing.wait_all_tasks_blocked()
            assert place.made[0].got == ["0"]
            gate.set()
        assert [await polled(session) for _ in range(12)] == [b"%d" % n for n in range(12)]


HI, ACC = '{"hi":{"ver":"0.25"}}', '{"acc":{}}'


@pytest.mark.parametrize(
    ("posted", "pause", "got"),
    [
        ((ACC, HI), 1.5, [HI, ACC]),
        ((ACC, ACC, ' { "HI" :{}}', "x"), 0.01, [' { "HI" :{}}', ACC, ACC, "x"]),
        ((HI, ACC), 0.0, [HI, ACC]),
        ((ACC, HI), 2.5, [ACC, HI]),
        (("1", HI), 0.0, ["1", HI]),
        ((ACC,), 0.0, [ACC]),
        ((ACC,) * 9 + (HI,), 0.0, [ACC] * 9 + [HI]),
    ],
)
async def test_a_hello_goes_first_if_it_comes_soon(
    autojump_clock, posted: tuple[str, ...], pause: float, got: list[str]
):
    async with running() as place:
        session = place.table.open(INFO)
        for packet in posted:
            await session.post(packet)
            await trio.sleep(pause)
        await trio.sleep(2.5)
        assert place.made[0].got == got


async def test_a_packet_under_way_is_finished_though_the_session_was_closed(autojump_clock):
    gate = trio.Event()
    async with running(gate) as place:
        session = place.table.open(INFO)
        await session.post("a")
        await session.post("b")
        await trio.testing.wait_all_tasks_blocked()
        session.outbox.finish()
        assert not await session.post("c")
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert place.made[0].got == ["a"]
        assert place.table.get(session.sid) is None


async def test_a_packet_that_never_ends_does_not_hold_a_closed_session(autojump_clock):
    async with running(trio.Event()) as place:
        session = place.table.open(INFO)
        await session.post("a")
        await trio.testing.wait_all_tasks_blocked()
        session.outbox.finish()
        with trio.fail_after(30):
            await place.table.wait_collected()


async def test_those_who_wait_to_post_learn_of_the_end(autojump_clock):
    async with running(trio.Event()) as place:
        session = place.table.open(INFO)
        taken: list[bool] = []

        async def post() -> None:
            taken.append(await session.post("a"))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(post)
            await trio.testing.wait_all_tasks_blocked()
            session.outbox.finish()
        assert taken == [True] * 5 + [False] * 5


async def test_addresses_are_forgotten(autojump_clock):
    async with running(per_address=1) as place:
        for _ in range(3):
            place.table.open(INFO)
            with pytest.raises(TooMany):
                place.table.open(INFO)
            await trio.sleep(75)
        assert (place.table.statistics().expired, place.table.statistics().refused) == (3, 3)


async def test_a_poll_longer_than_a_life(autojump_clock):
    async with running(poll_seconds=100, life_seconds=10) as place:
        session = place.table.open(INFO)
        before = trio.current_time()
        assert await polled(session) == b""
        assert trio.current_time() - before == pytest.approx(10)


async def test_what_waits_is_kept_for_a_life_after_the_end(autojump_clock):
    async with running() as place:
        fetched, left = place.table.open(INFO), place.table.open(INFO)
        for session in (fetched, left):
            await session.post("a")
            await trio.testing.wait_all_tasks_blocked()
            session.outbox.finish()
        await trio.sleep(60)
        assert [it.ends for it in place.made] == [1, 1]
        assert await polled(fetched) == b"a"
        await trio.sleep(15)
        assert place.table.statistics().sessions == 0
