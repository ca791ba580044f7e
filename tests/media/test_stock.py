"""Uploads in a folder, as commands work on them; a bucket is in tests/cli/test_uploads_in_s3.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinode_py.media.base import MediaError, etag_of
from tinode_py.media.folder import Folder, file_name
from tinode_py.media.stock import PIECE, FolderStock
from tinode_py.media.work import inline
from tinode_py.records import Upload

NAME = "AbCdEfGhIjk"


@pytest.fixture
def stock(tmp_path: Path) -> FolderStock:
    return FolderStock(tmp_path / "uploads")


def whole(stock: FolderStock, name: str = NAME) -> bytes | None:
    with stock.reading(name) as pieces:
        if pieces is None:
            return None
        found = list(pieces)
        assert all(len(piece) <= PIECE for piece in found)
        return b"".join(found)


async def test_it_finds_what_the_server_finds(stock: FolderStock, tmp_path: Path) -> None:
    assert (whole(stock), stock.size(NAME)) == (None, None)
    raw = bytes(range(256)) * 2000
    assert stock.put(NAME, "image/png", iter([raw[:10], raw[10:]]))
    assert (whole(stock), stock.size(NAME)) == (raw, len(raw))
    path = await Folder(tmp_path / "uploads", inline).locate(Upload(NAME, "", 0, 0, "", ""))
    assert path is not None
    assert path.read_bytes() == raw
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    assert not stock.put(NAME, "image/png", iter([b"other"])), "there was one before"
    assert whole(stock) == b"other"
    stock.remove(NAME)
    stock.remove(NAME)
    assert whole(stock) is None


def test_a_file_is_there_whole_or_not_at_all(stock: FolderStock, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise EOFError

    with pytest.raises(EOFError):
        stock.put(NAME, "text/plain", broken())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["", "../../../../etc/x", "AbCdEfGhIj", "AbCdEfGhIj/"])
def test_what_is_no_id_is_no_path(stock: FolderStock, tmp_path: Path, name: str) -> None:
    for work in (stock.size, stock.remove, lambda it: stock.put(it, "", iter([b"x"]))):
        with pytest.raises(ValueError, match="not the id of an upload"):
            work(name)
    assert not list(tmp_path.iterdir())


def test_what_stands_in_the_way_is_named(stock: FolderStock, tmp_path: Path) -> None:
    (tmp_path / "uploads").write_bytes(b"")
    for work in (stock.size, lambda it: stock.put(it, "", iter([b"x"]))):
        with pytest.raises(MediaError, match=file_name(NAME)):
            work(NAME)


def test_the_tag_is_of_the_bytes() -> None:
    assert etag_of(bytes(32)) == "a" * 26
