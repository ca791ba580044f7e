"""Backups: a folder with all that a server keeps, and a list that vouches for it.

    tinode.db       the database, of one moment
    secrets.toml    the key that signs tokens
    uploads/        the files that the database knows, from the data folder or the bucket
    backup.json     when it was made, what it holds, size and digest of each file; `left`: where
                    the uploads stay, if they were not copied; `gone`: which were let go of
                    while it was made

The database is copied first, the uploads after it: a file is there before the database knows
of it, and never changes. The folder gets its name last, so a backup is whole or not there.
It is the same for a chat in PostgreSQL: then `tinode.db` was made of one snapshot of that.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from tinode_py.auth.secrets import FILE as SECRETS
from tinode_py.config import Settings, postgres
from tinode_py.disk import sync
from tinode_py.errors import StoreError
from tinode_py.media.base import MediaError
from tinode_py.media.folder import file_name
from tinode_py.media.made import place_of_uploads, stock_of
from tinode_py.media.stock import Stock
from tinode_py.store.copies import Point, brought_up, copy, point_of
from tinode_py.store.lines import UPLOADS as KNOWN
from tinode_py.store.looking import browsing
from tinode_py.store.soundness import faults

from .failure import Failure, Unusable
from .look import file_of, looking
from .uploads import REFERRED, Carried, Names

DATABASE, LIST, UPLOADS = "tinode.db", "backup.json", "uploads"
FORMAT = 1
_CHUNK = 1 << 20


@attrs.frozen
class Report:
    """What a backup holds. `made` in milliseconds: all that was acknowledged before is in it."""

    folder: Path
    made: int
    point: Point
    uploads: int
    left: str = ""  # where the uploads stay, if they were not copied
    staying: int = 0  # how many of them
    lost: Names = attrs.field(factory=Names)  # that something refers to, and are nowhere
    damaged: Names = attrs.field(factory=Names)  # copied as they were found: not as received

    @property
    def told(self) -> dict[str, Any]:
        return {
            "backup": str(self.folder),
            "made": self.made,
            "schema": self.point.schema,
            "latest_message": self.point.message,
            "rows": self.point.counts,
            "uploads": self.uploads,
            "uploads_left": self.staying,
            "uploads_missing": self.lost.count,
            "uploads_damaged": self.damaged.count,
        }


# --- making ------------------------------------------------------------------------------


def make(settings: Settings, target: Path, *, uploads: bool) -> Report:
    """Copy everything into the new folder `target`; Failure leaves nothing of it.

    Without `uploads` they stay where the settings keep them, and the list says so.
    """
    data = Path(settings.server.data).absolute()
    if target.exists():
        raise Unusable(f"{target} is there already: name a new folder")
    if target.is_relative_to(data / UPLOADS):
        raise Unusable(f"{target} is among the uploads: name another folder")
    stock = stock_of(settings) if uploads else None
    part = target.with_name(target.name + ".part")
    try:
        part.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Unusable(f"{part} is there: of a backup that runs, or remove it") from None
    except OSError as error:
        raise Unusable(f"{part}: {error.strerror}") from None
    try:
        report = _filled(settings, data, part, stock)
        part.rename(target)
        sync(target.parent)
    except OSError as error:
        raise Failure(f"{error.filename or part}: {error.strerror}, no backup was made") from None
    except sqlite3.Error as error:
        raise StoreError(f"{part}: {error}, no backup was made") from None
    except MediaError as error:
        raise Failure(f"{error}, no backup was made") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return attrs.evolve(report, folder=target)


def _filled(settings: Settings, data: Path, part: Path, stock: Stock | None) -> Report:
    made = time.time_ns() // 1_000_000
    point = _copied(settings, part)
    if (data / SECRETS).exists():
        copy_file(data / SECRETS, part / SECRETS)
    where, known = place_of_uploads(settings), point.counts.get("upload", 0)
    report = Report(part, made, point, 0, where, known)
    gone: list[str] = []
    if stock is not None:
        report, gone = _copy_uploads(settings, part, Report(part, made, point, 0), stock)
    files = {str(path.relative_to(part)): _digest(path) for path in files_in(part)}
    listed = {"format": FORMAT, "made": made, "schema": point.schema, "files": files}
    listed |= {"left": report.left, "gone": gone}
    listing = part / LIST
    listing.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    listing.chmod(0o600)
    sync(listing)
    sync(part)
    return report


def _copied(settings: Settings, part: Path) -> Point:
    url = postgres(settings)
    if url is not None:
        from .postgres import copy_from, size_and_version

        check_room(size_and_version(url)[0], part, "no backup was made")
        return copy_from(url, part / DATABASE)
    source = file_of(settings)
    if source.exists():
        check_room(source.stat().st_size, part, "no backup was made")
    return copy(source, part / DATABASE)


def check_room(size: int, folder: Path, outcome: str) -> None:
    """Failure, which ends in `outcome`, if the disk has not so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Failure(f"{folder}: {size} bytes are needed, {free} are free, {outcome}")


