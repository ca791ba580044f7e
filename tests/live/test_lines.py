"""One frame to many sockets at once."""

from __future__ import annotations

import os
import socket

import trio
import trio.testing

from tests.live.sockets import Readers, readers, taken
from tinode_py.live.lines import NO_LINE, Bundle, Lines
from tinode_py.live.outbox import NoConnection, Outlet, SocketOutbox, bundle, number_of


def bundle_of(there: Readers) -> Bundle:
    found = bundle(there.outboxes)
    assert found is not None
    return found


async def test_a_frame_reaches_all_before_write_returns():
    async with readers(3) as there:
        assert bundle_of(there).write(b"frame", 0, 3, set()) == []
        assert there.taken() == [b"frame"] * 3


async def test_part_of_a_bundle_and_but_for_some():
    async with readers(5) as there:
        apart = {number_of(there.outboxes[2])}
        assert bundle_of(there).write(b"frame", 1, 4, apart) == [(2, 0)]
        assert there.taken() == [b"", b"frame", b"", b"frame", b""]


async def test_nothing_overtakes_what_waits():
    async with readers(2) as there:
        slow = there.outboxes[1]
        lines = bundle_of(there)
        slow.push(b"a" * 100_000)
        got = taken(there.peers[1])  # there is room again, and nobody has written what waits
        assert lines.write(b"b", 0, 2, set()) == [(1, 0)]
        slow.push(b"b")
        got += await all_of(there, 1, 100_001 - len(got))
        assert got == b"a" * 100_000 + b"b"
        await slow.flushed()
        assert lines.write(b"c", 0, 2, set()) == []  # he has caught up
        assert there.taken() == [b"bc", b"c"]


async def test_half_a_frame_is_followed_by_its_other_half():
    async with readers(1) as there:
        frame, lines = b"x" * 99_999 + b"y", bundle_of(there)
        [(place, sent)] = lines.write(frame, 0, 1, set())
        assert place == 0
        assert 0 < sent < 100_000
        there.outboxes[0].push(frame[sent:])
        assert lines.write(b"z", 0, 1, set()) == [(0, 0)]
        assert await all_of(there, 0, 100_000) == frame


async def all_of(there: Readers, n: int, size: int) -> bytes:
    got = b""
    while len(got) < size:
        await trio.testing.wait_all_tasks_blocked()
        got += taken(there.peers[n])
    return got


async def test_a_descriptor_that_is_another_connections_by_now_gets_nothing():
    """Topics hear of an end later; until then their bundles name the descriptor."""
    async with readers(1) as there:
        gone, lines = there.outboxes[0], bundle_of(there)
        descriptor, _ = gone.line
        ours, peer = socket.socketpair()
        gone.abort()
        os.dup2(ours.fileno(), descriptor)  # as if the system had given it out again
        ours.close()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
        peer.setblocking(False)
        async with stream:
            with peer:
                other = SocketOutbox(stream, there.terms)
                assert lines.write(b"secret", 0, 1, set()) == [(0, 0)]
                gone.push(b"secret")
                gone.detach()  # once more, as at the end of a connection
                assert taken(peer) == b""
                theirs = bundle([other])
                assert theirs is not None
                assert theirs.write(b"hello", 0, 1, set()) == []
                assert taken(peer) == b"hello"


async def test_who_is_gone_is_left_to_his_outbox():
    async with readers(2) as there:
        lines = bundle_of(there)
        there.peers[0].close()
        assert lines.write(b"frame", 0, 2, set()) == [(0, 0)]
        there.outboxes[0].push(b"frame")
        assert there.outboxes[0].closed
        assert taken(there.peers[1]) == b"frame"


async def test_what_has_ended_gets_nothing():
    async with readers(3) as there:
        lines = bundle_of(there)
        there.outboxes[0].finish()
        there.outboxes[1].hang_up()
        there.outboxes[2].detach()
        assert lines.write(b"frame", 0, 3, set()) == [(0, 0), (1, 0), (2, 0)]
        assert [b"frame" in got for got in there.taken()] == [False] * 3


async def test_streams_without_a_descriptor_are_left_to_their_outboxes():
    ours, _ = trio.testing.memory_stream_one_way_pair()
    async with readers(1) as there:
        inside = SocketOutbox(ours, there.terms)
        outlets: list[Outlet] = [Nowhere(), inside, there.outboxes[0]]
        lines = bundle(outlets)
        assert lines is not None
        assert lines.write(b"frame", 0, 3, set()) == [(0, 0), (1, 0)]
        assert bundle([Nowhere()]) is None


class Nowhere(NoConnection):
    def push(self, frame: bytes) -> None:
        pass


def test_lines_are_known_by_their_owners():
    lines = Lines()
    first, second = lines.number(), lines.number()
    lines.open((7, first))
    lines.open((7, second))
    lines.close((7, first))
    assert lines.whose[7] == second
    lines.close((7, second))
    assert not any(lines.whose)
    assert NO_LINE[1] not in lines.whose
