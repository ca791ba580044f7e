"""Looking at a PostgreSQL database, beside a server or without one: read-only, of one moment."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import attrs
import psycopg

from ...errors import StoreError
from ..browse import Browser, Found
from ..migrate import SchemaError
from .address import Address
from .migrate import OWN, TABLES, newest, version_of
from .spelling import spelled
from .statements import PostgresStatements, connect

# The planner is left alone: what is asked here reads whole tables.
_SETTINGS = """
SET enable_seqscan = on; SET enable_hashjoin = on; SET enable_mergejoin = on;
SET default_transaction_read_only = on; SET default_transaction_isolation = 'repeatable read'"""


@attrs.frozen
class Facts:
    """What an operator wants to know. Sizes in bytes."""

    database: str
    size: int
    schema: int
    known: int  # the newest schema of this version
    postgres: str
    rows: dict[str, int]


@contextlib.contextmanager
def looking(address: Address) -> Iterator[PostgresStatements]:
    """A connection that sees the database as it is now, and changes nothing.

    SchemaError if it is not of this version, StoreError if it cannot be read.
    """
    with contextlib.closing(connect(address, _SETTINGS)) as connection:
        try:
            check_current(connection, address.shown)
            with connection.transaction():
                yield PostgresStatements(connection)
        except psycopg.Error as error:
            raise StoreError(f"{address.shown}: {address.reason(error)}") from None


@contextlib.contextmanager
def browsing(address: Address) -> Iterator[Browser]:
    """A browser of the database as it is now; errors as of `looking`."""
    with looking(address) as db:
        yield Browser(_Snapshot(db))


@attrs.frozen
class _Snapshot:
    db: PostgresStatements

    def each(self, sql: str, parameters: Sequence[Any]) -> Generator[Found, None, None]:
        with contextlib.closing(self.db.connection.cursor(binary=True)) as cursor:
            for row in cursor.stream(spelled(sql), parameters):
                names = [column.name for column in cursor.description or ()]
                yield dict(zip(names, row, strict=True))

    def tables(self) -> list[str]:
        return [str(name) for (name,) in self.db.rows(TABLES) if name not in OWN]


def check_current(connection: psycopg.Connection[tuple[object, ...]], shown: str) -> None:
    """SchemaError unless the database has the schema that this version works with."""
    found, known = version_of(connection, shown, newest()), newest()
    if found == 0:
        raise SchemaError(shown, "no database of ours is there", found=None, known=known)
    if found < known:
        problem = "has an older schema: run `tinode-py db migrate`, or start the server once"
        raise SchemaError(shown, problem, found=found, known=known)


def size_and_version(address: Address) -> tuple[int, str]:
    """How many bytes the database has on its server's disk, and what that server is."""
    with looking(address) as db:
        return _size_and_version(db)


def _size_and_version(db: PostgresStatements) -> tuple[int, str]:
    asked = "SELECT pg_database_size(current_database()), current_setting('server_version')"
    ((size, version),) = db.rows(asked)
    return int(size), str(version)


def facts_of(address: Address) -> Facts:
    with looking(address) as db:
        size, version = _size_and_version(db)
        counts, known = Browser(_Snapshot(db)).counts(), newest()
        return Facts(address.shown, size, known, known, version, counts)
