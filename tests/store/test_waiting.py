"""Tasks that sleep until a thread has answered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest
import trio
import trio.testing

from tinode_py.changes import Batch, Committed
from tinode_py.errors import StoreAway, StoreError
from tinode_py.store.transaction import Result, Transactions
from tinode_py.store.waiting import Counter
from tinode_py.store.writer import WriterThread


class Stuck:
    """Transactions that wait for a gate, and fail as they are told."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.failure: Exception | None = None

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        self.begun.set()
        self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        return [Committed()] * len(batches)


async def outcome_of(commit: Any, found: list[Any]) -> None:
    try:
        found.append(await commit(Batch(())))
    except Exception as error:
        found.append(error)


async def test_who_waits_while_nothing_can_be_written_is_told():
    stuck = Stuck()
    writer = WriterThread(cast(Transactions, stuck))
    first: list[Any] = []
    others: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outcome_of, writer.commit, first)
        await trio.to_thread.run_sync(stuck.begun.wait)
        async with trio.open_nursery() as waiting:
            for _ in range(3):
                waiting.start_soon(outcome_of, writer.commit, others)
            await trio.testing.wait_all_tasks_blocked()
            await trio.to_thread.run_sync(writer.refuse_waiting, StoreAway("gone"))
        assert [type(it) for it in others] == [StoreAway] * 3
        stuck.gate.set()
    assert first == [Committed()]
    await writer.aclose()


async def test_a_failure_is_each_senders_own():
    stuck = Stuck()
    stuck.failure = ValueError("a bug")
    stuck.gate.set()
    writer = WriterThread(cast(Transactions, stuck))
    found: list[Any] = []
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(outcome_of, writer.commit, found)
    assert [type(it) for it in found] == [ValueError] * 5
    await writer.aclose()


async def test_a_question_that_was_cancelled_is_answered_to_nobody():
    counter: Counter[int] = Counter()
    with trio.move_on_after(0):
        await counter.ask(1)
    assert counter.queue.empty()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counter.ask, 2)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    waiting = counter.queue.get_nowait()
    assert waiting is not None
    assert waiting.task is None
    counter.close()
    with pytest.raises(StoreError):
        await counter.ask(3)
