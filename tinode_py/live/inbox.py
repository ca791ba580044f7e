"""A topic's inbox: a bounded queue of requests and notices, and coalescing marks.

Nobody waits to put something in. A full queue refuses; marks (a session is gone, somebody is
on or off) never do: the latest of a kind replaces the one before it. The one task that reads
takes all that waits, marks first.

The queue is a memory channel that carries batches: what comes while a batch waits to be taken
joins it, so that the reader is woken and served once for many items (docs/decisions/0013). It
is there while somebody reads: an inbox whose reader rests has none, and what comes calls him.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

import trio

T = TypeVar("T")
_Channel = tuple[trio.MemorySendChannel[list[T]], trio.MemoryReceiveChannel[list[T]]]


class Inbox(Generic[T]):
    """The queue of one topic, read by its task alone."""

    __slots__ = ("_bound", "_call", "_channel", "_marks", "_waiting")

    def __init__(self, bound: int) -> None:
        self._channel: _Channel[T] | None = trio.open_memory_channel[list[T]](1)
        self._bound = bound
        self._waiting: list[T] | None = None  # the batch in the channel
        self._marks: dict[Hashable, T] | None = None
        self._call: Callable[[], None] | None = None  # the reader, who rests

    def put_nowait(self, item: T) -> bool:
        """Queue an item; False if the inbox is full."""
        waiting = self._waiting
        if waiting is None:
            self._offer([item])
        elif len(waiting) < self._bound:
            waiting.append(item)
        else:
            return False
        return True

    def put_first(self, items: list[T]) -> None:
        """Put items back before all that waits, however many."""
        if self._waiting is not None:
            self._waiting[:0] = items
        elif items:
            self._offer(items)

    def mark(self, key: Hashable, item: T) -> None:
        """Leave a mark in place of an earlier one of the same key."""
        if self._marks is None:  # most of the time there are none, and an inbox for each user
            self._marks = {}
        self._marks.pop(key, None)
        self._marks[key] = item
        self.nudge()

    def nudge(self) -> None:
        """Let the reader take what there is, though that may be nothing."""
        if self._waiting is None:
            self._offer([])

    def rest(self, call: Callable[[], None]) -> None:
        """For the reader, with nothing waiting: he is going, and is to be called once something
        comes. `call` begins another reader and does not wait.
        """
        assert self._waiting is None, "there is something to do"
        self._channel, self._call = None, call

    @property
    def rests(self) -> bool:
        """Whether nobody reads until something comes."""
        return self._call is not None

    def _offer(self, batch: list[T]) -> None:
        self._waiting = batch
        if self._channel is None:
            self._channel = trio.open_memory_channel[list[T]](1)
        self._channel[0].send_nowait(batch)
        if self._call is not None:
            call, self._call = self._call, None
            call()

    @property
    def waiting(self) -> int:
        """How many items and marks wait to be taken."""
        return len(self._waiting or ()) + len(self._marks or ())

    @property
    def is_empty(self) -> bool:
        return self._waiting is None

    async def take(self, most: int, timeout: float) -> list[T]:
        """All that waits, at most about `most` items; nothing if nothing came in time.

        A batch ends where the bound is reached; order among queued items is kept. Always a
        checkpoint; cancelled, it has taken nothing.
        """
        # A scope that is over before it began would give nothing, also where a batch waits.
        if timeout == inf or self._waiting is not None:
            # Not in a function of its own: each idle topic waits here, and frames take memory.
            batch: list[T] | None = await self._receiver.receive()
        else:
            batch = await self._in_time(timeout)
        if batch is None:
            return []
        self._waiting = None
        found = self._marked()
        room = max(most - len(found), 0)
        found += batch[:room]
        if len(batch) > room:
            self._offer(batch[room:])
        return found

    def take_nowait(self) -> list[T]:
        """All that waits, marks first."""
        if self._waiting is None:
            return []
        self._receiver.receive_nowait()
        found = [*self._marked(), *self._waiting]
        self._waiting = None
        return found

    def _marked(self) -> list[T]:
        found = [] if self._marks is None else [*self._marks.values()]
        self._marks = None
        return found

    @property
    def _receiver(self) -> trio.MemoryReceiveChannel[list[T]]:
        assert self._channel is not None, "the reader has gone to rest"
        return self._channel[1]

    def waits(self, is_meant: Callable[[T], bool]) -> bool:
        """Whether something of a kind waits to be taken; marks aside."""
        return any(map(is_meant, self._waiting or ()))

    async def _in_time(self, timeout: float) -> list[T] | None:
        """The next batch, or None. A cancel scope costs more than a batch at hand."""
        with trio.move_on_after(timeout):
            return await self._receiver.receive()
        await trio.lowlevel.checkpoint()  # with no time to wait, nobody else has had his turn
        return None
