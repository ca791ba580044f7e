"""The store of another node, as this one uses it: its `Store` and its `Coordination`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import trio

from ...changes import Batch, Outcome
from ...queries import Query
from ...store.base import Statistics
from ...store.coordination import Member
from .line import Line
from .words import Beat, Bury, Claim, Commit, Fence, Fetch, Give, Join, Leave, Release

T = TypeVar("T")

PATIENCE = 10.0  # seconds for the owner to be there when this node starts


class RemoteStore:
    """A store over a `Line`; made by `open_remote`."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._node = 0
        self._batches = self._queries = 0

    def serve_as(self, node: int) -> None:
        """Commits are those of `node` from now on."""
        self._node = node

    def on_new_owner(self, call: Callable[[], None]) -> None:
        """Call this when the owner was started anew, and so has no members."""
        self._line.on_new_owner = call

    async def fetch(self, query: Query[T]) -> T:
        """Answer from the latest commit. Sleeps."""
        self._queries += 1
        found: T = await self._line.ask(lambda no: Fetch(no, query))
        return found

    async def commit(self, batch: Batch) -> Outcome:
        """Sleep until the batch is synced, and answer for it alone. Fenced if the node is no
        member.
        """
        self._batches += 1
        node = self._node
        done: Outcome = await self._line.commit(
            lambda no, seen: Commit(no, node, batch.changes, batch.now, batch.patient, seen)
        )
        return done

    def statistics(self) -> Statistics:
        """What was asked here. How many transactions and statements came of it, the owner counts:
        each batch and each query is one.
        """
        asked = self._batches + self._queries
        return Statistics(self._batches, self._batches, asked, self._queries)

    # --- who is a member -----------------------------------------------------------------

    async def join(self, name: str, address: str, url: str) -> int:
        number: int = await self._line.ask(lambda no: Join(no, name, address, url))
        self._line.has_left = False
        return number

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        found: tuple[Member, ...] = await self._line.ask(lambda no: Beat(no, node, load, draining))
        return found

    async def fence(self, node: int, lease: float) -> bool:
        gone: bool = await self._line.ask(lambda no: Fence(no, node, lease))
        return gone

    async def bury(self, node: int) -> bool:
        gone: bool = await self._line.ask(lambda no: Bury(no, node))
        return gone

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = await self._line.ask(lambda no: Claim(no, node, tuple(topics)))
        return owners

    async def release(self, node: int, topics: Sequence[str]) -> None:
        await self._line.ask(lambda no: Release(no, node, tuple(topics)))

    async def give(self, node: int, topic: str, to: int) -> bool:
        given: bool = await self._line.ask(lambda no: Give(no, node, topic, to))
        return given

    async def leave(self, node: int) -> None:
        await self._line.ask(lambda no: Leave(no, node))
        self._line.has_left = True


@contextlib.asynccontextmanager
async def open_remote(line: Line, patience: float = PATIENCE) -> AsyncIterator[RemoteStore]:
    """The store at the other end, while the block runs. StoreError if it cannot be had within
    `patience` seconds.
    """
    first = await line.open(patience)
    async with trio.open_nursery() as nursery:
        await nursery.start(line.run, *first)
        try:
            yield RemoteStore(line)
        finally:
            nursery.cancel_scope.cancel()
