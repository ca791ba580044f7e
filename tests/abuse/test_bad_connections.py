"""Connections that begin badly, hang, flood, or vanish: each ends by itself and leaves nothing.

Bytes over memory on the virtual clock; where the kernel's buffers or descriptors are the point,
real sockets on 127.0.0.1.
"""

from __future__ import annotations

import os
import random
import tracemalloc

import pytest
import trio
import trio.testing

from tests.abuse.people import Client, World, secret, world
from tests.web.parts import UPGRADE, Reader, frame, handshake, request, upgraded

REAL = {"listen": ("127.0.0.1:0",)}


def memory(it: World) -> trio.abc.Stream:
    mine, theirs = trio.testing.memory_stream_pair()
    it.server.front.adopt(theirs)
    return mine


async def dial(it: World) -> trio.SocketStream:
    host, _, port = it.server.url.removeprefix("http://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


FRAMES = {
    "invalid UTF-8 in a text": (frame(1, b'{"hi":{"ver":"\xff"}}'), 1007),
    "half a character": (frame(1, b'{"hi":{"ver":"\xc3"}}'), 1007),
    "a surrogate in UTF-8": (frame(1, b"\xed\xa0\x80"), 1007),
    "a text beyond the limit": (frame(1, b" " * 200_000), 1009),
    "a binary beyond the limit": (frame(2, bytes(200_000)), 1009),
    "2^62 bytes declared": (b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4), 1009),
    "a length that is none": (b"\x81\xff" + (2**64 - 1).to_bytes(8, "big") + bytes(4), 1002),
    "fragments beyond the limit": (
        frame(1, b" " * 100_000, fin=False) + frame(0, b" " * 100_000),
        1009,
    ),
    "endless empty fragments": (
        frame(1, b"", fin=False) + frame(0, b"", fin=False) * 8000,
        1008,
    ),
    "an unknown opcode": (frame(5, b""), 1002),
    "no mask": (b"\x81\x02{}", 1002),
    "compressed": (b"\xc1\x80" + bytes(4), 1002),
}


@pytest.mark.parametrize(("data", "code"), FRAMES.values(), ids=FRAMES.keys())
async def test_a_bad_frame_closes_that_session_only(data, code, autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        mallory = await it.again("alice")
        assert await mallory.code(sub={"topic": group}) == 200
        with trio.move_on_after(1):
            await mallory.stream.send_all(data)
        assert await mallory.closed() == code
        await bob.quiet()
        assert await alice.code(pub={"topic": group, "content": "still"}) == 202
        assert [p for p in await bob.quiet() if "data" in p]


BEGINNINGS = {
    "nothing": b"",
    "half a head": handshake()[:-2],
    "one byte": b"G",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01",
    "nothing after the upgrade": handshake(),
    "half a frame head": handshake() + b"\x81",
    "half a frame": handshake() + frame(1, b'{"hi":{"ver":"0.25"}}')[:-3],
    "half a message": handshake() + frame(1, b'{"hi":', fin=False),
    "an unfinished body": request("POST", body=b"12345")[:-2],
}


@pytest.mark.parametrize("data", BEGINNINGS.values(), ids=BEGINNINGS.keys())
async def test_what_is_half_done_is_closed(data, autojump_clock):
    """A handshake within 20 s, a session or a body within the read deadline."""
    async with world() as it:
        stream = memory(it)
        began = trio.current_time()
        if data:
            await stream.send_all(data)
        with trio.fail_after(120):
            while True:
                try:
                    if not await stream.receive_some():
                        break
                except trio.BrokenResourceError:
                    break
        most = 60 if data.startswith((handshake(), b"POST")) else 20
        assert trio.current_time() - began <= most
        await it.empty()


async def _trickle(stream: trio.abc.Stream, data: bytes) -> None:
    for byte in data:
        await stream.send_all(bytes([byte]))
        await trio.sleep(1)


async def _repeat(stream: trio.abc.Stream, data: bytes) -> None:
    while True:
        await stream.send_all(data)


async def test_a_head_that_trickles_is_closed_within_20_s(autojump_clock):
    async with world() as it:
        stream = memory(it)
        with pytest.raises(trio.BrokenResourceError):
            await _trickle(stream, handshake())
        assert trio.current_time() < 21
        await it.empty()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (handshake(version="1.0"), {400, 426, 505}),
        (handshake({"Sec-WebSocket-Version": "12"}), {400, 426}),
        (handshake({"Sec-WebSocket-Key": "short"}), {400}),
        (request(headers={**UPGRADE, "Upgrade": "h2c"}), {400, 426, 404, 405}),
        (handshake(method="POST"), {400, 405}),
        (handshake({"X": "y" * 70_000}), {400, 431}),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", {400, 431}),
        (b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", {400, 414, 431}),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         {400}),
        (b"\x00" * 100 + b"\r\n\r\n", {400}),
    ],
    ids=["HTTP/1.0", "old version", "bad key", "h2c", "POST", "long header", "many headers",
         "long target", "two lengths", "NULs"],
)  # fmt: skip
async def test_a_bad_handshake_is_refused(sent, status, autojump_clock):
    async with world() as it:
        stream = memory(it)
        with trio.move_on_after(5):
            await stream.send_all(sent)
        answered, headers = await Reader(stream).head()
        assert answered in status
        assert "sec-websocket-accept" not in headers
        await stream.aclose()
        await it.empty()


