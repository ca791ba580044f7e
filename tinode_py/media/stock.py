"""Uploads as commands work on them: whole files in pieces, blocking, wherever they are kept.

A server's own way to them is a `Shelf`; both find the same files. Ids are checked before
anything is touched: ValueError for what is none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from ..disk import sync
from .base import MediaError
from .folder import file_name

PIECE = 1 << 18  # bytes of a piece that is read, at most


class Stock(Protocol):
    """The bytes of uploads by their ids. All methods raise MediaError, which names the place."""

    @property
    def where(self) -> str:
        """What an operator calls the place: a folder, or `s3://bucket`."""

    def reading(self, name: str) -> AbstractContextManager[Iterator[bytes] | None]:
        """The file, piece by piece, within the block; None if it is not there."""

    def size(self, name: str) -> int | None:
        """How many bytes it has; None if it is not there."""

    def put(self, name: str, kind: str, pieces: Iterator[bytes]) -> bool:
        """Keep a file, durably, whole or not at all; False if there was one of that id before.

        `kind` is its media type. What `pieces` raises comes out as it is.
        """

    def remove(self, name: str) -> None:
        """Let go of a file; nothing happens if there is none."""


class FolderStock:
    """A `Stock` in a folder, as `media.folder` lays it out; made when the first file comes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        return str(self._root)

    def _path(self, name: str) -> Path:
        text = file_name(name)
        return self._root / text[:2] / text

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Iterator[bytes] | None]:
        path = self._path(name)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise _fault(path, error) from None
        with file:
            yield _pieces(file, path)

    def size(self, name: str) -> int | None:
        path = self._path(name)
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(path, error) from None

    def put(self, name: str, kind: str, pieces: Iterator[bytes]) -> bool:
        path = self._path(name)
        new, part = not path.exists(), path.with_name(path.name + ".part")
        try:
            with _begun(part) as file:
                for piece in pieces:
                    with _told(part):
                        file.write(piece)
                with _told(part):
                    file.flush()
                    os.fsync(file.fileno())
            with _told(path):
                part.rename(path)
                sync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return new

    def remove(self, name: str) -> None:
        path = self._path(name)
        with _told(path):
            path.unlink(missing_ok=True)


def _begun(part: Path) -> BinaryIO:
    """A new file of the owner's, with the folders above it."""
    with _told(part):
        for folder in (part.parent.parent, part.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        return open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while True:
        with _told(path):
            piece = file.read(PIECE)
        if not piece:
            return
        yield piece


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _fault(path, error) from None


def _fault(path: Path, error: OSError) -> MediaError:
    return MediaError(f"{path}: {error.strerror}")
