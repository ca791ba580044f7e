"""A session's way out where the client comes and asks: packets wait, in order, to be taken.

Here belongs what waits and when it is too much. Who asks, and over what, is not known here.

- Frames are kept as they were pushed, so that readers share their bytes, and are cut into
  packets when they are taken.
- Over `limit` bytes the reader is *slow*: what waits is kept, a last packet says that the
  session is over, and nothing is taken on after it. So no gap is silent.
- Once closed, what waits can still be taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from ..wire.frames import payload_of


@attrs.frozen
class PollTerms:
    """What the outlets of one server's polling sessions share."""

    limit: int  # bytes that may wait
    evicted: Callable[[], bytes]  # a finished frame, the last for who is too slow
    on_slow: Callable[[], None]


class PollOutbox:
    """The outlet of a session that polls; `on_end` is called when it is closed, once."""

    def __init__(self, terms: PollTerms, on_end: Callable[[], None]) -> None:
        self._terms = terms
        self._on_end = on_end
        self._queue: deque[bytes] = deque()
        self._at = 0  # in the first of the queue
        self._queued = 0
        self._open = True
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def closed(self) -> bool:
        return not self._open

    @property
    def queued(self) -> int:
        return self._queued

    def push(self, frame: bytes) -> None:
        """Keep one finished frame, or several joined, until it is taken."""
        if not self._open:
            return
        # As with a socket, one answer longer than the limit is taken while little waits.
        limit, size = self._terms.limit, len(frame)
        if self._queued + size > limit + (size if size > limit else 0):
            self._terms.on_slow()
            self._keep(self._terms.evicted())
            self.finish()
        else:
            self._keep(frame)

    def finish(self, code: int = 1000, reason: str = "") -> None:
        if self._open:
            self._open = False
            self._changed.unpark_all()
            self._on_end()

    def hang_up(self) -> None:
        self.finish()  # a poll knows no close: its last packet tells

    def abort(self) -> None:
        self._queue.clear()
        self._queued = self._at = 0
        self._changed.unpark_all()
        self.finish()

    def take(self) -> bytes | None:
        """The next packet, which is forgotten here; None if none waits."""
        if not self._queue:
            return None
        frames = self._queue[0]
        begin, end = payload_of(frames, self._at)
        self._queued -= end - self._at
        self._at = end
        if end == len(frames):
            del self._queue[0]
            self._at = 0
        if not self._queue:
            self._changed.unpark_all()
        return frames[begin:end]

    async def ready(self) -> None:
        """Wait until a packet waits, or no more will come. Others may have taken it then."""
        await trio.lowlevel.checkpoint()
        while self._open and not self._queue:
            await self._changed.park()

    async def emptied(self) -> None:
        """Wait until nothing waits."""
        while self._queue:
            await self._changed.park()

    def _keep(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._queued += len(frame)
        self._changed.unpark_all()
