"""Backups: a folder with all that a server keeps, and a list that vouches for it.

    tinode.db       the database, of one moment
    secrets.toml    the key that signs tokens
    uploads/        the files that the database knows
    backup.json     when it was made, what it holds, size and digest of each file

The database is copied first, the uploads after it: a file is there before the database knows
of it, and never changes. The folder gets its name last, so a backup is whole or not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tinode_py.auth.secrets import FILE as SECRETS
from tinode_py.auth.secrets import make_folder
from tinode_py.config import Settings
from tinode_py.disk import sync
from tinode_py.errors import StoreError
from tinode_py.media.folder import file_name
from tinode_py.store.browse import browsing
from tinode_py.store.copies import Point, copy, point_of
from tinode_py.store.lock import data_lock
from tinode_py.store.soundness import faults

from .failure import Failure, Unusable
from .look import file_of

DATABASE, LIST, UPLOADS = "tinode.db", "backup.json", "uploads"
FORMAT = 1
_CHUNK = 1 << 20
_JOURNALS = ("-wal", "-shm", "-journal")


@attrs.frozen
class Report:
    """What a backup holds. `made` in milliseconds: all that was acknowledged before is in it."""

    folder: Path
    made: int
    point: Point
    uploads: int
    gone: int = 0  # uploads that are known and not in the folder: removed meanwhile, or in S3

    @property
    def told(self) -> dict[str, Any]:
        return {
            "backup": str(self.folder),
            "made": self.made,
            "schema": self.point.schema,
            "latest_message": self.point.message,
            "rows": self.point.counts,
            "uploads": self.uploads,
            "uploads_not_here": self.gone,
        }


# --- making ------------------------------------------------------------------------------


def make(settings: Settings, target: Path) -> Report:
    """Copy everything into the new folder `target`; Failure leaves nothing of it."""
    source, data = file_of(settings), Path(settings.server.data).absolute()
    if target.exists():
        raise Unusable(f"{target} is there already: name a new folder")
    if target.is_relative_to(data / UPLOADS):
        raise Unusable(f"{target} is among the uploads: name another folder")
    part = target.with_name(target.name + ".part")
    try:
        part.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Unusable(f"{part} is there: of a backup that runs, or remove it") from None
    except OSError as error:
        raise Unusable(f"{part}: {error.strerror}") from None
    try:
        report = _filled(source, data, part)
        part.rename(target)
        sync(target.parent)
    except OSError as error:
        raise Failure(f"{error.filename or part}: {error.strerror}, no backup was made") from None
    except sqlite3.Error as error:
        raise StoreError(f"{part}: {error}, no backup was made") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return attrs.evolve(report, folder=target)


def _filled(source: Path, data: Path, part: Path) -> Report:
    made = time.time_ns() // 1_000_000
    if source.exists():
        _check_room(source.stat().st_size, part)
    point = copy(source, part / DATABASE)
    if (data / SECRETS).exists():
        _copy_file(data / SECRETS, part / SECRETS)
    copied, gone = _copy_uploads(data / UPLOADS, part)
    files = {str(path.relative_to(part)): _digest(path) for path in _files(part)}
    listed = {"format": FORMAT, "made": made, "schema": point.schema, "files": files}
    listing = part / LIST
    listing.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    listing.chmod(0o600)
    sync(listing)
    sync(part)
    return Report(part, made, point, copied, gone)


def _check_room(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Failure(f"{folder}: {size} bytes are needed, {free} are free, no backup was made")


def _copy_uploads(source: Path, part: Path) -> tuple[int, int]:
    """Copy the files that the copied database knows: how many, and how many are gone."""
    copied = gone = 0
    with browsing(part / DATABASE) as browser:
        for (name,) in browser.connection.execute("SELECT id FROM upload ORDER BY id"):
            file = Path(file_name(name)[:2]) / file_name(name)
            target = part / UPLOADS / file
            for folder in (part / UPLOADS, target.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            try:
                _copy_file(source / file, target)
                copied += 1
            except FileNotFoundError:
                gone += 1
    return copied, gone


def _copy_file(source: Path, target: Path) -> None:
    with open(source, "rb") as read, open(_created(target), "wb") as write:
        shutil.copyfileobj(read, write, _CHUNK)
        write.flush()
        os.fsync(write.fileno())


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


# --- verifying ---------------------------------------------------------------------------


def verify(folder: Path) -> tuple[Report, list[str]]:
    """What a backup holds, and what is wrong with it. Unusable if it is none."""
    listed = _listed(folder)
    found = [
        f"{name}: {problem}"
        for name, (size, digest) in sorted(listed["files"].items())
        if (problem := _problem(folder / name, size, digest))
    ]
    if DATABASE not in listed["files"]:
        found.append(f"{DATABASE}: is not listed")
    if found:
        return Report(folder, listed["made"], Point(listed["schema"], 0, {}), 0), found
    with _readable(folder / DATABASE) as connection:
        found = list(faults(connection))
    uploads = sum(name.startswith(f"{UPLOADS}/") for name in listed["files"])
    point = point_of(folder / DATABASE)
    gone = point.counts.get("upload", 0) - uploads
    return Report(folder, listed["made"], point, uploads, gone), found


def _listed(folder: Path) -> dict[str, Any]:
    try:
        listed = json.loads((folder / LIST).read_text("utf-8"))
        if listed["format"] != FORMAT:
            raise Unusable(f"{folder}: a backup of format {listed['format']}, not {FORMAT}")
        for name, (size, digest) in listed["files"].items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(name)
            if not (isinstance(size, int) and isinstance(digest, str)):
                raise ValueError(name)
        return {**listed, "made": int(listed["made"]), "schema": int(listed["schema"])}
    except OSError as error:
        raise Unusable(f"{folder / LIST}: {error.strerror}: is this a backup?") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unusable(f"{folder / LIST}: damaged, or no list of a backup") from None


def _problem(path: Path, size: int, digest: str) -> str:
    try:
        found = _digest(path)
    except OSError as error:
        return str(error.strerror)
    if found[0] != size:
        return f"has {found[0]} bytes, not {size}"
    return "" if found[1] == digest else "is not what was backed up"


def _digest(path: Path) -> tuple[int, str]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[sqlite3.Connection]:
    with browsing(path) as browser:
        yield browser.connection


# --- restoring ---------------------------------------------------------------------------


def restore(settings: Settings, folder: Path, *, replace: bool) -> tuple[Report, Path | None]:
    """Put a backup into the data folder; what it held is put aside, and named.

    The database comes last: until then the folder has none, and a server that starts there
    would say so by being empty, so the lock is held all the while.
    """
    data, target = Path(settings.server.data).absolute(), file_of(settings)
    report, found = verify(folder)
    if found:
        raise Failure(f"{folder} is not whole, nothing was restored: {found[0]}")
    make_folder(data)
    with data_lock(data):
        old = [path for path in _parts(data, target) if path.exists()]
        if target.exists() and not replace:
            raise Unusable(f"{target} is there already: say --replace to put it aside")
        _check_room(sum(path.stat().st_size for path in _files(folder)), data)
        fresh = data / "restoring"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            _copy_tree(folder, fresh)
            aside = _put_aside(old, data, report.made) if old else None
            _put_in(fresh, data, target)
        except OSError as error:
            problem = f"{error.filename or data}: {error.strerror}"
            raise Failure(f"{problem}, the restoring stopped; see {data}") from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return report, aside


def _parts(data: Path, target: Path) -> list[Path]:
    journals = [target.with_name(target.name + suffix) for suffix in _JOURNALS]
    return [target, *journals, data / SECRETS, data / UPLOADS]


def _copy_tree(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for path in sorted(source.rglob("*")):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir(mode=0o700)
        else:
            _copy_file(path, copied)


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
