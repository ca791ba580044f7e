"""The store in plain dicts: the reference that says what the changes and queries mean.

For tests and for servers that may forget. Nothing is synced, and most queries look at
everything there is.
"""

from __future__ import annotations

from typing import TypeVar

import trio

from ..changes import Batch, Committed, Outcome
from ..queries import Query
from .base import Statistics
from .memory_apply import apply
from .memory_read import answer
from .tables import Refused, Tables

T = TypeVar("T")


class MemoryStore:
    """A `Store` that keeps everything in this process."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._batches = 0
        self._changes = 0
        self._queries = 0

    async def fetch(self, query: Query[T]) -> T:
        """Answers at once, without a checkpoint."""
        self._queries += 1
        return answer(self._tables, query)

    async def commit(self, batch: Batch) -> Outcome:
        """A checkpoint, then the whole batch at once. Cancelled, nothing was written."""
        await trio.lowlevel.checkpoint()
        return self.write(batch)

    def write(self, batch: Batch) -> Outcome:
        """The whole batch, at once."""
        self._batches += 1
        mark = self._tables.mark()
        try:
            for change in batch.changes:
                self._changes += 1
                apply(self._tables, change, batch.now)
        except Refused as refused:
            self._tables.undo(mark)
            return refused.outcome
        self._tables.forget()
        return Committed()

    def statistics(self) -> Statistics:
        """Statements are changes and queries here; each batch is a transaction."""
        return Statistics(
            batches=self._batches,
            transactions=self._batches,
            statements=self._changes + self._queries,
            queries=self._queries,
        )
