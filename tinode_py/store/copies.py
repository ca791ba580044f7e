"""Copying a database whole, while others write to it.

A copy is made in one step from a connection that only reads: it is the state of one commit,
however long it takes, and holds up nobody. (Step by step it would begin anew with every commit
in between, for ever under load.) It needs as much room again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import attrs

from ..disk import sync
from .looking import FileBrowser, browsing


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
