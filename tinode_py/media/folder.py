"""Uploads as files in a folder of this machine: the usual shelf.

A file's name is made of its id alone, in small hexadecimal digits: nothing that a client sends
is part of a path, and file systems that do not tell small letters from capitals will do.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from ..disk import sync
from ..records import Upload
from .base import MediaError
from .work import Run, in_thread

_ID = re.compile("[A-Za-z0-9_-]{11}")


def file_name(name: str) -> str:
    """The id of an upload as a file's name. ValueError if it is none."""
    if not _ID.fullmatch(name):
        raise ValueError(f"not the id of an upload: {name!r}")
    return base64.urlsafe_b64decode(name + "=").hex()


class Folder:
    """A `Shelf` in a folder, with 256 folders in it. Made when the first file comes."""

    def __init__(self, root: Path, run: Run = in_thread) -> None:
        self._root = root
        self._run = run

    @staticmethod
    def is_name(text: str) -> bool:
        """Whether it can be the id of an upload."""
        return _ID.fullmatch(text) is not None

    def path(self, name: str) -> Path:
        """Where a file is, if it is here. ValueError if that is no id."""
        text = file_name(name)
        return self._root / text[:2] / text

    async def place(self, name: str, file: Path, kind: str) -> None:
        """A rename: `file` must be on the same file system."""
        path = self.path(name)
        try:
            await self._run(lambda: _move(file, path))
        except OSError as error:
            raise MediaError(f"a file could not be kept: {error}") from error

    async def remove(self, name: str) -> None:
        path = self.path(name)
        try:
            await self._run(lambda: path.unlink(missing_ok=True))
        except OSError as error:
            raise MediaError(f"a file could not be removed: {error}") from error

    async def locate(self, upload: Upload, *, attached: bool = False) -> Path | None:
        return self.path(upload.id) if await self.has(upload.id) else None

    async def has(self, name: str) -> bool:
        return await self._run(self.path(name).is_file)


def _move(source: Path, target: Path) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(target.parent.parent)
    os.rename(source, target)
    sync(target.parent)
