"""Looking at a SQLite file, beside a server or without one.

It is opened read-only: nothing is written, nothing checkpointed, nobody held up; what is seen is
what was committed when each question began. The file must be of this version.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..errors import StoreError
from .browse import Browser, Found
from .migrate import SchemaError, packaged, version_of

_TABLES = """
SELECT name FROM sqlite_master
WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'node_number' ORDER BY name"""


class FileBrowser(Browser):
    """A browser of a SQLite file, with the connection that it asks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(_File(connection))
        self.connection = connection


@attrs.frozen
class _File:
    connection: sqlite3.Connection

    def each(self, sql: str, parameters: Sequence[Any]) -> Generator[Found, None, None]:
        with contextlib.closing(self.connection.execute(sql, parameters)) as cursor:
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def tables(self) -> list[str]:
        return [str(name) for (name,) in self.connection.execute(_TABLES)]


@contextlib.contextmanager
def browsing(path: Path) -> Iterator[FileBrowser]:
    """A browser of the file while the block runs.

    SchemaError if it is not ours, newer, or older than this version; StoreError if it is not
    there, cannot be read, or is damaged.
    """
    if not path.is_file():
        raise StoreError(f"{path}: no database is there")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            check_current(connection, path)
            yield FileBrowser(connection)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


def check_current(connection: sqlite3.Connection, path: Path) -> None:
    """SchemaError unless the file has the schema that this version works with."""
    found, known = version_of(connection, path, packaged())
    if found < known:
        problem = "has an older schema: run `tinode-py db migrate`, or start the server once"
        raise SchemaError(path, problem, found=found, known=known)
