"""A topic's inbox: a bounded queue of requests and notices, and coalescing marks.

Nobody waits to put something in. A full queue refuses; marks (a session is gone, somebody is
on or off) never do: the latest of a kind replaces the one before it. The one task that reads
takes all that waits, marks first.

A list and the task that sleeps on it, rather than a memory channel: there is one for every
loaded topic, mostly empty, and a channel holds 2.3 KB (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")


class Inbox(Generic[T]):
    """The queue of one topic, read by its task alone."""

    __slots__ = ("_bound", "_items", "_marks", "_reader")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: list[T] = []
        self._marks: dict[Hashable, T] = {}
        self._reader: trio.lowlevel.Task | None = None  # while it sleeps

    def put_nowait(self, item: T) -> bool:
        """Queue an item; False if the inbox is full."""
        if len(self._items) >= self._bound:
            return False
        self._items.append(item)
        self._wake()
        return True

    def mark(self, key: Hashable, item: T) -> None:
        """Leave a mark in place of an earlier one of the same key."""
        self._marks.pop(key, None)
        self._marks[key] = item
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None:
            trio.lowlevel.reschedule(self._reader)
            self._reader = None

    @property
    def is_empty(self) -> bool:
        return not self._marks and not self._items

    async def take(self, most: int, timeout: float) -> list[T]:
        """All that waits, at most about `most` items; nothing if nothing came in time.

        A batch ends where the bound is reached; order among queued items is kept. Always a
        checkpoint; cancelled, it has taken nothing.
        """
        if not self.is_empty:
            await trio.lowlevel.checkpoint()
        elif timeout == inf:
            await self._sleep()
        else:
            with trio.move_on_after(timeout):
                await self._sleep()
        found = list(self._marks.values())
        self._marks.clear()
        left = max(most - len(found), 0)
        found += self._items[:left]
        self._items = self._items[left:]
        return found

    async def _sleep(self) -> None:
        """Until something comes."""

        def abort(_: Callable[[], Any]) -> trio.lowlevel.Abort:
            self._reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._reader = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)
