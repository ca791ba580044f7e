"""A topic's inbox: what the one reader gets, and when."""

from __future__ import annotations

from math import inf

import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from tinode_py.live.inbox import Inbox


async def test_the_bound_ends_a_batch_and_order_is_kept() -> None:
    inbox: Inbox[int] = Inbox(10)
    assert all(inbox.put_nowait(number) for number in range(5))
    assert await inbox.take(3, inf) == [0, 1, 2]
    assert inbox.put_nowait(5)
    assert await inbox.take(9, inf) == [3, 4, 5]
    assert inbox.is_empty


async def test_a_full_inbox_refuses_but_takes_marks() -> None:
    inbox: Inbox[str] = Inbox(2)
    assert [inbox.put_nowait(item) for item in "abc"] == [True, True, False]
    inbox.mark("k", "old")
    inbox.mark("l", "other")
    inbox.mark("k", "new")
    assert await inbox.take(9, inf) == ["other", "new", "a", "b"]
    assert inbox.put_nowait("d")


async def test_marks_alone_wake_the_reader_once() -> None:
    inbox: Inbox[str] = Inbox(2)
    taken: list[list[str]] = []

    async def read() -> None:
        while True:
            taken.append(await inbox.take(9, inf))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        inbox.mark("k", "x")
        inbox.mark("l", "y")
        assert inbox.put_nowait("z")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert taken == [["x", "y", "z"]]


async def test_more_marks_than_a_batch_may_hold_lose_nothing() -> None:
    inbox: Inbox[int] = Inbox(2)
    assert inbox.put_nowait(7)
    for number in range(3):
        inbox.mark(number, number)
    assert await inbox.take(2, inf) == [0, 1, 2]
    assert await inbox.take(2, inf) == [7]


async def test_nothing_comes_in_time(autojump_clock: MockClock) -> None:
    inbox: Inbox[int] = Inbox(2)
    before = trio.current_time()
    assert await inbox.take(9, 3.0) == []
    assert trio.current_time() - before == 3.0


async def test_what_waits_is_taken_though_there_is_no_time_to_wait() -> None:
    inbox: Inbox[int] = Inbox(2)
    with assert_checkpoints():
        assert await inbox.take(9, 0.0) == []
    assert inbox.put_nowait(1)
    with assert_checkpoints():
        assert await inbox.take(9, 0.0) == [1]


async def test_cancelled_it_has_taken_nothing() -> None:
    inbox: Inbox[int] = Inbox(2)
    assert inbox.put_nowait(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.take(9, inf)
    assert scope.cancelled_caught
    with assert_checkpoints():
        assert await inbox.take(9, inf) == [1]
