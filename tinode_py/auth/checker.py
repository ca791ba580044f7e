"""Password checks, few at a time, with everyone in turn.

A check costs much by design, so wrong ones must not hold up right ones:

- one check at a time per connection, and after each failure it waits longer for the next;
- connections without a failure go before those with one; among equals, a login or an
  address that failed lately goes behind (an order only: neither is ever refused for it);
- else first come, first served, while few wait. When many wait, the newest goes first: the
  oldest are about to give up, and a flood must not become everybody's waiting time;
- what waits too long, or stands last in a full queue, is answered 503.
"""

from __future__ import annotations

import collections
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import attrs
import trio

from .. import errors
from ..errors import Refused
from .base import Origin

T = TypeVar("T")

FIRST_DELAY = 0.05  # seconds after the first failure, doubled at each further one
LONGEST_DELAY = 0.4
PATIENCE = 4.0  # seconds; clients give up after five
CALM = 8  # so many may wait in the order in which they came
HALF_LIFE = 60.0  # seconds in which a remembered failure loses half its weight
REMEMBERED = 4096  # logins and addresses


class Hasher(Protocol):
    """Blocking work: `passwords.Argon2`, or something cheap in a test."""

    def encode(self, password: str) -> str: ...

    def verify(self, password: str, encoded: str | None) -> bool: ...


class Failures:
    """How often names failed lately; the longest untouched are forgotten first."""

    def __init__(self) -> None:
        self._names: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def add(self, name: str, now: float) -> None:
        self._names[name] = (self._weight(name, now) + 1, now)
        self._names.move_to_end(name)
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def forget(self, name: str) -> None:
        self._names.pop(name, None)

    def rank(self, name: str, now: float) -> int:
        """0 for none, then one more for each doubling."""
        return round(self._weight(name, now)).bit_length()

    def _weight(self, name: str, now: float) -> float:
        weight, since = self._names.get(name, (0.0, now))
        return weight * math.pow(0.5, (now - since) / HALF_LIFE)


@attrs.define(eq=False)
class _Place:
    """One check that waits for a thread."""

    origin: Origin
    login: str
    called: trio.Event = attrs.field(factory=trio.Event)
    refused: bool = False


class PasswordChecker:
    """Runs a `Hasher` in at most `threads` threads of its own, for all connections.

    `inline` runs it on the caller's thread, for tests on a virtual clock.
    """

    def __init__(
        self, hasher: Hasher, *, threads: int = 1, waiting: int = 200, inline: bool = False
    ) -> None:
        self._hasher = hasher
        self._free = threads
        self._limiter = trio.CapacityLimiter(threads)
        self._bound = waiting
        self._inline = inline
        self._waiting: list[_Place] = []
        self._logins = Failures()
        self._addresses = Failures()

    async def check(self, password: str, encoded: str | None, login: str, origin: Origin) -> bool:
        """Whether the password is right; `encoded=None` (no such login) takes as long.

        Refused with 503 if too many wait. A check that was begun is not cancelled.
        """
        async with origin.turn:
            await trio.sleep_until(origin.not_before)
            right = await self._run(origin, login, lambda: self._hasher.verify(password, encoded))
            self._note(right, login, origin)
        return right

    async def hash(self, password: str, origin: Origin) -> str:
        """The encoded hash of a new password, in the same queue."""
        async with origin.turn:
            await trio.sleep_until(origin.not_before)
            return await self._run(origin, "", lambda: self._hasher.encode(password))

    def waiting(self) -> int:
        """How many checks wait for a thread."""
        return len(self._waiting)

    def _note(self, right: bool, login: str, origin: Origin) -> None:
        if right:
            origin.failures = 0
            self._logins.forget(login)
            return
        now = trio.current_time()
        origin.not_before = now + min(FIRST_DELAY * 2 ** min(origin.failures, 16), LONGEST_DELAY)
        origin.failures += 1
        self._logins.add(login, now)
        self._addresses.add(origin.address, now)

    async def _run(self, origin: Origin, login: str, work: Callable[[], T]) -> T:
        async with self.thread(origin, login):
            if self._inline:
                await trio.lowlevel.checkpoint()
                return work()
            return await trio.to_thread.run_sync(work, limiter=self._limiter)

    @asynccontextmanager
    async def thread(self, origin: Origin, login: str) -> AsyncIterator[None]:
        """One of the threads, for the block, after waiting in turn; Refused with 503 as `check`."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(_Place(origin, login))
        try:
            yield
        finally:
            self._next()

    async def _wait(self, place: _Place) -> None:
        """Returns with a thread taken for `place`."""
        self._waiting.append(place)
        if len(self._waiting) > self._bound:
            self._refuse_last()
        try:
            with trio.move_on_after(PATIENCE):
                await place.called.wait()
        finally:
            if not place.called.is_set():  # impatient, or cancelled
                self._waiting.remove(place)
                place.refused = True
        if place.refused:
            raise Refused(errors.UNAVAILABLE)

    def _next(self) -> None:
        """Give the thread that has become free to the best place, or keep it."""
        if not self._waiting:
            self._free += 1
            return
        ranks = self._ranks()
        best = min(ranks)
        equals = [i for i, rank in enumerate(ranks) if rank == best]
        chosen = self._waiting.pop(equals[0] if len(ranks) <= CALM else equals[-1])
        chosen.called.set()

    def _refuse_last(self) -> None:
        ranks = self._ranks()
        worst = self._waiting.pop(ranks.index(max(ranks)))  # the oldest of them
        worst.refused = True
        worst.called.set()

    def _ranks(self) -> list[tuple[bool, int, int]]:
        """For each place that waits, oldest first: the lower the sooner."""
        now = trio.current_time()
        logins, addresses = self._logins, self._addresses
        return [
            (
                place.origin.failures > 0,
                logins.rank(place.login, now),
                addresses.rank(place.origin.address, now),
            )
            for place in self._waiting
        ]
