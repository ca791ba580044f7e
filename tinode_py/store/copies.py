"""Copying a database whole, while others write to it. A copy is a SQLite file, whatever it is of.

Of a file it is made in one step from a connection that only reads: it is the state of one commit,
however long it takes, and holds up nobody. (Step by step it would begin anew with every commit
in between, for ever under load.) It needs as much room again. Of another database it is made
from the lines of its export, which are of one moment, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from ..disk import sync
from ..errors import StoreError
from .dump import Importer
from .looking import FileBrowser, browsing
from .migrate import migrate, packaged, version_of


@attrs.frozen
class Point:
    """What a copy holds: everything up to here. Times in milliseconds."""

    schema: int
    message: int  # the time of the latest message
    counts: dict[str, int]


def copy(source: Path, target: Path) -> Point:
    """Copy the database into a new file of the owner's, synced, without a journal beside it.

    SchemaError and StoreError as `browsing`; OSError and StoreError (disk full) leave `target`
    to be removed.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with browsing(source) as browser, contextlib.closing(sqlite3.connect(target)) as made:
        browser.connection.backup(made, pages=-1)
        made.execute("PRAGMA journal_mode = DELETE").fetchall()
    sync(target)
    return point_of(target)


def copy_of_lines(lines: Iterable[bytes], target: Path) -> Point:
    """Make a new file of the owner's, synced, of the lines of an export without uploads.

    Until it is complete it would not survive a crash. ImportFault for lines that are none;
    OSError and sqlite3.Error leave `target` to be removed.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = MEMORY").fetchall()
        made.execute("PRAGMA synchronous = OFF")
        importer = Importer(made, target, lambda lines: None)
        importer.load(lines)
        importer.finish()
        importer.unload(_nowhere)
    sync(target)
    return point_of(target)


def _nowhere(name: str, kind: str, pieces: Iterator[bytes]) -> None:
    raise ValueError(f"{name}: an upload, which no copy holds")


@contextlib.contextmanager
def brought_up(path: Path) -> Iterator[Path]:
    """The copy itself; of one that an older version made, one in the schema of this version.

    That is in a folder of its own, as large again, which goes with the block. SchemaError and
    StoreError as `browsing`.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            found, known = version_of(connection, path, packaged())
        if not 0 < found < known:
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="tinode-py-") as folder:
            newer = Path(folder) / path.name
            shutil.copyfile(path, newer)
            with contextlib.closing(sqlite3.connect(newer, isolation_level=None)) as made:
                migrate(made, newer, packaged(), keep_copy=False)
            yield newer
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error


def point_of(path: Path) -> Point:
    """What a database holds."""
    with browsing(path) as browser:
        return _point(browser)


def _point(browser: FileBrowser) -> Point:
    schema = _number(browser, "PRAGMA user_version")
    message = _number(browser, "SELECT coalesce(max(touched), 0) FROM topic_tail")
    return Point(schema, message, browser.counts())


def _number(browser: FileBrowser, sql: str) -> int:
    row: Any = browser.connection.execute(sql).fetchone()
    return int(row[0])
