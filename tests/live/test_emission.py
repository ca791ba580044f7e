"""What a batch sends to many: who gets what, in which order, and what that takes."""

from __future__ import annotations

from functools import partial

import trio
import trio.testing

from tests.live.sockets import Readers, readers, taken
from tests.live.steps import cost
from tinode_py.live.emission import TURN, Emission
from tinode_py.live.lines import FEW
from tinode_py.live.outbox import NoConnection
from tinode_py.records import Message
from tinode_py.wire.parts import Time
from tinode_py.wire.server_packets import Ctrl

MANY = FEW + 14


def message(seq: int, size: int = 1) -> Message:
    return Message("grp", seq, "usr0", 0, None, b'"' + b"x" * size + b'"')


async def published(there: Readers, *skips: str) -> int:
    """Send a batch of messages, each but for one session. How many went out."""
    emission = Emission(there.fanout)
    for seq, skip in enumerate(skips, 1):
        emission.publish(message(seq), skip)
    await emission.flush()
    return emission.delivered


def seqs(got: bytes) -> list[int]:
    return [int(part.partition(b",")[0]) for part in got.split(b'"seq":')[1:]]


async def test_many_readers_get_every_message_in_order():
    async with readers(MANY) as there:
        assert await published(there, "", "", "") == 3 * MANY
        assert [seqs(got) for got in there.taken()] == [[1, 2, 3]] * MANY


async def test_an_author_gets_his_answer_in_its_place_and_no_echo():
    async with readers(MANY) as there:
        emission = Emission(there.fanout)
        author = there.fanout.links["20"]
        emission.publish(message(1), "")
        emission.send(author, Ctrl(200, "first", Time(0)))
        emission.publish(message(2), "20")
        emission.send(author, Ctrl(200, "second", Time(0)))
        await emission.flush()
        assert emission.delivered == 2 * MANY - 1
        got = there.taken()
        mine = got.pop(20)
        assert seqs(mine) == [1]
        assert mine.index(b'"seq":1') < mine.index(b"first") < mine.index(b"second")
        assert [seqs(it) for it in got] == [[1, 2]] * (MANY - 1)


async def test_a_message_that_no_socket_takes_at_once_is_never_torn():
    async with readers(MANY) as there:
        emission = Emission(there.fanout)
        emission.publish(message(1, 50_000), "")
        await emission.flush()
        await published(there, "")
        got = [b""] * MANY
        while any(it.count(b'"seq":1') < 2 for it in got):
            await trio.testing.wait_all_tasks_blocked()
            got = [before + more for before, more in zip(got, there.taken(), strict=True)]
        assert set(got) == {got[0]}
        assert got[0].count(b"x") == 50_001


async def test_who_stops_reading_is_cut_off_and_the_others_get_all():
    async with readers(MANY, limit=30_000) as there:
        for seq in range(1, 101):
            emission = Emission(there.fanout)
            emission.publish(message(seq, 1000), "")
            await emission.flush()
            for peer in there.peers[1:]:
                assert seqs(taken(peer)) == [seq]
            assert there.outboxes[0].queued <= 30_000
        assert there.outboxes[0].closed
        got = seqs(taken(there.peers[0]))
        assert got == list(range(1, len(got) + 1))  # what came before is without a gap


async def test_who_ends_between_two_turns_gets_nothing_more():
    async with readers(2) as there:
        away = Away()
        for n in range(2 * TURN):
            there.come(f"away{n}", away)
        there.come("1", there.fanout.links["1"].outlet)  # the last of all, in the third turn

        async def end() -> None:
            there.outboxes[1].detach()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)  # runs when others get their turn
            await published(there, "")
        assert away.count == 2 * TURN
        assert [seqs(got) for got in there.taken()] == [[1], []]


class Away(NoConnection):
    """Counts what it is sent."""

    def __init__(self) -> None:
        self.count = 0

    def push(self, frame: bytes) -> None:
        self.count += 1


async def test_a_reader_of_many_costs_no_step():
    """Whatever is called for each reader is paid a thousand times for a message."""
    async with readers(4 * MANY) as there:
        more = await steps_of(there)
    async with readers(MANY) as there:
        few = await steps_of(there)
    print(f"a message to {MANY} takes {few} steps, to {4 * MANY} {more}")
    assert more <= few + 1


async def steps_of(there: Readers) -> float:
    return await cost(partial(published, there, "5"))
