"""What the arms of changes and queries need of a database: statements, and the next number.

Statements are written in SQLite's words; a store of another kind spells them its own way
(`postgres.spelling`). Parameters are text, whole numbers of 64 bits, bytes and None; so are
the values in rows. Texts compare by their bytes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Protocol

from .hot import Hot
from .rows import Row as Row


class Statements(Protocol):
    """Runs statements on one connection and counts them. One thread at a time.

    `last_event` is the highest number in the log; only the writer's counts.
    """

    count: int
    last_event: int

    def next_event(self) -> int:
        """A number that no event has."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute one statement to its end; answers the number of rows it changed."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows. Nothing stays open: the next statement sees the latest commit."""

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """The rows one by one, for who may not want them all; to be closed by who stops early."""

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The only row, or None. For statements that yield one row at most."""

    def write_hot(self, hot: Hot) -> bool:
        """Write what was gathered, numbered from the last event, or answer False: some message
        is not its topic's next.

        After False, as after an error, the caller must roll back if it began a transaction:
        part may have been written.
        """


class Database(Statements, Protocol):
    """The one connection that writes: transactions, and whose fault an error is."""

    bad_values: ClassVar[tuple[type[Exception], ...]]  # what one batch's own values can cause
    failures: ClassVar[tuple[type[Exception], ...]]  # what the database raises, those included

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def roll_back(self) -> None:
        """End an open transaction, if one is open."""

    def save(self) -> None:
        """A point within the transaction, to which `undo` goes back, until `release`."""

    def release(self) -> None: ...

    def undo(self) -> None: ...
