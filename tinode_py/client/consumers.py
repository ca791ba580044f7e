"""Who takes messages and notices: the iterators, and handlers in tasks of their own.

Every consumer gets everything that it wants, in order. Bounded: who is slow makes the fetching
wait, and what comes live meanwhile is fetched later. A consumer is done with an item when it
asks for the next one, and a handler when it has returned.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

from .events import Message, Notice
from .streams import Entry, Progress

log = logging.getLogger(__name__)
Item = Message | Notice
T = TypeVar("T", Message, Notice)
Handler = Callable[[T], Awaitable[object]]
ROOM = 256  # items that wait for one consumer


@attrs.frozen
class _Parcel:
    item: Item
    stream: str
    entry: Entry | None  # of what has a position


@attrs.define(eq=False)
class Consumer(Generic[T]):
    """The items of one kind, one after the other, for one task at a time."""

    kind: type[T]
    leaves_out: Callable[[], str]  # whose messages it does not want
    _owner: Consumers
    _waiting: deque[_Parcel] = attrs.field(factory=deque)
    _taken: _Parcel | None = None
    _arrived: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """The next item; the one before it is done with. Waits for ever if there is none."""
        self.finish()
        while not self._waiting:
            await self._arrived.park()
        self._taken = self._waiting.popleft()
        self._owner.room.unpark_all()
        item = self._taken.item
        assert isinstance(item, self.kind)
        return item

    def finish(self) -> None:
        """Be done with the item that was taken last."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._owner.done(taken)

    def wants(self, item: Item) -> bool:
        return isinstance(item, self.kind) and (
            isinstance(item, Notice) or item.sender != self.leaves_out() or not item.sender
        )

    def is_full(self) -> bool:
        return len(self._waiting) >= ROOM

    def put(self, parcel: _Parcel) -> None:
        self._waiting.append(parcel)
        self._arrived.unpark()

    def drop(self) -> None:
        """Want nothing any more: what waits counts as done."""
        self.finish()
        while self._waiting:
            self._owner.done(self._waiting.popleft())
        self._owner.room.unpark_all()


@attrs.define(eq=False)
class Registration:
    """A handler that is called."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def cancel(self) -> None:
        """Call it no more, also if it is under way; what waits for it counts as done."""
        self.scope.cancel()


@attrs.define(eq=False)
class Consumers:
    """All consumers of a client. Nothing is handed on before somebody takes messages."""

    progress: Progress
    changed: Callable[[], None]  # positions may have moved
    room: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    _all: list[Consumer[Message] | Consumer[Notice]] = attrs.field(factory=list)

    def add(self, kind: type[T], leaves_out: Callable[[], str] = lambda: "") -> Consumer[T]:
        """One more consumer; it does not get the messages of the user that `leaves_out` names."""
        consumer: Consumer[T] = Consumer(kind, leaves_out, self)
        self._all.append(consumer)
        self.room.unpark_all()
        return consumer

    def remove(self, consumer: Consumer[T]) -> None:
        self._all = [other for other in self._all if other is not consumer]
        consumer.drop()

    def can_take(self) -> bool:
        """Whether somebody takes messages, and everybody has room."""
        return any(one.kind is Message for one in self._all) and not any(
            one.is_full() for one in self._all
        )

    async def wait_room(self) -> None:
        while not self.can_take():
            await self.room.park()

    def hand_on(self, item: Item, stream: str, number: int) -> None:
        """Give an item to everybody who wants its kind. Bounded only by who asks `can_take`.

        A private message's number in its topic is kept as well, for the day when the inbox
        does not reach back far enough.
        """
        takers = [one for one in self._all if one.wants(item)]
        private = isinstance(item, Message) and is_private(item.topic)
        beside = {item.topic: item.seq} if isinstance(item, Message) and private else {}
        self._give(
            takers, item, stream, self.progress.handed_on(stream, number, len(takers), beside)
        )

    def hand_on_unnumbered(self, item: Item) -> None:
        """As `hand_on`, for what has no place in any order."""
        takers = [one for one in self._all if one.wants(item)]
        self._give(takers, item, "", None)

    def _give(
        self,
        takers: list[Consumer[Message] | Consumer[Notice]],
        item: Item,
        stream: str,
        entry: Entry | None,
    ) -> None:
        for consumer in takers:
            consumer.put(_Parcel(item, stream, entry))
        self.changed()

    def passed(self, stream: str, number: int) -> None:
        """Nothing is left to hand on up to `number`."""
        self.progress.handed_on(stream, number, 0)
        self.changed()

    def done(self, parcel: _Parcel) -> None:
        if parcel.entry is not None:
            self.progress.done(parcel.stream, parcel.entry)
            self.changed()

    async def serve(
        self, consumer: Consumer[T], handler: Handler[T], registration: Registration
    ) -> None:
        """Call a handler with each item, until the registration or the client ends."""
        with registration.scope:
            async for item in consumer:
                await _call(handler, item)
        if registration.scope.cancel_called:  # else everything ends, and what waits is not done
            self.remove(consumer)


async def _call(handler: Handler[T], item: T) -> None:
    try:
        await handler(item)
    except Exception:  # a fault of one handler is nobody else's
        log.exception("a handler failed on a %s of %s", type(item).__name__.lower(), item.topic)


def is_private(topic: str) -> bool:
    """Whether a topic's messages come through the inbox."""
    return topic.startswith("usr")
