"""The SQLite file of a cluster: one process has it, and writes for all nodes.

A batch says which node handed it in (`NodeBatch`), and is written if that node is a member when
its transaction begins; whoever is no member from then on is looked at with the next. So a node
has written all that it ever will as soon as it is no member and the transaction under way is
over: `_settled` waits for that, by a batch which has nothing to write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from ..changes import Batch, Committed, Outcome
from ..errors import StoreError
from ..queries import Query
from .base import Statistics, Store
from .coordination import MemoryCoordination, NodeBatch, unknown
from .statements import Database
from .transaction import Result, Transactions

T = TypeVar("T")

_NUMBER = "UPDATE node_number SET last = last + 1 WHERE one = 1 RETURNING last"


class _Nothing(Batch, frozen=True):
    """Nothing to be written: it is answered when all that came before it is."""


class _Number(Batch, frozen=True):
    """The next number of a node is to be taken."""


class FencedTransactions(Transactions):
    """Writes what was handed in by members, and refuses the rest.

    `is_member` is asked in the thread that writes. `number` is the last that was taken.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.is_member: Callable[[int], bool] = lambda node: False
        self.number = 0

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        answers = [self._by_who_asks(batch) for batch in batches]
        allowed = [it for it, answer in zip(batches, answers, strict=True) if answer is None]
        written = iter(super().write(allowed) if allowed else ())
        return [next(written) if answer is None else answer for answer in answers]

    def _by_who_asks(self, batch: Batch) -> Result | None:
        """The answer, None if the batch is to be written."""
        if isinstance(batch, _Nothing):
            return Committed()
        if isinstance(batch, _Number):
            return self._take_number()
        node = batch.node if isinstance(batch, NodeBatch) else 0
        return None if self.is_member(node) else unknown(node)

    def _take_number(self) -> Result:
        try:
            self._db.roll_back()  # what a rollback that failed may have left
            row = self._db.row(_NUMBER)
            assert row is not None
        except self._db.failures as error:
            return StoreError(f"{type(error).__name__}: {error}")
        self.number = int(row[0])
        return Committed()


class OwnedStore:
    """A `Store` for all nodes, in the process that has the file; `serve_as` says which of them
    this process is.
    """

    def __init__(self, store: Store, transactions: FencedTransactions) -> None:
        self._store = store
        self._transactions = transactions
        self._node = 0
        self._numbering = trio.Lock()

    def coordination(self, now: Callable[[], float]) -> MemoryCoordination:
        """Who may write, from now on. `now`: seconds."""
        made = MemoryCoordination(now, self._take_number, self._settled)
        self._transactions.is_member = made.is_member
        return made

    def serve_as(self, node: int) -> None:
        """Commits are those of `node` from now on."""
        self._node = node

    async def fetch(self, query: Query[T]) -> T:
        return await self._store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        """Sleep until the batch is synced, and answer for it alone. Fenced if the node that
        handed it in is no member when it is written.
        """
        return await self.commit_as(self._node, batch)

    async def commit_as(self, node: int, batch: Batch) -> Outcome:
        """The same, for another node."""
        return await self._store.commit(NodeBatch(batch.changes, batch.now, batch.patient, node))

    def statistics(self) -> Statistics:
        return self._store.statistics()

    async def _take_number(self) -> int:
        """One that no node had: it is on the disk before anybody is told."""
        async with self._numbering:
            await self._store.commit(_Number(()))
            return self._transactions.number

    async def _settled(self) -> None:
        await self._store.commit(_Nothing(()))
