"""One SQLite connection as the store uses it: statements, counted, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]

# Pages of the log between checkpoints: 16 MB. The log file is never cut back, so that commits
# overwrite blocks that the file system has already given to it.
CHECKPOINT_PAGES = 4_000


class Statements:
    """Runs statements on one connection and counts them. One thread at a time.

    `last_event` is the highest number in the log; only the writer's counts.
    """

    __slots__ = ("connection", "count", "last_event")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.count = 0
        self.last_event = 0

    def next_event(self) -> int:
        """A number that no event has."""
        self.last_event += 1
        return self.last_event

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute one statement to its end; answers the number of rows it changed."""
        self.count += 1
        return self.connection.execute(sql, parameters).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows. Nothing stays open: the next statement sees the latest commit."""
        self.count += 1
        return self.connection.execute(sql, parameters).fetchall()

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """The rows one by one, for who may not want them all; to be closed by who stops early."""
        self.count += 1
        cursor = self.connection.execute(sql, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The only row, or None. For statements that yield one row at most."""
        found = self.rows(sql, parameters)
        return found[0] if found else None


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
