"""`tinode-py db`: the database file, its copies, and whether they are sound."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import trio

from tinode_py.auth.secrets import make_folder
from tinode_py.config import ConfigError, Settings, postgres
from tinode_py.errors import StoreError
from tinode_py.media.made import place_of_uploads, stock_of
from tinode_py.store.lock import data_lock
from tinode_py.store.looking import FileBrowser, browsing
from tinode_py.store.soundness import faults, misfits
from tinode_py.store.sqlite import open_sqlite

from .backup import Report, make, verify
from .failure import Failure
from .look import file_of, looking, place_of
from .options import json_option, with_settings
from .output import facts, main_counts, moment, tell
from .restore import restore
from .uploads import REFERRED, faults_in

_TARGET = click.Path(path_type=Path, resolve_path=True)


@click.group()
def db() -> None:
    """The database: look, check, back up, restore. Backups need no stopped server."""


@db.command("info")
@json_option
@with_settings
def info(settings: Settings, as_json: bool) -> None:
    """Where it is, how large, of which schema, and how much is in it."""
    url = postgres(settings)
    if url is not None:
        from .postgres import info as info_of

        told = info_of(url)
        facts(told if as_json else {**told, "rows": main_counts(told["rows"])}, as_json=as_json)
        return
    path = file_of(settings)
    with browsing(path) as browser:
        found: dict[str, Any] = {"database": str(path), "size": path.stat().st_size}
        log = path.with_name(path.name + "-wal")
        found["journal"] = log.stat().st_size if log.exists() else 0
        for name, pragma in (("schema", "user_version"), ("pages", "page_count"),
                             ("free_pages", "freelist_count")):  # fmt: skip
            found[name] = browser.connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        found["sqlite"] = sqlite3.sqlite_version
        counts = browser.counts()
        found["rows"] = counts if as_json else main_counts(counts)
    facts(found, as_json=as_json)


@db.command("check")
@click.option("--uploads", is_flag=True, help="Also look for every upload that is referred to.")
@json_option
@with_settings
def check(settings: Settings, uploads: bool, as_json: bool) -> None:
    """Read all of it, and see that it is whole and that its tables fit together."""
    stock = stock_of(settings) if uploads else None
    with looking(settings) as browser:
        if isinstance(browser, FileBrowser):
            found = list(faults(browser.connection))
        else:
            found = list(misfits(browser.values))
        if stock:
            found += faults_in(browser.values(REFERRED), stock)
    _sound(place_of(settings), found, as_json=as_json)


@db.command("backup")
@click.argument("target", type=_TARGET)
@click.option(
    "--without-uploads", is_flag=True, help="Leave the uploads in the data folder or the bucket."
)
@json_option
@with_settings
def backup(settings: Settings, target: Path, without_uploads: bool, as_json: bool) -> None:
    """Copy database, uploads and secrets into the new folder TARGET, beside a running server.

    The output names the moment that the copy holds. It appears whole or not at all. Uploads
    are copied from where they are, the data folder or a bucket.
    """
    _tell("backed up", make(settings, target, uploads=not without_uploads), as_json=as_json)


@db.command("verify")
@click.argument("target", type=_TARGET)
@json_option
@with_settings
def verify_(settings: Settings, target: Path, as_json: bool) -> None:
    """See that a backup is whole: every file, the database, and all uploads referred to.

    Uploads that were left in their place are looked for there, if the settings name it.
    """
    here = place_of_uploads(settings)
    report, found = verify(target, here, lambda: stock_of(settings))
    if found:
        _sound(str(target), found, as_json=as_json)
    _tell("whole", report, as_json=as_json)
    if report.lost.count:
        raise Failure(f"{target} lacks {report.lost.count} uploads that are referred to")


@db.command("restore")
@click.argument("target", type=_TARGET)
@click.option("--replace", is_flag=True, help="Put what is there aside.")
@json_option
@with_settings
def restore_(settings: Settings, target: Path, replace: bool, as_json: bool) -> None:
    """Put the backup TARGET where the settings keep the chat; the server is stopped.

    It is verified first. Whatever it is of, it can go into a file or into PostgreSQL.
    """
    report, aside = restore(settings, target, replace=replace)
    _tell("restored", report, as_json=as_json, aside=aside)


@db.command("vacuum")
@json_option
@with_settings
def vacuum(settings: Settings, as_json: bool) -> None:
    """Give the room that deleted rows left back to the disk. The server is stopped."""
    path = file_of(settings)
    before = path.stat().st_size if path.exists() else 0
    with _alone(settings), looking(settings):
        _rewrite(path)
    after = path.stat().st_size
    told = {"done": "vacuumed", "database": str(path), "before": before, "after": after}
    tell(told, f"vacuumed: {path} had {before} bytes, has {after}", as_json=as_json)


@db.command("migrate")
@json_option
@with_settings
def migrate(settings: Settings, as_json: bool) -> None:
    """Bring it to the schema of this version, after a copy. The server is stopped.

    The server does the same when it starts.
    """
    url = postgres(settings)
    if url is not None:
        from .postgres import migrated

        shown, before, after = migrated(url)
        told = {"done": "migrated", "database": shown, "before": before, "after": after}
        tell(told, f"schema {after}, before {before}: {shown}", as_json=as_json)
        return
    path = file_of(settings)
    if not path.is_file():
        raise StoreError(f"{path}: no database is there")
    before = _schema(path)

    async def work() -> None:
        async with open_sqlite(path, inline=True):
            pass

    with _alone(settings):
        trio.run(work)
    after = _schema(path)
    told = {"done": "migrated", "database": str(path), "before": before, "after": after}
    tell(told, f"schema {after}, before {before}: {path}", as_json=as_json)


def _rewrite(path: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}; it needs as much room again") from None


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder; LockedError while a server runs on it."""
    folder = Path(settings.server.data)
    if not folder.is_dir():
        raise ConfigError("server.data", f"there is no folder {folder}")
    make_folder(folder)
    with data_lock(folder):
        yield


def _schema(path: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as found:
            return int(found.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from None


def _sound(what: str, found: list[str], *, as_json: bool) -> None:
    """Say that it is sound; or what is wrong, and fail."""
    tell({"checked": what, "faults": found}, "\n".join(found) or f"sound: {what}", as_json=as_json)
    if found:
        raise Failure(f"{what} has {len(found)} faults: restore a backup")


def _tell(done: str, report: Report, *, as_json: bool, aside: Path | None = None) -> None:
    told = {"done": done, **report.told, **({"aside": str(aside)} if aside else {})}
    text = (
        f"{done}: {report.folder}, as of {moment(report.made)}, schema {report.point.schema}, "
        f"{report.point.counts.get('message', 0)} messages, the latest of "
        f"{moment(report.point.message)}, {report.uploads} uploads"
    )
    text += "".join(f"\n{line}" for line in _said_of_uploads(report))
    if aside:
        text += f"\nwhat was there before is in {aside}"
    tell(told, text, as_json=as_json)


def _said_of_uploads(report: Report) -> Iterator[str]:
    if report.staying:
        yield (
            f"{report.staying} uploads are not in it, they stay in {report.left}: keep that as well"
        )
    if report.lost.count:
        yield f"{report.lost.count} uploads that are referred to are missing: {report.lost}"
    if report.damaged.count:
        yield f"{report.damaged.count} uploads are not as they were received: {report.damaged}"
