"""Restoring a backup: into the data folder or PostgreSQL, its uploads to where the settings keep
them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from tinode_py.audit import Actor, AuditEntry
from tinode_py.auth.secrets import FILE as SECRETS
from tinode_py.auth.secrets import make_folder
from tinode_py.changes import Batch
from tinode_py.changes_backend import PutAudit
from tinode_py.config import Settings, postgres
from tinode_py.disk import sync
from tinode_py.media.base import MediaError
from tinode_py.media.made import stock_of
from tinode_py.media.stock import PIECE, Stock
from tinode_py.store.copies import brought_up
from tinode_py.store.dump import exported
from tinode_py.store.lines import ImportFault
from tinode_py.store.lock import data_lock
from tinode_py.store.looking import browsing
from tinode_py.store.sqlite import open_sqlite

from .backup import (
    DATABASE,
    UPLOADS,
    Report,
    check_room,
    copy_file,
    files_in,
    make,
    upload_file,
    verify,
)
from .door import name_of_command
from .failure import Failure, Unusable
from .look import file_of
from .output import moment

_JOURNALS = ("-wal", "-shm", "-journal")


def restore(settings: Settings, folder: Path, *, replace: bool) -> tuple[Report, Path | None]:
    """Put a backup where the settings keep the chat; what was there is put aside, and named.

    Whatever the backup was made of, it can go into a file or into PostgreSQL. That it was
    restored is in its audit afterwards.
    """
    data = Path(settings.server.data).absolute()
    url, target = postgres(settings), None if postgres(settings) else file_of(settings)
    report, found = verify(folder)
    if found:
        raise Failure(f"{folder} is not whole, nothing was restored: {found[0]}")
    stock = stock_of(settings)
    make_folder(data)
    with data_lock(data):
        try:
            if url is not None:
                return report, _into_postgres(settings, url, report, stock, replace=replace)
            assert target is not None
            elsewhere = stock if settings.media.s3.endpoint else None
            return report, _into_file(data, target, report, elsewhere, replace=replace)
        except MediaError as error:
            raise Failure(f"{error}, nothing was restored; the same command may go on") from None
        except OSError as error:
            problem = f"{error.filename or data}: {error.strerror}"
            raise Failure(f"{problem}, the restoring stopped; see {data}") from None


def _into_file(
    data: Path, target: Path, report: Report, elsewhere: Stock | None, *, replace: bool
) -> Path | None:
    """The database comes last: until then the folder has none, and a server that starts there
    would say so by being empty, so the caller holds the lock all the while. Where the settings
    keep uploads in a bucket they are sent there first.
    """
    folder = report.folder
    old = [it for it in _parts(data, target, uploads=not (elsewhere or report.left)) if it.exists()]
    if target.exists() and not replace:
        raise Unusable(f"{target} is there already: say --replace to put it aside")
    check_room(_size(folder), data, "nothing was restored")
    fresh = data / "restoring"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _copy_tree(folder, fresh, but=UPLOADS if elsewhere else "")
        trio.run(_note, fresh / DATABASE, _entry(report))
        if elsewhere:
            _send_uploads(folder, fresh / DATABASE, elsewhere)
        aside = _put_aside(old, data) if old else None
        _put_in(fresh, data, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return aside


def _into_postgres(
    settings: Settings, url: str, report: Report, stock: Stock, *, replace: bool
) -> Path | None:
    """In one transaction, whose commit comes last. What was in the database becomes a backup;
    uploads are added to those that are there.
    """
    from .postgres import holding

    data, folder = Path(settings.server.data).absolute(), report.folder
    with brought_up(folder / DATABASE) as database, holding(url) as held:
        used = held.is_used()
        if used and not replace:
            raise Unusable(f"{held.shown} is not empty: say --replace to put what is in it aside")
        aside = _free_name(data) if used or (data / SECRETS).exists() else None
        if aside:
            make(settings, aside, uploads=False)
        _send_uploads(folder, database, stock)
        with browsing(database) as browser:
            lines = exported(browser.connection, database)
            try:
                with contextlib.closing(lines), held.filled(lines, _no_upload):  # type: ignore[type-var]
                    held.note(_entry(report))
                    _put_in_secrets(folder, data)
            except ImportFault as fault:
                raise Failure(f"{folder}: {fault}, nothing was restored") from None
    return aside


def _entry(report: Report) -> AuditEntry:
    detail = json.dumps({"made": moment(report.made)}).encode()
    actor = Actor("offline", "", name_of_command())
    return AuditEntry(time.time_ns() // 1_000_000, actor, "db.restore", "", detail)


async def _note(database: Path, entry: AuditEntry) -> None:
    async with open_sqlite(database, inline=True) as store:
        await store.commit(Batch((PutAudit(entry),)))


def _parts(data: Path, target: Path, *, uploads: bool) -> list[Path]:
    """What is replaced: not the uploads, if the backup has none of them or they are elsewhere."""
    journals = [target.with_name(target.name + suffix) for suffix in _JOURNALS]
    return [target, *journals, data / SECRETS, *([data / UPLOADS] if uploads else [])]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


def _send_uploads(folder: Path, database: Path, stock: Stock) -> None:
    """Put the uploads of a backup where they belong; those that are there stay."""
    with browsing(database) as browser:
        for name, kind in browser.values("SELECT id, type FROM upload ORDER BY id"):
            path = folder / upload_file(name)
            if path.is_file():
                with path.open("rb") as file:
                    stock.put(name, kind, iter(functools.partial(file.read, PIECE), b""))


def _no_upload(name: str, kind: str, pieces: Iterator[bytes]) -> None:
    raise ValueError(f"{name}: an upload, which no backup has in its database")


def _copy_tree(source: Path, target: Path, *, but: str) -> None:
    """All of it, without what is in the folder `but`."""
    target.mkdir(mode=0o700)
    for path in sorted(source.rglob("*")):
        if but and path.is_relative_to(source / but):
            continue
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir(mode=0o700)
        else:
            copy_file(path, copied)


def _put_aside(old: list[Path], data: Path) -> Path:
    aside = _free_name(data)
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    sync(data)
    return aside


def _free_name(data: Path) -> Path:
    """Where what was there before goes."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = data / f"before-restore-{stamp}"
    number = 1
    while aside.exists():
        number += 1
        aside = data / f"before-restore-{stamp}-{number}"
    return aside


def _put_in(fresh: Path, data: Path, target: Path) -> None:
    for name in (SECRETS, UPLOADS):
        if (fresh / name).exists():
            (fresh / name).rename(data / name)
    sync(data)
    (fresh / DATABASE).rename(target)
    sync(target.parent)


def _put_in_secrets(folder: Path, data: Path) -> None:
    if (folder / SECRETS).exists():
        fresh = data / f"{SECRETS}.restoring"
        fresh.unlink(missing_ok=True)
        copy_file(folder / SECRETS, fresh)
        fresh.rename(data / SECRETS)
        sync(data)
