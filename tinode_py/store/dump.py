"""A whole database of SQLite as lines of JSON, and back; what those are is in `lines`."""

from __future__ import annotations

import binascii
import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from .lines import (
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
from .migrate import migrate, packaged, version_of

STEP = 2_000  # rows between commits of an import
# Tables that are there while importing, and what belongs to this file alone.
OWN = ("importing", "importing_trigger", BYTES, "node_number")
_REMEMBER = """
INSERT INTO importing VALUES (1, ?1, ?2)
ON CONFLICT (one) DO UPDATE SET lines = ?1, digest = ?2"""
_PROGRESS = "CREATE TABLE importing (one INTEGER PRIMARY KEY, lines INTEGER, digest TEXT)"


# --- export ------------------------------------------------------------------------------


def exported(
    connection: sqlite3.Connection, path: Path, reading: Reading | None = None
) -> Iterator[bytes]:
    """The lines, of one moment, however long it takes. SchemaError if the file is not ours.

    `reading` opens an upload; one that is gone meanwhile is left out. Without it all are.
    """
    connection.execute("BEGIN")
    try:
        schema, _ = version_of(connection, path, packaged())
        lines = _lines(connection, schema)
        files = _files(connection, reading) if reading else ()
        yield from sealed(itertools.chain(lines, files))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _files(connection: sqlite3.Connection, reading: Reading) -> Iterator[bytes]:
    """The uploads of the moment; it ends before they are read.

    That may take hours, in which the journal of a server would grow and grow.
    """
    connection.execute(f"CREATE TEMP TABLE carried AS {UPLOADS}")
    connection.execute("COMMIT")
    yield from uploads(connection.execute("SELECT * FROM carried ORDER BY id"), reading)
    connection.execute("DROP TABLE carried")


def _lines(connection: sqlite3.Connection, schema: int) -> Iterator[bytes]:
    yield line_of({"tinode-py": "export", "format": FORMAT, "schema": schema})
    for table in tables(connection):
        columns, key = _columns(connection, table)
        yield line_of({"table": table, "columns": columns})
        for row in connection.execute(
            f'SELECT {_names(columns)} FROM "{table}" ORDER BY {_names(key)}'
        ):
            yield line_of([shown(value) for value in row])


def tables(connection: sqlite3.Connection) -> list[str]:
    """The database's own, by name."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name"
    )
    return [row[0] for row in found if row[0] not in OWN]


def _columns(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """A table's columns, and those of its key."""
    info = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    return [row[1] for row in info], key or ["rowid"]


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


# --- import ------------------------------------------------------------------------------


@attrs.define
class _Progress:
    line: int = 0
    rows: int = 0
    digest: Any = attrs.field(factory=hashlib.sha256)


class Importer:
    """Fills a database file of its own from lines, some thousands of rows in a transaction.

    What was committed is remembered in the file, so that the same lines, given again after a
    crash or with a mended tail, go on from there. Other lines begin anew. `report` hears how
    many lines are in.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, report: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._path = path
        self._report = report
        self._now = _Progress()
        self._insert = ""
        self._table = ""
        self._width = 0
        self._waiting: list[tuple[int, list[Any]]] = []
        self._held = 0  # bytes of the lines that wait

    def load(self, source: Iterable[bytes]) -> int:
        """Take all lines; how many of them were in already. ImportFault names what is wrong."""
        lines = iter(source)
        first = next(lines, b"")
        schema = self._header(first)
        self._prepare(schema)
        known = self._known()
        lines = self._skipped(itertools.chain([first], lines), *known)
        skipped = self._now.line
        for line in lines:
            if self._take(line):
                self._commit()
                if next(lines, None) is not None:
                    raise ImportFault(self._now.line + 1, "comes after the end")
                return skipped
        self._commit()
        raise ImportFault(self._now.line, "is the last one, the end is missing: truncated?")

    def finish(self) -> None:
        """Bring what was loaded to the schema of this version, with all its triggers."""
        run = self._connection.execute
        if self._is_loading():
            run("BEGIN IMMEDIATE")
            for (sql,) in run("SELECT sql FROM importing_trigger ORDER BY name").fetchall():
                run(sql)
            run("DROP TABLE importing_trigger")
            run("COMMIT")
        migrate(self._connection, self._path, packaged(), keep_copy=False)

    def unload(self, place: Place) -> None:
        """After `finish`: take the uploads out of the database, to where they belong.

        If `place` raises they all stay in it, and the same lines go on with them.
        """
        run = self._connection.execute
        names = run(f"SELECT DISTINCT id FROM {BYTES} ORDER BY id").fetchall()
        for (name,) in names:
            (kind,) = run(KIND, (name,)).fetchone() or (UNKNOWN_KIND,)
            try:
                place(str(name), kind, self._pieces(name))
            except ValueError as error:
                raise ImportFault(0, f"{BYTES}: {error}") from None
        run("BEGIN IMMEDIATE")
        run(f"DROP TABLE {BYTES}")
        run("DROP TABLE importing")
        run("COMMIT")
        if names:
            run("VACUUM")

    def _pieces(self, name: str) -> Iterator[bytes]:
        for (piece,) in self._connection.execute(
            f"SELECT data FROM {BYTES} WHERE id = ? ORDER BY at", (name,)
        ):
            yield bytes(piece)

    def _header(self, line: bytes) -> int:
        head = parsed(line, 1) if line else None
        if not isinstance(head, dict) or head.get("tinode-py") != "export":
            raise ImportFault(1, "this is no export of tinode-py")
        if head.get("format") != FORMAT:
            raise ImportFault(1, f"format {head.get('format')}, this version knows {FORMAT}")
        schema = head.get("schema")
        _, known = version_of(self._connection, self._path, packaged())
        if not isinstance(schema, int) or not 1 <= schema <= known:
            raise ImportFault(1, f"made by a newer version: schema {schema}, not {known} or less")
        return schema

    def _prepare(self, schema: int) -> None:
        """An empty database of the export's schema, without triggers; or the one begun before."""
        run = self._connection.execute
        found, _ = version_of(self._connection, self._path, packaged())
        if self._has("importing") and (found == schema or not self._is_loading()):
            return
        if found:
            raise ImportFault(0, f"{self._path} is of another import: remove it and begin anew")
        migrate(self._connection, self._path, packaged(), until=schema)
        run("BEGIN IMMEDIATE")
        run("CREATE TABLE importing_trigger (name TEXT PRIMARY KEY, sql TEXT)")
        run("INSERT INTO importing_trigger SELECT name, sql FROM sqlite_master "
            "WHERE type = 'trigger'")  # fmt: skip
        for (name,) in run("SELECT name FROM importing_trigger").fetchall():
            run(f'DROP TRIGGER "{name}"')
        for table in tables(self._connection):
            run(f'DELETE FROM "{table}"')
        run(_PROGRESS)
        run(f"CREATE TABLE {BYTES} (id TEXT, at INTEGER, data BLOB, PRIMARY KEY (id, at))")
        run("COMMIT")

    def _has(self, table: str) -> bool:
        asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(asked, (table,)).fetchone() is not None

    def _is_loading(self) -> bool:
        """Whether lines may come, or all of them are in, and uploads are to be put in place."""
        return self._has("importing_trigger")

    def _known(self) -> tuple[int, str]:
        row = self._connection.execute("SELECT lines, digest FROM importing").fetchone()
        return (0, "") if row is None else (row[0], row[1])

    def _skipped(self, lines: Iterator[bytes], known: int, digest: str) -> Iterator[bytes]:
        """The lines after those that are in; ImportFault if those were others."""
        loading = self._is_loading()
        for line in itertools.islice(lines, known):
            self._count(line)
            if loading and line[:1] == b"{" and self._now.line > 1:
                self._begin_table(parsed(line, self._now.line))
        if self._now.line < known or (known and self._now.digest.hexdigest() != digest):
            raise ImportFault(
                0, f"this is not the file that was begun: remove {self._path} and begin anew"
            )
        return lines

    def _count(self, line: bytes) -> None:
        self._now.line += 1
        self._now.rows += line[:1] == b"["
        self._now.digest.update(line)

    def _take(self, line: bytes) -> bool:
        """One more line; True at the end."""
        number = self._now.line + 1
        if not line.endswith(b"\n") or len(line) > LONGEST:
            raise self._fault(number, "is broken off: truncated?")
        value = parsed(line, number, self._fault)
        if isinstance(value, list):
            self._row(number, value)
        elif isinstance(value, dict) and "end" in value:
            self._check_end(number, value)
            return True
        elif number > 1:
            self._commit()
            self._begin_table(value)
        self._count(line)
        self._held += len(line)
        if len(self._waiting) >= STEP or self._held >= LONGEST:
            self._commit()
        return False

    def _fault(self, line: int, problem: str) -> ImportFault:
        """A fault, after what came before it was kept."""
        self._commit()
        return ImportFault(line, problem)

    def _begin_table(self, head: Any) -> None:
        number = self._now.line + 1
        self._table = ""
        if not self._is_loading():
            raise self._fault(number, "comes where the end was")
        table = head.get("table") if isinstance(head, dict) else None
        if table not in (*tables(self._connection), BYTES):
            raise self._fault(number, f"there is no table {table!r}")
        columns, _ = _columns(self._connection, table)
        if head.get("columns") != columns:
            raise self._fault(number, f"table {table!r} has the columns {', '.join(columns)}")
        places = ", ".join("?" * len(columns))
        self._insert = f'INSERT INTO "{table}" ({_names(columns)}) VALUES ({places})'
        self._table, self._width = table, len(columns)

    def _row(self, number: int, row: list[Any]) -> None:
        if not self._table:
            raise self._fault(number, "a row before any table")
        if len(row) != self._width:
            raise self._fault(number, f"{self._table} has {self._width} columns, not {len(row)}")
        try:
            self._waiting.append((number, [stored_value(value) for value in row]))
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise self._fault(number, f"a value that {self._table} cannot hold") from None

    def _check_end(self, number: int, end: dict[str, Any]) -> None:
        if (end.get("rows"), end.get("sha256")) != (self._now.rows, self._now.digest.hexdigest()):
            raise self._fault(number, "the lines before the end are not those that were exported")

    def _commit(self) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            self._flush()
            run(_REMEMBER, (self._now.line, self._now.digest.hexdigest()))
            run("COMMIT")
        finally:
            if self._connection.in_transaction:
                run("ROLLBACK")
        self._report(self._now.line)

    def _flush(self) -> None:
        waiting, self._waiting, self._held = self._waiting, [], 0
        for number, row in waiting:
            try:
                self._connection.execute(self._insert, row)
            except sqlite3.IntegrityError as error:
                raise ImportFault(number, f"{self._table}: {error}") from None
            except (sqlite3.Error, OverflowError) as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                raise ImportFault(number, f"{self._table}: {error}") from None
