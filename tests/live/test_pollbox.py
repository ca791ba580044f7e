from __future__ import annotations

import pytest
import trio
import trio.testing

from tinode_py.live.pollbox import PollOutbox, PollTerms
from tinode_py.wire.frames import text_frame

LAST = text_frame(b"last")


class Box:
    """An outlet, and what it told."""

    def __init__(self, limit: int = 1000) -> None:
        self.slow = self.ends = 0
        self.outlet = PollOutbox(PollTerms(limit, lambda: LAST, self._on_slow), self._on_end)

    def _on_slow(self) -> None:
        self.slow += 1

    def _on_end(self) -> None:
        self.ends += 1

    def all(self) -> list[bytes]:
        return [*iter(self.outlet.take, None)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_frames_of_every_length_come_out_as_packets(size: int):
    box = Box(limit=10_000_000)
    box.outlet.push(text_frame(b"a") + text_frame(b"x" * size) + text_frame(b"b"))
    box.outlet.push(text_frame(b"y" * size))
    assert box.outlet.queued > 2 * size
    assert box.all() == [b"a", b"x" * size, b"b", b"y" * size]
    assert box.outlet.queued == 0


def test_who_is_too_slow_is_told_after_what_waits():
    box = Box(limit=100)
    for n in range(30):
        box.outlet.push(text_frame(b"%08d" % n))
        assert box.outlet.queued <= 100 + len(LAST)
    assert (box.slow, box.ends, box.outlet.closed) == (1, 1, True)
    assert box.all() == [*(b"%08d" % n for n in range(10)), b"last"]


def test_one_answer_may_be_longer_than_the_limit():
    box = Box(limit=100)
    box.outlet.push(text_frame(b"x" * 500))
    assert not box.outlet.closed
    box.outlet.push(text_frame(b"y"))
    assert box.all() == [b"x" * 500, b"last"]


def test_nothing_is_taken_on_after_the_end():
    box = Box()
    box.outlet.push(text_frame(b"a"))
    box.outlet.finish(1001)
    box.outlet.push(text_frame(b"b"))
    box.outlet.finish()
    assert box.ends == 1
    assert box.all() == [b"a"]


def test_an_abort_forgets():
    box = Box()
    box.outlet.push(text_frame(b"a"))
    box.outlet.abort()
    assert (box.ends, box.outlet.queued, box.all()) == (1, 0, [])


async def test_who_waits_is_woken_by_a_packet_and_by_the_end(autojump_clock):
    box = Box()
    woken: list[bytes | None] = []

    async def wait() -> None:
        await box.outlet.ready()
        woken.append(box.outlet.take())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        box.outlet.push(text_frame(b"a"))
        await trio.testing.wait_all_tasks_blocked()
        assert woken == [b"a"]
        box.outlet.finish()
    with trio.fail_after(30):
        await box.outlet.emptied()
