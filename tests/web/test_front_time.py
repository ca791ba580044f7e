"""The one port and time: what is late, silent or slow, and a server that stops."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from tests.web.parts import WS, NewWorld, Reader, ask, handshake, request, text, upgraded
from tinode_py.web.http import HttpStream


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /nosuch HTTP/1.1\r\nHost: x\r\nX-Half",
        handshake()[:-2],
        request(target="/nosuch") + b"GET /no",
    ],
    ids=["silent", "half a head", "half a handshake", "half of the second"],
)
async def test_what_does_not_come_in_time_is_closed(serving: NewWorld, autojump_clock, data: bytes):
    async with serving() as world:
        client = world.connect()
        before = trio.current_time()
        await client.send_all(data)
        while await client.receive_some():
            pass
        assert 9 < trio.current_time() - before <= 20


async def test_dripping_does_not_prolong(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        before = trio.current_time()

        async def drip() -> None:
            for byte in request(headers={"X": "x" * 1000}):
                await client.send_all(bytes([byte]))
                await trio.sleep(1)

        with pytest.raises(trio.BrokenResourceError):
            await drip()
        assert trio.current_time() - before <= 20


async def test_three_hundred_silent_connections_go_and_others_are_served(
    serving: NewWorld, autojump_clock
):
    async with serving() as world:
        silent = [world.connect() for _ in range(300)]
        assert (await ask(world, request(target="/health/live")))[0] == 200
        await trio.sleep(20)
        assert world.front.statistics().connections == 0
        assert [await client.receive_some() for client in silent] == [b""] * 300


async def test_an_idle_kept_connection_is_closed(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(request(target="/nosuch"))
        reader = Reader(client)
        await reader.answer()
        before = trio.current_time()
        assert await reader.ended()
        assert trio.current_time() - before <= 35


async def test_a_client_that_leaves_a_kept_connection_is_forgotten_at_once(
    serving: NewWorld, autojump_clock
):
    async with serving() as world:
        await ask(world, request(target="/nosuch"))
        await trio.testing.wait_all_tasks_blocked()
        assert world.front.statistics().connections == 0


async def test_who_has_finished_sending_still_gets_the_answer(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(request(target="/nosuch"))
        await client.send_eof()
        reader = Reader(client)
        assert (await reader.answer())[0] == 404
        assert await reader.ended()


async def test_a_drain_refuses_new_work_and_waits_for_the_old(serving: NewWorld, autojump_clock):
    async with serving() as world:
        kept, socket = world.connect(), world.connect()
        await kept.send_all(request(target="/nosuch"))
        plain, reader = Reader(kept), await upgraded(socket)
        await plain.answer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.front.drain, 5)
            await trio.testing.wait_all_tasks_blocked()
            for target, status in [("/health/ready", 503), ("/health/live", 200), (WS, 503)]:
                assert (await ask(world, request(target=target)))[0] == status
            await kept.send_all(handshake())
            answered, headers, body = await plain.answer()
            assert (answered, headers["connection"]) == (503, "close")
            assert json.loads(body)["ctrl"]["text"] == "service unavailable"
            await socket.send_all(text("still heard"))
            assert await reader.frame() == (1, b"still heard")
            world.front.close_sessions()
            assert await reader.frame() == (8, b"\x03\xe9")
            began = trio.current_time()
            await socket.send_all(b"\x88\x82" + bytes(4) + b"\x03\xe9")
        assert trio.current_time() - began < 1
        assert world.session.ends == 1


async def test_a_drain_breaks_off_what_does_not_end(serving: NewWorld, autojump_clock):
    async with serving() as world:
        reader = await upgraded(world.connect())
        half = world.connect()
        await half.send_all(b"GET")
        before = trio.current_time()
        await world.front.drain(5)
        assert trio.current_time() - before == pytest.approx(5)
        assert await reader.ended()
        assert await Reader(half).ended()


async def test_an_answer_that_nobody_reads_is_given_up(autojump_clock):
    mine, _peer = trio.testing.lockstep_stream_pair()
    stream = HttpStream(mine, write_timeout=10)
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(bytes(50_000))
    assert trio.current_time() == pytest.approx(10)
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(bytes(50_000))
    assert trio.current_time() == pytest.approx(10)
