"""`Statements` on a connection to PostgreSQL, and how connections are made."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

import psycopg
from psycopg import errors
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from ...errors import StoreAway, StoreError
from ..hot import Hot
from ..rows import Row
from .address import Address
from .spelling import spelled

OLDEST = 130000  # PostgreSQL 13
STATEMENTS = 400  # prepared ones of a connection; there are fewer
Connection = psycopg.Connection[Row]

# Each statement is written for its index. The planner's own guess, made while a table is empty,
# would be kept for as long as the connection lives. Compiling costs more than any of them.
_SETTINGS = """
SET client_encoding = 'UTF8'; SET jit = off; SET enable_seqscan = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET standard_conforming_strings = on;
SET TimeZone = 'UTC'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3;
SET tcp_keepalives_count = 3; """
READING = "SET default_transaction_read_only = on; SET statement_timeout = '30s'"
# Where commits are not synced by the server's own settings, here they are.
SYNCED = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'"""
WRITING = "SET lock_timeout = '30s'; SET statement_timeout = 0;" + SYNCED
_WRITE_HOT = """
SELECT write_hot($1, $2, $3::bigint, $4::json, $5::json, $6::json, $7::json, $8::json)"""
_WRITE_LARGE = """
INSERT INTO message (topic, seq, sender, ts, head, content, event)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
STALE = "TP001"
FENCED = "TP002"


class _BoolDumper(Int8Dumper):
    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


def name_of_process() -> str:
    """How connections of this process are called, for an operator who asks the database."""
    return f"tinode-py {socket.gethostname()[:40]} {os.getpid()}"


def connect(address: Address, settings: str) -> Connection:
    """A connection in autocommit mode; StoreError says why there is none."""
    try:
        connection = psycopg.connect(
            **{"application_name": name_of_process(), **address.parameters},  # type: ignore[arg-type]
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=0,
        )
    except psycopg.Error as error:
        raise StoreAway(f"{address.shown}: {address.reason(error)}") from None
    try:
        if connection.info.server_version < OLDEST:
            found = connection.info.server_version // 10000
            raise StoreError(f"{address.shown}: is PostgreSQL {found}, 13 is the oldest that works")
        connection.execute(_SETTINGS + settings, prepare=False)
    except psycopg.Error as error:
        connection.close()
        raise StoreError(f"{address.shown}: {address.reason(error)}") from None
    except StoreError:
        connection.close()
        raise
    connection.prepared_max = STATEMENTS
    # Texts are TEXT and numbers BIGINT, whatever their values: a statement is prepared once.
    connection.adapters.register_dumper(str, StrDumper)
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(bool, _BoolDumper)
    return connection


class PostgresStatements:
    """`Statements` on a connection."""

    bad_values: ClassVar[tuple[type[Exception], ...]] = (
        psycopg.DataError,
        psycopg.IntegrityError,
        errors.ProgramLimitExceeded,  # a text that no index takes
        ValueError,
        OverflowError,
    )
    failures: ClassVar[tuple[type[Exception], ...]] = (psycopg.Error,)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.count = 0
        self.last_event = 0
        self.batch = 0  # the number of the transaction
        self.node = 0  # the member of a cluster that writes; 0: a server by itself

    def next_event(self) -> int:
        self.last_event += 1
        return self.last_event

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        self.count += 1
        return self._execute(sql, parameters).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        self.count += 1
        return self._execute(sql, parameters).fetchall()

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Row, None, None]:
        self.count += 1
        with contextlib.closing(self.connection.cursor(binary=True)) as cursor:
            yield from cursor.stream(spelled(sql), parameters)

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Row]:
        cursor = self.connection.cursor(binary=True)
        return cursor.execute(spelled(sql), parameters)

    def write_hot(self, hot: Hot) -> bool:
        """One statement, but for large contents; a transaction of its own where there is none."""
        if hot.is_empty:
            return True
        base = self.base()
        try:
            self.run(_WRITE_HOT, (self.node, self.batch, base, *hot.texts(), hot.places()))
            for row in hot.large:
                self.run(_WRITE_LARGE, (*row[:-1], self.last_event + row[-1]))
        except psycopg.Error as error:
            if error.sqlstate != STALE and not isinstance(error, errors.UniqueViolation):
                raise
            return False
        if base is not None:
            self.last_event += hot.count
        return True

    def base(self) -> int | None:
        """From where messages are numbered; None if only the database knows."""
        return self.last_event
