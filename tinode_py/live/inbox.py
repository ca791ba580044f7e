"""A topic's inbox: a bounded queue of requests and notices, and coalescing marks.

Nobody waits to put something in. A full queue refuses; marks (a session is gone, somebody is
on or off) never do: the latest of a kind replaces the one before it. The one task that reads
takes all that waits, marks first.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Inbox(Generic[T]):
    """The queue of one topic, read by its task alone."""

    def __init__(self, bound: int) -> None:
        self._send, self._receive = trio.open_memory_channel[T | None](bound)
        self._bound = bound
        self._queued = 0
        self._marks: dict[Hashable, T] = {}

    def put_nowait(self, item: T) -> bool:
        """Queue an item; False if the inbox is full."""
        if self._queued >= self._bound:
            return False
        self._put(item)
        return True

    def _put(self, item: T | None) -> None:
        self._queued += 1
        self._send.send_nowait(item)

    def mark(self, key: Hashable, item: T) -> None:
        """Leave a mark in place of an earlier one of the same key."""
        self._marks.pop(key, None)
        self._marks[key] = item
        if not self._queued:
            self._put(None)  # wakes the reader, and is nothing else

    @property
    def is_empty(self) -> bool:
        return not self._marks and not self._queued

    async def take(self, most: int, timeout: float) -> list[T]:
        """All that waits, at most about `most` items; nothing if nothing came in time.

        A batch ends where the bound is reached; order among queued items is kept.
        """
        first = None if self._marks else await self._first(timeout)
        found = list(self._marks.values())
        self._marks.clear()
        if first is not None:
            found.append(first)
        while self._queued and len(found) < most:
            item = self._receive.receive_nowait()
            self._queued -= 1
            if item is not None:
                found.append(item)
        return found

    async def _first(self, timeout: float) -> T | None:
        """What comes first, or None; a checkpoint. A cancel scope only where it is of use."""
        if timeout == inf:
            first = await self._receive.receive()
        else:
            with trio.move_on_after(timeout) as patience:
                first = await self._receive.receive()
            if patience.cancelled_caught:
                return None
        self._queued -= 1
        return first