async def test_three_hundred_silent_connections(autojump_clock):
    """They hold up nobody, and are gone after the deadline."""
    async with world() as it:
        silent = [memory(it) for _ in range(150)]
        opened = [await it.socket() for _ in range(150)]
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        began = trio.current_time()
        assert await alice.code(pub={"topic": group, "content": 1}) == 202
        assert trio.current_time() - began < 0.1
        await alice.close()
        await bob.close()
        await it.empty()
        assert trio.current_time() - began < 70
        assert len(silent) + len(opened) == 300


@pytest.mark.slow
async def test_a_reader_that_never_reads_is_cut_and_memory_stays_flat():
    """A megabyte may wait for him; twenty come. The others get every message."""
    limits = {"outbox": 1_048_576, "packets_per_second": 0}
    async with world(server=REAL, limits=limits) as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        stream = await dial(it)
        mallory = Client(stream, await upgraded(stream))
        await mallory.code(hi={"ver": "0.25"})
        await mallory.code(login={"scheme": "basic", "secret": secret("bobby")})
        await mallory.code(sub={"topic": group})
        tracemalloc.start()
        start, _ = tracemalloc.get_traced_memory()
        most = 0
        for number in range(200):
            await alice.send({"pub": {"id": str(number), "topic": group, "noecho": True,
                                      "content": "x" * 100_000}})  # fmt: skip
            assert (await alice.answer(str(number)))["code"] == 202
            while "data" not in await bob.next():
                pass
            waiting = max((box.queued for box in it.server.front._outboxes), default=0)
            assert waiting <= limits["outbox"]
            held, _ = tracemalloc.get_traced_memory()
            most = max(most, held - start)
        stored = 200 * 100_200  # the store of this test is in memory
        tracemalloc.stop()
        assert it.server.front.statistics().slow_by_bytes == 1
        assert most < stored + 4 * 1_048_576
        await stream.aclose()


@pytest.mark.slow
async def test_a_reader_that_stops_reading_is_cut_by_time():
    limits = {"write_timeout": 2.0, "outbox": 1 << 30}  # whoever reads is never so late
    async with world(server=REAL, limits=limits) as it:
        alice = await it.person("alice")
        group = await it.group(alice)
        stream = await dial(it)
        mallory = Client(stream, await upgraded(stream))
        await mallory.code(hi={"ver": "0.25"})
        await mallory.code(login={"scheme": "basic", "secret": secret("alice")})
        await mallory.code(sub={"topic": group})
        for _ in range(200):
            assert await alice.code(pub={"topic": group, "content": "x" * 100_000}) == 202
        with trio.fail_after(30):
            while not it.server.front.statistics().slow_by_time:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert it.server.front.statistics().slow_by_time == 1
        assert it.server.hub.statistics().sessions == 1
        await stream.aclose()


@pytest.mark.slow
async def test_a_flood_of_pings_is_answered_within_bounds():
    """Who sends pings and takes no pongs is cut; the loop goes on meanwhile."""
    async with world(server=REAL, limits={"outbox": 65_536, "message_size": 65_536}) as it:
        alice = await it.person("alice")
        group = await it.group(alice)
        stream = await dial(it)
        await upgraded(stream)
        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await _repeat(stream, frame(9, b"p" * 125) * 5000)
        assert it.server.front.statistics().slow_by_bytes == 1
        assert await alice.code(pub={"topic": group, "content": 1}) == 202
        await stream.aclose()


@pytest.mark.slow
async def test_240_half_way_disconnects_leave_no_descriptor():
    """Cut after every possible byte of a short conversation, some with a reset."""
    async with world(server=REAL) as it:
        alice = await it.person("alice")
        group = await it.group(alice)
        talk = handshake() + b"".join(
            Client.frame(alice, packet)
            for packet in (
                {"hi": {"id": "1", "ver": "0.25"}},
                {"login": {"id": "2", "scheme": "basic", "secret": secret("alice")}},
                {"sub": {"id": "3", "topic": "me", "get": {"what": "desc sub"}}},
                {"sub": {"id": "4", "topic": group, "get": {"what": "data"}}},
                {"pub": {"id": "5", "topic": group, "content": "x"}},
                {"leave": {"id": "6", "topic": group, "unsub": False}},
            )
        )
        chance = random.Random(7)
        await trio.testing.wait_all_tasks_blocked()
        before = descriptors()
        for number in range(240):
            stream = await dial(it)
            await stream.send_all(talk[: len(talk) * (number + 1) // 240])
            if number % 3:
                await trio.sleep(chance.random() / 200)
            if number % 2:
                stream.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset
            await stream.aclose()
        await alice.close()
        with trio.fail_after(30):
            await it.empty()
        assert descriptors() <= before


async def test_a_flood_is_slowed_and_drops_nothing(autojump_clock):
    async with world(limits={"packets_per_second": 100}) as it:
        alice = await it.person("alice")
        group = await it.group(alice)
        began = trio.current_time()
        await alice.send(
            *({"pub": {"id": str(n), "topic": group, "noecho": True, "content": n}}
              for n in range(1000))
        )  # fmt: skip
        for n in range(1000):
            assert (await alice.first())["id"] == str(n)
        assert 8 < trio.current_time() - began < 11
