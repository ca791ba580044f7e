from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tests.live.sockets import small_sockets, taken
from tinode_py.live.outbox import OutletTerms, SocketOutbox


@attrs.define
class Wire:
    """An outbox, the other end of its connection, and what it said of slowness."""

    outbox: SocketOutbox
    nursery: trio.Nursery
    peer: Any
    slow: list[str]


@asynccontextmanager
async def over_sockets(limit: int = 1_000_000) -> AsyncIterator[Wire]:
    stream, peer = small_sockets()
    async with stream:
        with peer:
            async with trio.open_nursery() as nursery:
                made = wire(stream, nursery, peer, limit)
                with made.outbox.scope:
                    yield made
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def over_memory(limit: int = 1_000_000) -> AsyncIterator[Wire]:
    ours, peer = trio.testing.memory_stream_one_way_pair()
    async with trio.open_nursery() as nursery:
        made = wire(ours, nursery, peer, limit)
        with made.outbox.scope:
            yield made
        nursery.cancel_scope.cancel()


def wire(stream: Any, nursery: trio.Nursery, peer: Any, limit: int) -> Wire:
    slow: list[str] = []
    outbox = SocketOutbox(stream, OutletTerms(nursery, limit, 10, 5, slow.append))
    return Wire(outbox, nursery, peer, slow)


async def test_a_frame_is_on_its_way_before_push_returns():
    async with over_sockets() as wire:
        wire.outbox.push(b"frame")
        assert taken(wire.peer) == b"frame"
        assert wire.outbox.queued == 0
        assert not wire.nursery.child_tasks


async def test_what_the_socket_does_not_take_follows_in_order():
    async with over_sockets() as wire:
        frames = [bytes([n % 256]) * 1000 for n in range(100)]
        for frame in frames:
            wire.outbox.push(frame)
        assert 0 < wire.outbox.queued < 100_000
        got = taken(wire.peer)
        assert got
        while wire.outbox.queued:
            await trio.testing.wait_all_tasks_blocked()
            got += taken(wire.peer)
        assert got + taken(wire.peer) == b"".join(frames)
        await trio.testing.wait_all_tasks_blocked()
        assert not wire.nursery.child_tasks
        wire.outbox.push(b"direct again")
        assert taken(wire.peer) == b"direct again"


async def test_a_frame_larger_than_the_buffers_is_never_torn():
    async with over_sockets() as wire:
        wire.outbox.push(b"a" * 300_000)
        wire.outbox.push(b"b")
        got = b""
        while len(got) < 300_001:
            await trio.testing.wait_all_tasks_blocked()
            got += taken(wire.peer)
        assert got == b"a" * 300_000 + b"b"


async def test_waiting_frames_share_writes():
    """What piled up while the peer was busy goes out in few pieces."""
    writes: list[int] = []

    async def count() -> None:
        writes.append(1)

    async with trio.open_nursery() as nursery:
        stream = trio.testing.MemorySendStream(send_all_hook=count)
        box = wire(stream, nursery, None, 1_000_000).outbox
        for _ in range(1000):
            box.push(b"x" * 100)
        await box.flushed()
    assert len(stream.get_data_nowait()) == 100_000
    assert len(writes) < 10


async def test_too_many_bytes_make_a_reader_slow(autojump_clock):
    async with over_sockets(limit=50_000) as wire:
        for _ in range(80):
            wire.outbox.push(b"x" * 1000)
        assert wire.slow == ["bytes"]
        assert wire.outbox.closed
        assert wire.outbox.queued == 0
        wire.outbox.push(b"dropped")
        wire.outbox.finish()
        assert wire.outbox.scope.cancel_called
        got = taken(wire.peer)
        assert set(got) == {ord("x")}


async def test_no_progress_makes_a_reader_slow(autojump_clock):
    before = trio.current_time()
    async with trio.open_nursery() as nursery:
        stream, peer = trio.testing.lockstep_stream_one_way_pair()
        made = wire(stream, nursery, peer, 1_000_000)
        made.outbox.push(b"never taken")
        with made.outbox.scope:
            await trio.sleep(60)
    assert trio.current_time() - before == pytest.approx(10)
    assert made.slow == ["time"]


async def test_a_slow_reader_that_reads_a_little_is_not_cut(autojump_clock):
    """Time counts from the last progress."""
    stream, peer = trio.testing.lockstep_stream_one_way_pair()
    async with trio.open_nursery() as nursery:
        made = wire(stream, nursery, peer, 1_000_000)
        made.outbox.push(b"x" * 100_000)
        for _ in range(7):
            await trio.sleep(9)
            await peer.receive_some(16_384)
        assert made.slow == []
        await made.outbox.flushed()
        assert made.slow == []
        assert made.outbox.queued == 0


async def test_a_write_error_closes_and_ends_the_connection(autojump_clock):
    async with over_sockets() as wire:
        wire.peer.close()
        wire.outbox.push(b"lost")
        assert wire.outbox.closed
        wire.outbox.push(b"dropped")
        await trio.sleep(2)
        raise AssertionError("the connection's scope must have ended")


async def test_a_write_error_in_the_queue_closes(autojump_clock):
    async with over_sockets() as wire:
        wire.outbox.push(b"x" * 500_000)
        await trio.testing.wait_all_tasks_blocked()
        wire.peer.close()
        await trio.sleep(0.5)
        assert wire.outbox.closed
        assert wire.outbox.queued == 0


async def test_finish_sends_the_queue_and_then_the_close():
    async with over_memory() as wire:
        wire.outbox.push(b"\x81\x01a")
        wire.outbox.finish(1001, "bye")
        wire.outbox.push(b"\x81\x01b")
        wire.outbox.finish(1000)
        assert wire.outbox.closed
        await wire.outbox.flushed()
        assert await wire.peer.receive_some() == b"\x81\x01a\x88\x05\x03\xe9bye"


async def test_hanging_up_sends_the_queue_and_then_ends_the_scope(autojump_clock):
    async with over_memory() as wire:
        wire.outbox.push(b"a" * 20_000)
        wire.outbox.hang_up()
        wire.outbox.push(b"dropped")
        wire.outbox.finish()
        assert wire.outbox.closed
        await wire.outbox.flushed()
        assert wire.outbox.scope.cancel_called
        assert await wire.peer.receive_some() == b"a" * 20_000


async def test_abort_resets_at_once():
    async with over_sockets() as wire:
        wire.outbox.push(b"x" * 500_000)
        wire.outbox.abort()
        assert wire.outbox.queued == 0
        taken(wire.peer)
        assert wire.peer.recv(1) == b""
        wire.outbox.abort()
        with pytest.raises(trio.Cancelled):
            await trio.lowlevel.checkpoint()


async def test_after_detach_the_descriptor_is_left_alone():
    async with over_sockets() as wire:
        wire.outbox.detach()
        wire.outbox.push(b"nothing")
        assert taken(wire.peer) == b""
