"""A bounded queue in front of one pusher, and the task that empties it.

`put` never waits: where the queue is full the notification is dropped and counted. What the
service does not take is tried again, each time after a longer pause, then given up and
counted: a notification is a hint, what it tells of is in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import attrs
import trio

from .base import Notification, Pusher, PushError

log = logging.getLogger(__name__)

BATCH = 100  # notifications handed over at once
FIRST_PAUSE = 1.0  # seconds; doubled from attempt to attempt
LONGEST_PAUSE = 60.0


@attrs.frozen
class LaneStatistics:
    """Counters since the start, `waiting` as of now."""

    pushed: int
    dropped: int
    failed: int
    waiting: int


@attrs.define(eq=False)
class Lane:
    """One pusher's queue."""

    pusher: Pusher
    size: int
    attempts: int
    gone: trio.MemorySendChannel[str]  # devices that are no more
    _queue: list[Notification] = attrs.field(factory=list)
    _more: trio.Event = attrs.field(factory=trio.Event)
    _idle: trio.Event = attrs.field(factory=trio.Event)
    _pushed: int = 0
    _dropped: int = 0
    _failed: int = 0
    _busy: bool = False

    def put(self, notification: Notification) -> None:
        """Queue one; drop and count it where the queue is full."""
        if len(self._queue) >= self.size:
            self._dropped += 1
            return
        self._queue.append(notification)
        self._more.set()

    def statistics(self) -> LaneStatistics:
        return LaneStatistics(self._pushed, self._dropped, self._failed, len(self._queue))

    async def wait_idle(self) -> None:
        """Wait until all that was put is handed over, or given up."""
        while self._queue or self._busy:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Hand over what waits, until cancelled."""
        while True:
            while not self._queue:
                self._idle.set()
                self._more = trio.Event()
                await self._more.wait()
            batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            self._busy = True
            await self._hand_over(batch)
            self._busy = False

    async def _hand_over(self, batch: Sequence[Notification]) -> None:
        pause = FIRST_PAUSE
        for left in range(self.attempts - 1, -1, -1):
            try:
                devices = await self.pusher.push(batch)
            except PushError as error:
                if not error.again or not left:
                    self._failed += len(batch)
                    log.warning("%s: notifications were given up: %s", self.pusher.name, error)
                    return
                log.info("%s: will be tried again: %s", self.pusher.name, error)
                await trio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._pushed += len(batch)
                self._report(devices)
                return

    def _report(self, devices: Sequence[str]) -> None:
        for device in devices:
            try:
                self.gone.send_nowait(device)
            except trio.WouldBlock:
                return  # it will be named again
