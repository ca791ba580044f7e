"""Questions of tasks to a thread: each task sleeps until its own is answered.

A queue and one call into the loop for many answers, because a hop through `trio.to_thread` for
each question costs more than most of them (docs/performance.md).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import outcome
import trio

from ..errors import StoreError

Q = TypeVar("Q")


class Waiting(Generic[Q]):
    """A question, and the task that sleeps until it is answered; None once it was cancelled."""

    __slots__ = ("question", "task")

    def __init__(self, question: Q, task: trio.lowlevel.Task) -> None:
        self.question = question
        self.task: trio.lowlevel.Task | None = task


class Counter(Generic[Q]):
    """Where tasks of one loop hand in questions, and a thread takes them: `queue` gives them in
    order, and None when no more will come. `urgent` is set before anything gets there that was
    asked by `ask_together`, and before the end; it is for the thread to clear.
    """

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Waiting[Q] | None] = queue.SimpleQueue()
        self.urgent = threading.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False
        self._together: list[Waiting[Q]] | None = None  # asked in this turn of the loop

    async def ask(self, question: Q) -> Any:
        """Sleep until it is answered. Cancelled, nobody gets the answer. StoreError if closed."""
        waiting = await self._waiting(question)
        self.queue.put(waiting)
        return await _answer(waiting)

    async def ask_together(self, question: Q) -> Any:
        """As `ask`, but not before the loop's next turn, so that what others ask in this one is
        handed in with it, in order.
        """
        waiting = await self._waiting(question)
        if self._together is not None:
            self._together.append(waiting)
        else:
            self._together = []
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._check_open()
            self.urgent.set()
            self.queue.put(waiting)
            self._hand_in()
        return await _answer(waiting)

    async def _waiting(self, question: Q) -> Waiting[Q]:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        return Waiting(question, trio.lowlevel.current_task())

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def _hand_in(self) -> None:
        for waiting in self._together or ():
            self.queue.put(waiting)
        self._together = None

    def close(self, threads: int = 1) -> None:
        """No more questions; so many threads are told."""
        self._closed = True
        self.urgent.set()
        self._hand_in()
        for _ in range(threads):
            self.queue.put(None)

    def answer(self, group: Sequence[Waiting[Q]], answers: Sequence[outcome.Outcome[Any]]) -> bool:
        """For the thread: wake who asked, each with his own answer; False if the loop is gone."""
        try:
            self._token.run_sync_soon(_wake, group, answers)
        except trio.RunFinishedError:
            return False
        return True


async def _answer(waiting: Waiting[Any]) -> Any:
    def abandon(_: Callable[[], Any]) -> trio.lowlevel.Abort:
        waiting.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    return await trio.lowlevel.wait_task_rescheduled(abandon)


def _wake(group: Sequence[Waiting[Any]], answers: Sequence[outcome.Outcome[Any]]) -> None:
    for waiting, answer in zip(group, answers, strict=True):
        if waiting.task is not None:
            trio.lowlevel.reschedule(waiting.task, answer)
