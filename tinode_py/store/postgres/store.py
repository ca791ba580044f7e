"""The store in a PostgreSQL database.

One connection writes, in a thread of its own, by group commit as with SQLite; the others read,
a thread for each. (psycopg's own asynchronous connections are for asyncio only.) The one that
writes holds the lock by which there is one server at a time; or, `shared`, as many nodes as have
joined the cluster.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from importlib.resources.abc import Traversable
from typing import TypeVar

import psycopg

from ...changes import Batch, Outcome
from ...errors import StoreError
from ...queries import Query
from ..base import Statistics
from ..coordination import NodeBatch
from ..writer import Inline, WriterThread
from .address import Address
from .claim import claim, end_members, know, migrating
from .migrate import migrate, newest, packaged
from .readers import InlineReader, Reader, ReaderThreads
from .shared import SHARED, SharedTransactions, SharedWriter
from .statements import WRITING, Connection, connect
from .writer import PostgresTransactions, PostgresWriter

T = TypeVar("T")

CONNECTIONS = 8
TAKING_OVER = 3.0  # seconds for PostgreSQL to notice that a server before us has ended


class PostgresStore:
    """A `Store`; made by `open_postgres`."""

    def __init__(
        self,
        transactions: PostgresTransactions,
        writer: WriterThread | Inline,
        pool: ReaderThreads | InlineReader,
        readers: list[Reader],
    ) -> None:
        self._transactions = transactions
        self._writer = writer
        self._pool = pool
        self._readers = readers
        self._node = 0
        self._batches = self._queries = 0

    def serve_as(self, node: int) -> None:
        """Commit under this number from now on, as a member of the cluster; 0: not at all. What
        was handed in before and still waits is answered `Fenced`. For a store that is `shared`.
        """
        assert isinstance(self._transactions, SharedTransactions)
        self._node = self._transactions.node = node

    async def fetch(self, query: Query[T]) -> T:
        """Answer from the latest commit. Sleeps, unless the store is inline."""
        self._queries += 1
        found: T = await self._pool.fetch(query)
        return found

    async def commit(self, batch: Batch) -> Outcome:
        """Sleep until the batch is synced, and answer for it alone. Fenced if it is shared, and
        the node is no member.
        """
        self._batches += 1
        if isinstance(self._transactions, SharedTransactions):
            batch = NodeBatch(batch.changes, batch.now, batch.patient, self._node)
        return await self._writer.commit(batch)

    def statistics(self) -> Statistics:
        return Statistics(
            batches=self._batches,
            transactions=self._transactions.count,
            statements=self._transactions.statements() + sum(r.count for r in self._readers),
            queries=self._queries,
        )


@contextlib.asynccontextmanager
async def open_postgres(
    address: Address,
    *,
    connections: int = CONNECTIONS,
    inline: bool = False,
    migrations: Traversable | None = None,
    patience: float = TAKING_OVER,
    shared: bool = False,
) -> AsyncIterator[PostgresStore]:
    """Take the database over, bring its schema up to date, and leave it at the end. `shared` with
    other nodes it takes commits once `serve_as` was called.

    Of `connections` one writes, the others read. `inline` runs everything on the loop's thread,
    over two. Raises SchemaError for a database that is newer or not ours, TakenError if another
    server works on it for longer than `patience`, StoreError if it cannot be reached. Leaving
    writes what waits.
    """
    with taken(address, migrations or packaged(), patience, shared=shared) as connection:
        db, transactions = _writing(connection, address, shared)
        readers = [Reader(address) for _ in range(1 if inline else max(connections - 1, 1))]
        writer = Inline(transactions) if inline else WriterThread(transactions)
        if isinstance(writer, WriterThread):
            transactions.refuse_waiting = writer.refuse_waiting
        pool = InlineReader(readers[0]) if inline else ReaderThreads(readers)
        try:
            yield PostgresStore(transactions, writer, pool, readers)
        finally:
            transactions.closing.set()
            await writer.aclose()
            await pool.aclose()
            db.connection.close()


def _writing(
    connection: Connection, address: Address, shared: bool
) -> tuple[PostgresWriter, PostgresTransactions]:
    if shared:
        db = SharedWriter(connection, address)
        return db, SharedTransactions(db, address)
    alone = PostgresWriter(connection, address)
    return alone, PostgresTransactions(alone, address)


@contextlib.contextmanager
def taken(
    address: Address, migrations: Traversable, patience: float, *, shared: bool = False
) -> Iterator[Connection]:
    """A connection that may write, and alone does, or as one of several nodes; its database has
    this version's schema.
    """
    connection = connect(address, SHARED if shared else WRITING)
    with contextlib.closing(connection):
        try:
            claim(connection, address.shown, patience, None, shared=shared)
            with migrating(connection):
                migrate(connection, address.shown, migrations)
                know(connection, newest(migrations))
            if not shared:
                end_members(connection)
        except psycopg.Error as error:
            raise StoreError(f"{address.shown}: {address.reason(error)}") from None
        yield connection
