"""Bringing a SQLite file to the schema of this version, or refusing it.

A file is ours if its `application_id` says so; `user_version` is the number of the last
migration. Migrations are files `NNNN_name.sql`, run statement by statement inside one
transaction each (a script run as a whole would commit first, and a crash would leave half of
it), after a backup beside the file. They never drop data.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk import sync

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x54696E6F  # "Tino"
_MINIMUM = (3, 38, 0)  # the first SQLite with ->>


class SchemaError(Exception):
    """The file is not a database that this version can open. Nothing of it was changed."""

    def __init__(self, path: Path | str, problem: str, *, found: int | None, known: int) -> None:
        version = "" if found is None else f" (schema {found}, this version knows {known})"
        super().__init__(f"{path}: {problem}{version}")
        self.path = path
        self.found = found
        self.known = known


def packaged() -> Traversable:
    """The migrations that come with this version."""
    return resources.files("tinode_schema").joinpath("sqlite")


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    folder: Traversable,
    *,
    until: int | None = None,
    keep_copy: bool = True,
) -> None:
    """Check the open file and run what it lacks; SchemaError leaves it as it is.

    `connection` is in autocommit mode and no one else writes. Stopped half-way, the next call
    goes on with the migration that was not finished. `until`: the last one to run. Without
    `keep_copy` no backup is made: for a file that nobody uses yet.
    """
    migrations = numbered(folder)
    known = max(migrations, default=0)
    found = _version(connection, path, known)
    last = known if until is None else until
    missing = [number for number in sorted(migrations) if found < number <= last]
    if not missing:
        return
    from sqlite_utils import Database  # slow to import, and most starts need it not

    if found and keep_copy:
        _back_up(connection, path.with_name(f"{path.name}.backup-{found}"))
    # No recursive triggers: ours are not meant for them.
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    for number in missing:
        _run(database, number, migrations[number].read_text("utf-8"))


def version_of(connection: sqlite3.Connection, path: Path, folder: Traversable) -> tuple[int, int]:
    """The schema of an open file (0: it is empty), and the newest known; SchemaError if the file
    is newer or not ours. Nothing is changed.
    """
    known = max(numbered(folder), default=0)
    return _version(connection, path, known), known


def numbered(folder: Traversable) -> dict[int, Traversable]:
    return {
        int(entry.name.split("_", 1)[0]): entry
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


def _version(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """The number of the last migration of the file, 0 for an empty one; or SchemaError."""
    if sqlite3.sqlite_version_info < _MINIMUM:
        problem = f"needs SQLite 3.38, this Python has {sqlite3.sqlite_version}"
        raise SchemaError(path, problem, found=None, known=known)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname != "SQLITE_NOTADB":
            raise
        raise SchemaError(path, "is not an SQLite database", found=None, known=known) from error
    if application == 0 and found == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise SchemaError(path, "belongs to another program", found=None, known=known)
    if found > known:
        raise SchemaError(path, "was made by a newer version", found=found, known=known)
    return int(found)


def _run(database: Database, number: int, script: str) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(script):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {number}")
        database.execute("COMMIT")
    finally:
        if database.conn.in_transaction:
            database.execute("ROLLBACK")


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one, triggers whole. A statement ends with its line."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
    if waiting.strip():
        raise ValueError(f"a migration ends in the middle of a statement: {waiting!r}")


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A synced copy of the whole database, in one step; it appears whole or not at all."""
    partial = target.with_name(target.name + ".part")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with contextlib.closing(sqlite3.connect(partial)) as copy:
        connection.backup(copy, pages=-1)
    sync(partial)
    os.replace(partial, target)
    sync(target.parent)
