"""A topic's inbox: a bounded queue of requests and notices, and coalescing marks.

Nobody waits to put something in. A full queue refuses; marks (a session is gone, somebody is
on or off) never do: the latest of a kind replaces the one before it. The one task that reads
takes all that waits, marks first.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Inbox(Generic[T]):
    """The queue of one topic, read by its task alone."""

    def __init__(self, bound: int) -> None:
        self._send, self._receive = trio.open_memory_channel[T | None](bound)
        self._marks: dict[Hashable, T] = {}

    def put_nowait(self, item: T) -> bool:
        """Queue an item; False if the inbox is full."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            return False
        return True

    def mark(self, key: Hashable, item: T) -> None:
        """Leave a mark in place of an earlier one of the same key."""
        self._marks.pop(key, None)
        self._marks[key] = item
        if self._receive.statistics().current_buffer_used == 0:
            self._send.send_nowait(None)  # wakes the reader, and is nothing else

    @property
    def is_empty(self) -> bool:
        return not self._marks and not self._receive.statistics().current_buffer_used

    async def take(self, most: int, timeout: float) -> list[T]:
        """All that waits, at most about `most` items; nothing if nothing came in time.

        A batch ends where the bound is reached; order among queued items is kept.
        """
        first: T | None = None
        if not self._marks:
            with trio.move_on_after(timeout):
                first = await self._receive.receive()
        found = list(self._marks.values())
        self._marks.clear()
        if first is not None:
            found.append(first)
        while len(found) < most:
            try:
                item = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            if item is not None:
                found.append(item)
        return found
