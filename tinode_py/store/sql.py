"""One SQLite connection as the store uses it: statements, counted, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from . import hot_sqlite
from .hot import Hot
from .rows import Row

# Pages of the log between checkpoints: 16 MB. The log file is never cut back, so that commits
# overwrite blocks that the file system has already given to it.
CHECKPOINT_PAGES = 4_000


# What one batch's own values can cause: text that is no UTF-8, a number beyond 64 bits, a value
# too large. The other batches are not to blame.
_BAD_VALUES = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    ValueError,
    OverflowError,
)


class SqliteStatements:
    """`Statements` on a connection; the writer's is a `Database`, too."""

    __slots__ = ("connection", "count", "last_event")

    bad_values: ClassVar[tuple[type[Exception], ...]] = _BAD_VALUES
    failures: ClassVar[tuple[type[Exception], ...]] = (sqlite3.Error,)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.count = 0
        self.last_event = 0

    def next_event(self) -> int:
        self.last_event += 1
        return self.last_event

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        self.count += 1
        return self.connection.execute(sql, parameters).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        self.count += 1
        return self.connection.execute(sql, parameters).fetchall()

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Row, None, None]:
        self.count += 1
        cursor = self.connection.execute(sql, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def write_hot(self, hot: Hot) -> bool:
        return hot.is_empty or hot_sqlite.write(self, hot)

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """After some errors SQLite has already ended the transaction itself."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def save(self) -> None:
        self.connection.execute("SAVEPOINT batch")

    def release(self) -> None:
        self.connection.execute("RELEASE batch")

    def undo(self) -> None:
        self.connection.execute("ROLLBACK TO batch")


def connect(path: Path, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use."""
    return sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=factory,
    )


def prepare_writer(connection: sqlite3.Connection) -> None:
    """The settings of the one connection that writes and checkpoints."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        "journal_size_limit = -1",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "secure_delete = FAST",  # what is deleted for all does not stay in free space
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def prepare_reader(connection: sqlite3.Connection) -> None:
    """The settings of connections that may only read."""
    for pragma in ("query_only = 1", "wal_autocheckpoint = 0", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
