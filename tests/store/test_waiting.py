"""Tasks that sleep until a thread has answered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import outcome
import pytest
import trio
import trio.testing

from tests.store.made import ANN, BOB, append, people
from tinode_py.changes import Batch, Committed
from tinode_py.changes_backend import PutOffline, PutOnline
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries_backend import EventsAfter
from tinode_py.store.sqlite import open_sqlite
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


class Turns(trio.abc.Instrument):
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_what_is_asked_in_one_turn_of_the_loop_is_handed_in_as_one():
    counter: Counter[int] = Counter()
    turns = Turns()
    asked: list[int] = []
    seen: list[tuple[int, list[int]]] = []

    async def ask(question: int) -> None:
        asked.append(turns.count)
        await counter.ask_together(question)

    async with trio.open_nursery() as nursery:
        trio.lowlevel.add_instrument(turns)
        for question in range(4):
            nursery.start_soon(ask, question)
        for _ in range(6):
            await trio.lowlevel.checkpoint()
            seen.append((turns.count, sorted(taken(counter))))
        trio.lowlevel.remove_instrument(turns)
        nursery.cancel_scope.cancel()
    assert len(set(asked)) == 1
    handed_in = [(turn, questions) for turn, questions in seen if questions]
    assert [questions for _, questions in handed_in] == [[0, 1, 2, 3]]
    assert handed_in[0][0] > asked[0]


async def test_what_was_asked_before_the_end_is_handed_in_before_it():
    counter: Counter[int] = Counter()
    found: list[Any] = []

    async def ask() -> None:
        try:
            await counter.ask_together(1)
        except StoreError as error:
            found.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.lowlevel.checkpoint()
        counter.close()
        await trio.testing.wait_all_tasks_blocked()
        *group, end = drained(counter)
        assert end is None
        assert len(group) + len(found) == 3
        assert counter.answer(group, [outcome.Value(None) for _ in group])


def taken(counter: Counter[int]) -> list[int]:
    return [item.question for item in drained(counter) if item is not None]


def drained(counter: Counter[int]) -> list[Any]:
    found = []
    while not counter.queue.empty():
        found.append(counter.queue.get_nowait())
    return found


class Noted(Stuck):
    """Writes everything, and notes what was written together."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[int]] = []

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        self.groups.append([batch.now for batch in batches])
        return super().write(batches)


async def test_a_patient_batch_waits_for_others_and_not_for_long(monkeypatch):
    monkeypatch.setattr("tinode_py.store.writer.PATIENCE", 30.0)
    noted = Noted()
    noted.gate.set()
    writer = WriterThread(cast(Transactions, noted))
    async with trio.open_nursery() as nursery:
        for number in (1, 2):
            nursery.start_soon(writer.commit, Batch((), number, patient=True))
            await trio.testing.wait_all_tasks_blocked()
        assert noted.groups == []
        await writer.commit(Batch((), 3))
    assert noted.groups == [[1, 2, 3]]
    monkeypatch.setattr("tinode_py.store.writer.PATIENCE", 0.01)
    await writer.commit(Batch((), 4, patient=True))
    assert noted.groups[1:] == [[4]]
    await writer.aclose()


async def test_a_patient_batch_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr("tinode_py.store.writer.PATIENCE", 30.0)
    noted = Noted()
    noted.gate.set()
    writer = WriterThread(cast(Transactions, noted))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.commit, Batch((), 1, patient=True))
        await trio.testing.wait_all_tasks_blocked()
        await writer.aclose()
    assert noted.groups == [[1]]


async def test_who_comes_is_told_of_before_what_he_says_who_goes_after_it(tmp_path: Path):
    """Whatever waits together."""
    async with open_sqlite(tmp_path / "t.db") as store:
        await people(store)
        before = (await store.fetch(EventsAfter(0, 0))).last
        together = (
            Batch((append(1),)),
            Batch((PutOffline(BOB, 5, b"{}"),), patient=True),
            Batch((PutOnline(ANN, 5, b"{}"),), patient=True),
            Batch((append(2),)),
        )
        await store.commit(Batch((PutOnline(BOB, 5, b"{}"),)))
        assert set(store._transactions.write(together)) == {Committed()}
        page = await store.fetch(EventsAfter(before + 1, 9))
        assert [e.kind for e in page.events] == [
            "user.online",
            "message.stored",
            "message.stored",
            "user.offline",
        ]
