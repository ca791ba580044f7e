"""Files on their way: being received, and between the shelf and the store.

A folder with two kinds of entries. `<id>.part` is what has been received so far; after a crash
it is worth nothing. An empty file `<id>` says that the shelf and the store may disagree about
this upload; at the next start the store decides (`live/uploads.py`).

Each of several workers has a folder of its own in it, so that one that starts leaves alone what
the others are about. What nobody is about any more is taken over by whoever starts alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import attrs

from ..disk import sync
from .base import MediaError, etag_of
from .folder import file_name
from .work import Run, in_thread

PIECE = 262_144  # bytes that are gathered before they are written
_PART = ".part"
_WORKER = "worker."  # and its number; no upload's id has a point in it


@attrs.frozen
class Received:
    """A file that is whole and on the disk. `etag` tells its bytes from all others."""

    path: Path
    size: int
    etag: str


class Draft:
    """A file that is being received. Not for two tasks at a time.

    At most a piece of it is in memory. `discard` must be called in the end, whatever happened.
    """

    def __init__(self, name: str, path: Path, file: BinaryIO, head_size: int, run: Run) -> None:
        self.name = name
        self.head = b""  # its first bytes, `head_size` at most
        self.size = 0
        self._path = path
        self._file = file
        self._head_size = head_size
        self._run = run
        self._piece = bytearray()
        self._digest = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Take some bytes, without writing them yet: see `settle`."""
        self.size += len(data)
        self._piece += data
        if len(self.head) < self._head_size:
            self.head += data[: self._head_size - len(self.head)]

    async def settle(self) -> None:
        """Write what was gathered, if it is worth it. MediaError if the disk does not take it."""
        if len(self._piece) >= PIECE:
            await self._write()

    async def finish(self) -> Received:
        """Write the rest, and wait until all of it is on the disk. MediaError if it cannot be."""
        await self._write()
        try:
            await self._run(self._close)
        except OSError as error:
            raise MediaError(f"an upload could not be written: {error}") from error
        return Received(self._path, self.size, etag_of(self._digest.digest()))

    async def _write(self) -> None:
        piece, self._piece = self._piece, bytearray()
        try:
            await self._run(lambda: self._append(piece))
        except OSError as error:
            raise MediaError(f"an upload could not be written: {error}") from error

    def _append(self, piece: bytearray) -> None:
        self._digest.update(piece)
        self._file.write(piece)

    def _close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Close it, and remove what is still here of it."""
        self._piece = bytearray()
        self._file.close()
        self._path.unlink(missing_ok=True)


class Transit:
    """The folder of files on their way, made when it is first needed.

    `worker`: the number of this process, if it is one of several. `alone`: no other process works
    in here, or will before `left_behind` has returned.
    """

    def __init__(
        self, root: Path, run: Run = in_thread, *, worker: int = 0, alone: bool = True
    ) -> None:
        self._top = root
        self._root = root / f"{_WORKER}{worker}" if worker else root
        self._run = run
        self._alone = alone

    def begin(self, name: str, head_size: int) -> Draft:
        """A new file to be received. MediaError if it cannot be made."""
        file_name(name)
        path = self._root / (name + _PART)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise MediaError(f"an upload could not be begun: {error}") from error
        return Draft(name, path, open(descriptor, "wb", buffering=0), head_size, self._run)

    def free(self) -> int:
        """Bytes that are free on this file system, as far as it tells."""
        here = self._root
        while not here.exists():
            here = here.parent
        return shutil.disk_usage(here).free

    async def mark(self, names: Iterable[str]) -> None:
        """Remember, durably, that these may be on the shelf and not in the store."""
        noted = tuple(names)
        try:
            await self._run(lambda: self._mark(noted))
        except OSError as error:
            raise MediaError(f"an upload could not be noted: {error}") from error

    def _mark(self, names: tuple[str, ...]) -> None:
        if not self._root.is_dir():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(self._root.parent)
        for name in names:
            (self._root / name).touch(mode=0o600)
        sync(self._root)

    def unmark(self, name: str) -> None:
        """The shelf and the store agree about this one."""
        (self._root / name).unlink(missing_ok=True)

    def left_behind(self) -> list[str]:
        """At the start: remove what was not received whole; which files are in between."""
        for folder in self._former():
            self._take_over(folder)
        if not self._root.is_dir():
            return []
        return [entry.name for entry in self._root.iterdir() if _is_mark(entry.name)]

    def _former(self) -> list[Path]:
        """Folders in which nobody is about anything now."""
        if not self._alone:
            return [self._root]
        return [self._top, *self._top.glob(f"{_WORKER}*")]

    def _take_over(self, folder: Path) -> None:
        """Remove what was not received whole; marks are this process's from now on."""
        if not folder.is_dir():
            return
        for part in folder.glob("*" + _PART):
            part.unlink(missing_ok=True)
        if folder == self._root:
            return
        marks = [entry for entry in folder.iterdir() if _is_mark(entry.name)]
        if marks:
            self._mark(tuple(mark.name for mark in marks))
        for mark in marks:
            mark.unlink(missing_ok=True)


def _is_mark(name: str) -> bool:
    try:
        return bool(file_name(name))
    except ValueError:
        return False
