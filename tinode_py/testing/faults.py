"""Faults that a test may switch on and off: a store that writes nothing, a server that hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from ..changes import Batch, Outcome
from ..errors import StoreError
from ..live.pace import Pace
from ..live.session import Session
from ..queries import Query
from ..store.base import Statistics, Store


class Fault:
    """Something that is wrong from now on, until `end`, or the end of a `with` block."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._end = end
        begin()

    def end(self) -> None:
        """Be well again. A second time changes nothing."""
        self._end()

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@attrs.define(eq=False)
class Faults:
    """What is wrong with one server."""

    disk_is_full: bool = False
    going: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.going.set()

    def pause(self) -> None:
        if self.going.is_set():
            self.going = trio.Event()

    def resume(self) -> None:
        self.going.set()

    def break_disk(self) -> None:
        self.disk_is_full = True

    def mend_disk(self) -> None:
        self.disk_is_full = False

    def around(self, store: Store) -> Store:
        """The store with these faults."""
        return FaultyStore(store, self)

    def watch(self, session: Session) -> None:
        """The session takes nothing while the server is paused."""
        session.pace = HeldPace(session.pace, self)


@attrs.define
class FaultyStore:
    """A store that reads, and writes unless the disk is full."""

    _store: Store
    _faults: Faults

    async def fetch(self, query: Query[Any]) -> Any:
        return await self._store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        if self._faults.disk_is_full:
            raise StoreError("the disk is full, says the test")
        return await self._store.commit(batch)

    def statistics(self) -> Statistics:
        return self._store.statistics()


class HeldPace(Pace):
    """The pace of a session that stands still while the server is paused."""

    __slots__ = ("_faults", "_pace")

    def __init__(self, pace: Pace, faults: Faults) -> None:
        self._pace, self._faults = pace, faults

    async def wait(self, size: int = 0) -> None:
        await self._faults.going.wait()
        await self._pace.wait(size)

    def fine(self) -> None:
        self._pace.fine()