def _copy_uploads(
    settings: Settings, part: Path, report: Report, stock: Stock
) -> tuple[Report, list[str]]:
    """Copy the files that the copied database knows; also those that were let go of meanwhile."""
    carried, gone, lost = Carried(stock), list[str](), Names()
    with browsing(part / DATABASE) as copied:
        asked = "SELECT coalesce(sum(size), 0) FROM upload"
        check_room(copied.connection.execute(asked).fetchone()[0], part, "no backup was made")
        for name, size, etag in copied.connection.execute(KNOWN):
            with carried.reading(name, size, etag) as pieces:
                if pieces is not None:
                    _write(part / upload_file(name), pieces)
                elif _is_referred_to(settings, name):
                    lost.add(name)
                else:
                    gone.append(name)
    report = attrs.evolve(report, uploads=carried.count, lost=lost, damaged=carried.damaged)
    return report, gone


def _is_referred_to(settings: Settings, name: str) -> bool:
    """Whether it is so by now."""
    with looking(settings) as browser:
        return browser.row("SELECT 1 FROM upload WHERE id = ? AND refs > 0", (name,)) is not None


def upload_file(name: str) -> Path:
    """Where an upload is in a backup."""
    text = file_name(name)
    return Path(UPLOADS) / text[:2] / text


def _write(target: Path, pieces: Iterator[bytes]) -> None:
    for folder in (target.parent.parent, target.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    with open(_created(target), "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path) -> None:
    with open(source, "rb") as read, open(_created(target), "wb") as write:
        shutil.copyfileobj(read, write, _CHUNK)
        write.flush()
        os.fsync(write.fileno())


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


# --- verifying ---------------------------------------------------------------------------


def verify(
    folder: Path, here: str = "", stock: Callable[[], Stock] | None = None
) -> tuple[Report, list[str]]:
    """What a backup holds, and what is wrong with it. Unusable if it is none.

    Uploads that something refers to and that are not in it are not its fault: the report has
    them. If they stayed at the place `here`, they are looked for there, in `stock`.
    """
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
    elsewhere = stock() if stock and listed["left"] == here else None
    with brought_up(folder / DATABASE) as database:
        with browsing(database) as browser:
            found = list(faults(browser.connection))
        return _looked_over(folder, database, listed, elsewhere), found


def _looked_over(
    folder: Path, database: Path, listed: dict[str, Any], elsewhere: Stock | None
) -> Report:
    point, left = attrs.evolve(point_of(database), schema=listed["schema"]), listed["left"]
    uploads = sum(name.startswith(f"{UPLOADS}/") for name in listed["files"])
    gone, lost = set(listed["gone"]), Names()
    with browsing(database) as browser:
        for name, size, _ in browser.connection.execute(REFERRED):
            if str(upload_file(name)) in listed["files"] or name in gone:
                continue
            if not left or (elsewhere is not None and elsewhere.size(name) != size):
                lost.add(name)
    staying = point.counts.get("upload", 0) if left else 0
    return Report(folder, listed["made"], point, uploads, left, staying, lost)


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
        left, gone = str(listed.get("left", "")), [str(name) for name in listed.get("gone", ())]
        numbers = {"made": int(listed["made"]), "schema": int(listed["schema"])}
        return {**listed, **numbers, "left": left, "gone": gone}
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


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
