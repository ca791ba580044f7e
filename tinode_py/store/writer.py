"""Group commit: whatever batches wait are written in one transaction, by one thread.

A commit puts its batch into a queue and sleeps. The thread takes all that waits, up to a
bound, writes it, and wakes every sender with one call into the loop. While it waits for the
disk the next group gathers: under load groups grow by themselves, at rest a group is one batch.
What tasks commit in one turn of the loop is handed over at its end, as one: a thread that is
woken by the first of them writes that one alone, and a page that two transactions write costs
twice (100 conversations, 8 messages in flight: 7 batches a group without it, 14 with it).
A patient batch is held back until one comes that is not, or for `PATIENCE`: whoever comes and
goes while nobody writes costs a commit for many.

A thread of its own, because a hop through `trio.to_thread` for each group costs half of the
commits beside a busy loop (two cores, 100 senders: 8,500 a second against 17,400).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import outcome
import trio

from ..changes import Batch, Outcome
from ..errors import StoreError
from .transaction import Result, Transactions
from .waiting import Counter, Waiting

GROUP = 512  # batches in one transaction, at most
PATIENCE = 0.02  # seconds


class WriterThread:
    """One thread that owns a `Transactions`. `commit` is for tasks of the loop that made it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._counter: Counter[Batch] = Counter()
        # A daemon, so that a loop that crashed does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def commit(self, batch: Batch) -> Outcome:
        """Sleep until the batch is on disk; StoreError if it is not to be written. Cancelled, it
        may be written or not.
        """
        if batch.patient:
            return _answer(await self._counter.ask(batch))
        return _answer(await self._counter.ask_together(batch))

    def refuse_waiting(self, error: StoreError) -> None:
        """For the thread, while it cannot write: whoever waits in the queue is told."""
        group: list[Waiting[Batch]] = []
        waiting = self._counter.queue
        while not waiting.empty():
            item = waiting.get_nowait()
            if item is None:
                waiting.put(None)
                break
            group.append(item)
        if group:
            self._counter.answer(group, [outcome.Value(error) for _ in group])

    async def aclose(self) -> None:
        """Write what waits, then end the thread. Cancellation does not cut it short."""
        self._counter.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        waiting = self._counter.queue
        ended = False
        while not ended:
            group: list[Waiting[Batch]] = []
            item = waiting.get()
            if item is not None and item.question.patient:
                self._counter.urgent.wait(PATIENCE)
            self._counter.urgent.clear()
            while item is not None:
                group.append(item)
                if len(group) == GROUP or waiting.empty():
                    break
                item = waiting.get_nowait()
            ended = item is None
            if group and not self._write(group):
                return

    def _write(self, group: Sequence[Waiting[Batch]]) -> bool:
        """Write a group and wake its senders; False if the loop is gone.

        An error that the transactions do not answer is raised in each sender, not here: the
        thread must outlive it.
        """
        results = outcome.capture(self._transactions.write, [item.question for item in group])
        if isinstance(results, outcome.Value):
            return self._counter.answer(group, [outcome.Value(it) for it in results.value])
        assert isinstance(results, outcome.Error)  # and one is good for one task
        return self._counter.answer(group, [outcome.Error(results.error) for _ in group])


def _answer(result: Result) -> Outcome:
    if isinstance(result, StoreError):
        raise result
    return result


class Inline:
    """Writes each batch at once, on the caller's thread: for virtual clocks and small tools."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def commit(self, batch: Batch) -> Outcome:
        """A checkpoint, then the write; StoreError as above. Cancelled, nothing was written."""
        await trio.lowlevel.checkpoint()
        return _answer(self._transactions.write([batch])[0])

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
