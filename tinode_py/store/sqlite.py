"""The store in one SQLite file.

Exactly one connection writes and checkpoints (two at once can damage the file in the versions
of SQLite that today's Pythons carry); readers have their own, which cannot write. Bounded
queries run on the loop's thread: a page of 24 costs less than the hop to another thread.
Unbounded ones take that hop, unless there is little to read (`near`). Rows that are asked for
with every request are kept in memory (`kept`): nobody else writes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from ..changes import Batch, Outcome
from ..errors import StoreError
from ..queries import Query
from .base import UNBOUNDED, Statistics
from .fenced import FencedTransactions, OwnedStore
from .hot_sqlite import prepare
from .kept import KEPT, Kept
from .migrate import migrate, packaged
from .near import is_small
from .read import answer
from .sql import SqliteStatements, connect, prepare_reader, prepare_writer
from .transaction import Transactions
from .writer import Inline, WriterThread

T = TypeVar("T")


@attrs.define
class _Counters:
    batches: int = 0
    queries: int = 0


class SqliteStore:
    """A `Store`; made by `open_sqlite`."""

    def __init__(
        self,
        transactions: Transactions,
        writer: WriterThread | Inline,
        statements: tuple[SqliteStatements, SqliteStatements, SqliteStatements],
    ) -> None:
        self._transactions = transactions
        self._writer = writer
        self._statements = statements  # the writer's, the loop's reader, the thread's reader
        self._counters = _Counters()
        self._kept = Kept()
        self._one_reader = trio.CapacityLimiter(1)
        self._inline = isinstance(writer, Inline)

    async def fetch(self, query: Query[T]) -> T:
        """Answer from the latest commit; a checkpoint only if there is much to read."""
        self._counters.queries += 1
        _, near, far = self._statements
        try:
            if type(query) in KEPT:
                return self._row(query)
            if self._inline or type(query) not in UNBOUNDED or is_small(near, query):
                return answer(near, query)
            return await trio.to_thread.run_sync(answer, far, query, limiter=self._one_reader)
        except (sqlite3.Error, OverflowError) as error:  # a number beyond 64 bits
            raise StoreError(f"{type(error).__name__}: {error}") from error

    def _row(self, query: Query[T]) -> T:
        """The only row, as it is kept or read."""
        row: T = self._kept.get(query)
        if row is None:
            row = answer(self._statements[1], query)
            self._kept.keep(query, row)
        return row

    async def commit(self, batch: Batch) -> Outcome:
        """Sleep until the batch is synced, and answer for it alone."""
        self._counters.batches += 1
        touched = self._kept.announce(batch)
        try:
            outcome = await self._writer.commit(batch)
        except StoreError:
            self._kept.over(touched)
            raise
        self._kept.over(touched)
        return outcome

    def statistics(self) -> Statistics:
        return Statistics(
            batches=self._counters.batches,
            transactions=self._transactions.count,
            statements=sum(statements.count for statements in self._statements),
            queries=self._counters.queries,
        )


@contextlib.asynccontextmanager
async def open_sqlite(
    path: Path,
    *,
    inline: bool = False,
    migrations: Traversable | None = None,
    factory: type[sqlite3.Connection] = sqlite3.Connection,
) -> AsyncIterator[SqliteStore]:
    """Open or make the file, bring its schema up to date, and close it at the end.

    `inline` runs everything on the loop's thread. Raises SchemaError for a file that is newer
    or not ours, StoreError if it cannot be opened. Leaving writes what waits.
    """
    with _opened(path, migrations, factory) as (writer, near, far):
        transactions = Transactions(writer)
        thread = Inline(transactions) if inline else WriterThread(transactions)
        try:
            yield SqliteStore(transactions, thread, (writer, near, far))
        finally:
            await thread.aclose()


@contextlib.asynccontextmanager
async def open_owned(
    path: Path, *, inline: bool = False, migrations: Traversable | None = None
) -> AsyncIterator[OwnedStore]:
    """The same file for the nodes of a cluster, with which this process shares it."""
    with _opened(path, migrations, sqlite3.Connection) as (writer, near, far):
        transactions = FencedTransactions(writer)
        thread = Inline(transactions) if inline else WriterThread(transactions)
        try:
            yield OwnedStore(SqliteStore(transactions, thread, (writer, near, far)), transactions)
        finally:
            await thread.aclose()


@contextlib.contextmanager
def _opened(
    path: Path, migrations: Traversable | None, factory: type[sqlite3.Connection]
) -> Iterator[tuple[SqliteStatements, SqliteStatements, SqliteStatements]]:
    """The connection that writes, that of the loop, that of the thread which reads."""
    with contextlib.ExitStack() as stack:
        try:
            writer = _open_writer(stack, path, migrations or packaged(), factory)
            readers = [_open_reader(stack, path, factory) for _ in range(2)]
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error
        yield writer, readers[0], readers[1]


def _open_writer(
    stack: contextlib.ExitStack,
    path: Path,
    migrations: Traversable,
    factory: type[sqlite3.Connection],
) -> SqliteStatements:
    # Made here, so that nobody else may read it; SQLite gives its log the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = stack.enter_context(contextlib.closing(connect(path, factory)))
    migrate(connection, path, migrations)
    prepare_writer(connection)
    prepare(connection)
    return SqliteStatements(connection)


def _open_reader(
    stack: contextlib.ExitStack, path: Path, factory: type[sqlite3.Connection]
) -> SqliteStatements:
    # Closed before the writer, whose closing checkpoints.
    connection = stack.enter_context(contextlib.closing(connect(path, factory)))
    prepare_reader(connection)
    return SqliteStatements(connection)
