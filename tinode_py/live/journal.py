"""The log of events as many read it at once.

One task reads the end of the log, as long as anybody wants it, and keeps the latest part,
encoded, in a bounded ring. Who is up with it is served from there: a thousand readers cost one
look at the store. Who is behind the ring reads pages of his own, until he has caught up.

Nobody is waited for. A reader holds one portion at a time, of `PORTION` bytes or one event, and
takes the next when it wants to; the ring goes on without it.
"""

from __future__ import annotations

import contextlib
import logging
from bisect import bisect_right
from collections.abc import Iterator

import attrs
import trio

from ..errors import StoreError
from ..queries_backend import EventsAfter
from ..records import EventPage
from ..store.base import Store
from ..store.watched import News
from .complaints import Complaints
from .telling import Told, told

log = logging.getLogger(__name__)

RING = 4 << 20  # bytes of frames that are kept for all
RING_EVENTS = 20_000
PORTION = 16_384  # bytes that one reader is given at once
PAGE = 500  # events
EVERY = 0.02  # seconds between two looks at the end of a log that grows
PER_READER = 0.00005  # the same, for each reader, where there are many
TURN = 25  # readers that are woken together
PAUSE = 1.0  # seconds after the store has failed


@attrs.frozen
class Portion:
    """Some events after a position, in order; there are no others up to `reached`.

    `first` is the lowest number that is still kept: above the position + 1, some are lost to
    this reader.
    """

    events: tuple[Told, ...]
    reached: int
    first: int


@attrs.define(eq=False)
class Journal:
    """The log, shared. `run` is its task; without it nobody hears of what is new."""

    store: Store
    news: News
    closed: bool = False
    readers: int = 0
    _ring: list[Told] = attrs.field(factory=list)
    _ids: list[int] = attrs.field(factory=list)
    _size: int = 0
    _start: int = 0  # the ring has all after this number
    _reached: int = 0  # up to this one
    _awake: bool = False  # whether the ring is kept up
    _parked: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    _wanted: trio.Event = attrs.field(factory=trio.Event)
    _complaints: Complaints = attrs.field(factory=lambda: Complaints(log, trio.current_time))

    async def bounds(self) -> EventPage:
        """The lowest and the highest number, without events."""
        return await self.store.fetch(EventsAfter(0, 0))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Somebody reads: the end of the log is watched meanwhile."""
        self.readers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.readers -= 1

    def close(self) -> None:
        """Every reader gets an empty portion, now and for ever."""
        self.closed = True
        self._parked.unpark_all()

    # --- reading -------------------------------------------------------------------------

    async def after(self, position: int, size: int = PORTION, *, messages: bool = True) -> Portion:
        """What comes after a position, waiting for it if there is nothing yet; a checkpoint
        unless that was all. Empty events mean that the journal is closed, or that there was
        nothing up to `reached`.

        Who does not want `messages` may be spared them. To be called while `reading`. Raises
        StoreError.
        """
        while not self.closed:
            if not self._awake:
                await self._parked.park()
            elif position < self._start:
                return await self._page(position, size, messages)
            elif position < self._reached:
                portion = self._from_ring(position, size)
                if portion.reached < self._reached:
                    await trio.lowlevel.checkpoint()
                return portion
            else:
                await self._parked.park()
        return Portion((), position, 0)

    async def _page(self, position: int, size: int, messages: bool) -> Portion:
        page = await self.store.fetch(EventsAfter(position, PAGE, messages, size))
        await trio.lowlevel.checkpoint()
        return Portion(tuple(map(told, page.events)), page.reached, page.first)

    def _from_ring(self, position: int, size: int) -> Portion:
        begin = bisect_right(self._ids, position)
        end, room = begin, size
        while end < len(self._ring) and (end == begin or room >= len(self._ring[end].frame)):
            room -= len(self._ring[end].frame)
            end += 1
        reached = self._reached if end == len(self._ring) else self._ids[end - 1]
        return Portion(tuple(self._ring[begin:end]), reached, 0)

    # --- keeping up ----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the ring up while anybody reads, until cancelled."""
        while True:
            while not self.readers:
                self._wanted = trio.Event()
                await self._wanted.wait()
            try:
                await self._keep_up()
            except StoreError as error:
                self._complaints.failed("the log of events could not be read", error)
                await trio.sleep(PAUSE)
            self._forget()

    def _forget(self) -> None:
        self._awake, self._size = False, 0
        self._ring, self._ids = [], []

    async def _keep_up(self) -> None:
        self._start = self._reached = (await self.bounds()).last
        self._awake = True
        await self._wake()
        while self.readers:
            rung = self.news.next()
            page = await self.store.fetch(EventsAfter(self._reached, PAGE))
            if page.reached > self._reached:
                self._add(page)
                await self._wake()
                await trio.sleep(self._pause())  # what comes meanwhile is read at once
            else:
                await rung.wait()

    def _pause(self) -> float:
        """Seconds to the next look: the more readers, the more each is given at once."""
        return max(EVERY, self.readers * PER_READER)

    async def _wake(self) -> None:
        """Wake all readers, some at a time: between them the others of the server have a turn."""
        for _ in range(0, len(self._parked), TURN):
            self._parked.unpark(count=TURN)
            await trio.lowlevel.checkpoint()

    def _add(self, page: EventPage) -> None:
        for event in page.events:
            item = told(event)
            self._ring.append(item)
            self._ids.append(item.id)
            self._size += len(item.frame)
        self._reached = page.reached
        if self._size > RING or len(self._ring) > RING_EVENTS:
            self._trim()

    def _trim(self) -> None:
        """Let the older half go at once: cutting off one by one would cost a move of all."""
        gone, size = 0, self._size
        while gone < len(self._ring) and (
            size > RING // 2 or len(self._ring) - gone > RING_EVENTS // 2
        ):
            size -= len(self._ring[gone].frame)
            gone += 1
        self._start = self._ids[gone - 1]
        del self._ring[:gone], self._ids[:gone]
        self._size = size
