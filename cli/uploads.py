"""The uploads that a command carries from one place to another, and what is told of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from tinode_py.media.base import etag_of
from tinode_py.media.stock import Stock

from .failure import Failure, Unusable

# Uploads that something refers to, with one of those that do.
REFERRED = """
SELECT u.id, u.size, min(l.owner) FROM upload AS u JOIN upload_link AS l ON l.upload = u.id
GROUP BY u.id, u.size ORDER BY u.id"""
UPLOADS_OF = "SELECT id, size, etag FROM upload WHERE user = ? ORDER BY created, id"
_NAMED = 5
_ETAG = re.compile("[a-z2-7]{26}")


@attrs.define
class Names:
    """How many there are of a kind, the first ones by their ids."""

    count: int = 0
    first: list[str] = attrs.field(factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self.first.append(name)

    def __str__(self) -> str:
        return ", ".join(self.first) + (", …" if self.count > _NAMED else "")


@attrs.define
class Carried:
    """Uploads read from a stock: how many, which were not there, which are not as received."""

    stock: Stock
    count: int = 0
    missing: Names = attrs.field(factory=Names)
    damaged: Names = attrs.field(factory=Names)

    @contextlib.contextmanager
    def reading(self, name: str, size: int, etag: str) -> Iterator[Iterator[bytes] | None]:
        """One upload, which is compared with what the database knows as it is read to its end."""
        with self.stock.reading(name) as pieces:
            if pieces is None:
                self.missing.add(name)
                yield None
                return
            self.count += 1
            yield self._checked(pieces, name, size, etag)

    def _checked(self, pieces: Iterable[bytes], name: str, size: int, etag: str) -> Iterator[bytes]:
        digest, found = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            found += len(piece)
            yield piece
        other = _ETAG.fullmatch(etag) and etag != etag_of(digest.digest())
        if found != size or other:
            self.damaged.add(name)

    @property
    def told(self) -> dict[str, int]:
        return {
            "uploads": self.count,
            "uploads_missing": self.missing.count,
            "uploads_damaged": self.damaged.count,
        }

    def said(self) -> Iterator[str]:
        """What people must know, a line each; nothing if all is well."""
        missing, damaged, where = self.missing, self.damaged, self.stock.where
        if missing.count:
            yield f"{missing.count} uploads are left out, they are not in {where}: {missing}"
        if damaged.count:
            yield f"{damaged.count} uploads in {where} are not as they were received: {damaged}"


def faults_in(rows: Iterable[Sequence[Any]], stock: Stock, most: int = 20) -> Iterator[str]:
    """What is wrong with the files of these rows of `REFERRED`: at most so many sentences."""
    for name, size, owner in rows:
        found = stock.size(str(name))
        if found == size:
            continue
        if found is None:
            yield f"upload {name}: is not in {stock.where}, {owner} refers to it"
        else:
            yield f"upload {name}: has {found} bytes in {stock.where}, not {size}"
        most -= 1
        if not most:
            return


def missing(rows: Iterable[Sequence[Any]], stock: Stock) -> Names:
    """Which of these rows of `REFERRED` have no file, or one of another size."""
    found = Names()
    for name, size, _ in rows:
        if stock.size(str(name)) != size:
            found.add(str(name))
    return found


def copy_into(folder: Path, rows: Iterable[Sequence[Any]], carried: Carried) -> None:
    """Copy the uploads of these rows into a new folder of the owner's, by their ids.

    Unusable if the folder is there; Failure leaves what was copied.
    """
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise Unusable(f"{folder}: {error.strerror}: name a new folder") from None
    for name, size, etag in rows:
        with carried.reading(name, size, etag) as pieces:
            if pieces is not None:
                _write(folder / name, pieces)


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
