"""What a packet costs of a session's pace."""

from __future__ import annotations

import trio

from tinode_py.live.pace import MALFORMED, Pace


async def taken(pace: Pace, count: int, size: int = 0) -> float:
    """The seconds in which so many packets were taken."""
    start = trio.current_time()
    for _ in range(count):
        await pace.wait(size)
    return trio.current_time() - start


async def test_small_packets_cost_one_each(autojump_clock):
    pace = Pace(100)
    assert await taken(pace, 100) == 0
    assert round(await taken(pace, 50), 3) == 0.5


async def test_large_packets_cost_by_their_size(autojump_clock):
    pace = Pace(100)
    assert round(await taken(pace, 31, 131072), 1) == round((30 * 33 - 99) / 100, 1)


async def test_packets_that_cannot_be_read_cost_more(autojump_clock):
    pace, start = Pace(100), trio.current_time()
    for _ in range(50):
        await pace.wait()
        pace.fine()
    await pace.wait()
    assert round(trio.current_time() - start, 1) == (50 * (MALFORMED + 1) - 100) / 100


async def test_without_a_limit_nothing_costs(autojump_clock):
    pace = Pace(0)
    pace.fine()
    assert await taken(pace, 1000, 131072) == 0
