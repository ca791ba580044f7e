"""Restoring a backup: into the data folder, and its uploads to where the settings keep them."""

from __future__ import annotations

import functools
import shutil
import time
from pathlib import Path

from tinode_py.auth.secrets import FILE as SECRETS
from tinode_py.auth.secrets import make_folder
from tinode_py.config import Settings
from tinode_py.disk import sync
from tinode_py.media.base import MediaError
from tinode_py.media.made import stock_of
from tinode_py.media.stock import PIECE, Stock
from tinode_py.store.lock import data_lock
from tinode_py.store.looking import browsing

from .backup import (
    DATABASE,
    UPLOADS,
    Report,
    check_room,
    copy_file,
    files_in,
    upload_file,
    verify,
)
from .failure import Failure, Unusable
from .look import file_of

_JOURNALS = ("-wal", "-shm", "-journal")


def restore(settings: Settings, folder: Path, *, replace: bool) -> tuple[Report, Path | None]:
    """Put a backup into the data folder; what it held is put aside, and named.

    The database comes last: until then the folder has none, and a server that starts there
    would say so by being empty, so the lock is held all the while. Where the settings keep
    uploads in a bucket they are sent there first.
    """
    data, target = Path(settings.server.data).absolute(), file_of(settings)
    report, found = verify(folder)
    stock, elsewhere = stock_of(settings), bool(settings.media.s3.endpoint)
    if found:
        raise Failure(f"{folder} is not whole, nothing was restored: {found[0]}")
    make_folder(data)
    with data_lock(data):
        moved = not (elsewhere or report.left)
        old = [path for path in _parts(data, target, uploads=moved) if path.exists()]
        if target.exists() and not replace:
            raise Unusable(f"{target} is there already: say --replace to put it aside")
        check_room(_size(folder), data, "nothing was restored")
        fresh = data / "restoring"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            _copy_tree(folder, fresh, but=UPLOADS if elsewhere else "")
            if elsewhere:
                _send_uploads(folder, stock)
            aside = _put_aside(old, data, report.made) if old else None
            _put_in(fresh, data, target)
        except MediaError as error:
            raise Failure(f"{error}, nothing was restored; the same command may go on") from None
        except OSError as error:
            problem = f"{error.filename or data}: {error.strerror}"
            raise Failure(f"{problem}, the restoring stopped; see {data}") from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return report, aside


def _parts(data: Path, target: Path, *, uploads: bool) -> list[Path]:
    """What is replaced: not the uploads, if the backup has none of them or they are elsewhere."""
    journals = [target.with_name(target.name + suffix) for suffix in _JOURNALS]
    return [target, *journals, data / SECRETS, *([data / UPLOADS] if uploads else [])]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


def _send_uploads(folder: Path, stock: Stock) -> None:
    """Put the uploads of a backup into a bucket; those that are there stay."""
    with browsing(folder / DATABASE) as browser:
        for name, kind in browser.connection.execute("SELECT id, type FROM upload ORDER BY id"):
            path = folder / upload_file(name)
            if path.is_file():
                with path.open("rb") as file:
                    stock.put(name, kind, iter(functools.partial(file.read, PIECE), b""))


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


def _put_aside(old: list[Path], data: Path, made: int) -> Path:
    """Into a folder of a name that is free."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = data / f"before-restore-{stamp}"
    number = 1
    while aside.exists():
        number += 1
        aside = data / f"before-restore-{stamp}-{number}"
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    sync(data)
    return aside


def _put_in(fresh: Path, data: Path, target: Path) -> None:
    for name in (SECRETS, UPLOADS):
        if (fresh / name).exists():
            (fresh / name).rename(data / name)
    sync(data)
    (fresh / DATABASE).rename(target)
    sync(target.parent)
