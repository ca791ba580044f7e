"""A PostgreSQL database as lines of JSON, and back: the lines of `store.lines`, byte for byte.

An export of SQLite is imported here, and the other way round, as long as both are of one
schema: at one number they have the same tables. An import is one transaction: all of it is
there afterwards, or nothing.
"""

from __future__ import annotations

import binascii
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from ..lines import (
    BYTES,
    FORMAT,
    KIND,
    LONGEST,
    UNKNOWN_KIND,
    UPLOADS,
    ImportFault,
    Place,
    Reading,
    line_of,
    parsed,
    sealed,
    shown,
    stored_value,
    uploads,
)
from ..rows import Row
from .address import Address
from .looking import looking
from .migrate import OWN, TABLES, newest
from .statements import Connection, PostgresStatements

_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"""
_KEY = """
SELECT a.attname FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass($1) AND i.indisprimary
ORDER BY array_position(i.indkey::int2[], a.attnum)"""


def exported(address: Address, reading: Reading | None) -> Iterator[bytes]:
    """The lines, of one moment. SchemaError and StoreError as of `looking`."""
    with looking(address) as db:
        head = line_of({"tinode-py": "export", "format": FORMAT, "schema": newest()})
        files = uploads(db.each(UPLOADS), reading) if reading else ()
        yield from sealed(itertools.chain([head], _tables(db), files))


def tables(db: PostgresStatements) -> list[str]:
    """Those of the chat, by name."""
    return [str(name) for (name,) in db.rows(TABLES) if name not in OWN]


def _tables(db: PostgresStatements) -> Iterator[bytes]:
    for table in tables(db):
        columns = columns_of(db, table)
        key = [str(name) for (name,) in db.rows(_KEY, (f'"{table}"',))]
        yield line_of({"table": table, "columns": columns})
        for row in db.each(f'SELECT {_names(columns)} FROM "{table}" ORDER BY {_names(key)}'):
            yield line_of([shown(value) for value in row])


def columns_of(db: PostgresStatements, table: str) -> list[str]:
    return [str(name) for (name,) in db.rows(_COLUMNS, (table,))]


def _names(columns: Iterable[str]) -> str:
    return ", ".join('"user"' if name == "user" else name for name in columns)


class Importer:
    """Fills an empty database of this version's schema, within the caller's transaction.

    The caller sees to it that what `place` took goes again if that fails.
    """

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._db = PostgresStatements(connection)
        self._place = place
        self._known = tables(self._db)
        self._digest = hashlib.sha256()
        self.lines = 0
        self._last = b""
        self._rows = 0

    def rows(self, sql: str) -> list[Row]:
        """What a statement yields in the same transaction."""
        return self._db.rows(sql)

    def load(self, source: Iterable[bytes]) -> None:
        """Take all lines. ImportFault names what is wrong: the caller then rolls back."""
        lines = iter(source)
        self._header(self._value(next(lines, b"")))
        for table in self._known:
            self._db.run(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
            self._db.run(f'DELETE FROM "{table}"')
        head = self._next(lines)
        while "end" not in head:
            head = self._table(head, lines)
        if next(lines, None) is not None:
            raise ImportFault(self.lines + 1, "comes after the end")
        for table in self._known:
            self._db.run(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')

    def _header(self, head: Any) -> None:
        if not isinstance(head, dict) or head.get("tinode-py") != "export":
            raise ImportFault(1, "this is no export of tinode-py")
        if head.get("format") != FORMAT:
            raise ImportFault(1, f"format {head.get('format')}, this version knows {FORMAT}")
        found, known = head.get("schema"), newest()
        if not isinstance(found, int) or found > known:
            raise ImportFault(1, f"made by a newer version: schema {found}, not {known}")
        if found < known:
            raise ImportFault(
                1,
                f"schema {found}, PostgreSQL takes {known} only: import it into a data folder "
                "with SQLite, and export that",
            )

    def _table(self, head: dict[str, Any], lines: Iterator[bytes]) -> dict[str, Any]:
        """Take the rows of one table; the line after them."""
        name = head.get("table")
        if name == BYTES:
            return self._uploads(lines)
        if name not in self._known:
            raise ImportFault(self.lines, f"there is no table {name!r}")
        columns = columns_of(self._db, name)
        if head.get("columns") != columns:
            raise ImportFault(self.lines, f"table {name!r} has the columns {', '.join(columns)}")
        try:
            with self._connection.cursor().copy(
                f'COPY "{name}" ({_names(columns)}) FROM STDIN'
            ) as copy:
                while isinstance(value := self._either(lines), list):
                    copy.write_row(self._row(value, name, len(columns)))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            text = str(error).strip().splitlines()[0]
            raise ImportFault(0, f"{name}, before line {self.lines}: {text}") from None
        return value

    def _row(self, value: list[Any], table: str, width: int) -> list[Any]:
        if len(value) != width:
            raise ImportFault(self.lines, f"{table} has {width} columns, not {len(value)}")
        try:
            return [stored_value(item) for item in value]
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise ImportFault(self.lines, f"a value that {table} cannot hold") from None

    def _uploads(self, lines: Iterator[bytes]) -> dict[str, Any]:
        after: list[dict[str, Any]] = []

        def rows() -> Iterator[list[Any]]:
            while isinstance(value := self._either(lines), list):
                yield self._row(value, BYTES, 3)
            after.append(value)

        for name, pieces in itertools.groupby(rows(), key=lambda row: row[0]):
            (kind,) = self._db.row(KIND, (str(name),)) or (UNKNOWN_KIND,)
            try:
                self._place(str(name), str(kind), (bytes(row[2]) for row in pieces))
            except ValueError as error:
                raise ImportFault(0, f"{BYTES}: {error}") from None
        return after[0]

    def _next(self, lines: Iterator[bytes]) -> dict[str, Any]:
        value = self._either(lines)
        if isinstance(value, list):
            raise ImportFault(self.lines, "a row before any table")
        return value

    def _either(self, lines: Iterator[bytes]) -> list[Any] | dict[str, Any]:
        """A row, or the head of a table, or the end, which is checked."""
        value = self._value(next(lines, b""))
        if isinstance(value, list):
            self._rows += 1
            return value
        if not isinstance(value, dict):
            raise ImportFault(self.lines, "is neither a row nor a table")
        if "end" in value and (value.get("rows"), value.get("sha256")) != (
            self._rows,
            self._digest.hexdigest(),
        ):
            raise ImportFault(
                self.lines, "the lines before the end are not those that were exported"
            )
        return value

    def _value(self, line: bytes) -> Any:
        if not line:
            raise ImportFault(self.lines, "is the last one, the end is missing: truncated?")
        self.lines += 1
        if not line.endswith(b"\n") or len(line) > LONGEST:
            raise ImportFault(self.lines, "is broken off: truncated?")
        value = parsed(line, self.lines)
        self._digest.update(self._last)  # of all before this one, which may be the end
        self._last = line
        return value
