"""The folder of uploads, and the one of uploads on their way."""

from __future__ import annotations

import os

import attrs
import pytest

from tinode_py import ids
from tinode_py.media.base import MediaError
from tinode_py.media.folder import Folder, file_name
from tinode_py.media.transit import PIECE, Transit
from tinode_py.records import Upload

NAME = "AbCdEfGhIjA"
UPLOAD = Upload(NAME, "", 5, 11, "text/plain", "e")


@pytest.mark.parametrize(
    "name",
    ["", "short", "../../../etc", "AAAAAAAAAA/", "AAAAAAAAAAAA", "ÄÄÄÄÄÄÄÄÄÄÄ", "AAAA AAAAAA"],
)
async def test_what_is_no_id_is_no_path(tmp_path, name):
    with pytest.raises(ValueError, match=r".*"):
        file_name(name)
    with pytest.raises(ValueError, match=r".*"):
        await Folder(tmp_path).locate(attrs.evolve(UPLOAD, id=name))
    with pytest.raises(ValueError, match=r".*"):
        Transit(tmp_path).begin(name, 10)
    assert list(tmp_path.iterdir()) == []


def test_ids_that_differ_only_in_capitals_are_different_files():
    assert file_name("aaaaaaaaaaA") != file_name("AAAAAAAAAAA")
    assert file_name(ids.new_body(os.urandom)).isalnum()


async def test_a_file_is_placed_found_and_removed(tmp_path):
    shelf, transit = Folder(tmp_path / "uploads"), Transit(tmp_path / "transit")
    assert await shelf.locate(UPLOAD) is None
    draft = transit.begin(NAME, 4)
    draft.add(b"hello ")
    draft.add(b"world")
    received = await draft.finish()
    assert (received.size, draft.head) == (11, b"hell")
    await shelf.place(NAME, received.path, "text/plain")
    path = await shelf.locate(UPLOAD)
    assert path is not None
    assert path.read_bytes() == b"hello world"
    draft.discard()
    assert path.exists()
    await shelf.remove(NAME)
    await shelf.remove(NAME)
    assert await shelf.locate(UPLOAD) is None
    assert list((tmp_path / "transit").iterdir()) == []


async def test_a_draft_keeps_one_piece_in_memory_and_the_rest_on_disk(tmp_path):
    draft = Transit(tmp_path).begin(NAME, 10)
    part = tmp_path / (NAME + ".part")
    data = os.urandom(PIECE - 1)
    draft.add(data)
    await draft.settle()
    assert part.stat().st_size == 0
    draft.add(b"x")
    await draft.settle()
    assert part.stat().st_size == PIECE
    assert part.stat().st_mode & 0o077 == 0
    received = await draft.finish()
    assert received.path.read_bytes() == data + b"x"
    draft.discard()
    assert not part.exists()


async def test_etags_have_the_form_that_clients_know(tmp_path):
    tags = set()
    for name, data in ((NAME, b"a"), ("BbCdEfGhIjA", b"a"), ("CbCdEfGhIjA", b"b")):
        draft = Transit(tmp_path).begin(name, 10)
        draft.add(data)
        tags.add((await draft.finish()).etag)
    assert len(tags) == 2
    assert {len(tag) for tag in tags} == {26}


async def test_a_disk_that_cannot_be_written_is_an_error_of_its_own(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MediaError, match="could not be begun"):
        Transit(tmp_path / "file").begin(NAME, 10)
    with pytest.raises(MediaError, match="could not be kept"):
        await Folder(tmp_path).place(NAME, tmp_path / "nothing", "text/plain")


async def test_a_start_removes_parts_and_tells_marks(tmp_path):
    transit = Transit(tmp_path / "transit")
    assert transit.left_behind() == []
    await transit.mark([NAME])
    (tmp_path / "transit" / (NAME + ".part")).write_bytes(b"x")
    (tmp_path / "transit" / "README").write_text("somebody else's")
    assert transit.left_behind() == [NAME]
    assert sorted(p.name for p in (tmp_path / "transit").iterdir()) == [NAME, "README"]
    transit.unmark(NAME)
    transit.unmark(NAME)
    assert transit.left_behind() == []


OTHER = "BBBBBBBBBBA"


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_worker_that_starts_leaves_alone_what_the_others_are_about(tmp_path):
    one, two = (Transit(tmp_path, worker=number, alone=False) for number in (1, 2))
    await two.mark([NAME])
    (tmp_path / "worker.2" / (OTHER + ".part")).touch()
    assert one.left_behind() == []
    assert len(files_in(tmp_path)) == 2
    assert two.left_behind() == [NAME]


@pytest.mark.parametrize("worker", [0, 1])
async def test_who_starts_alone_takes_over_what_there_is(tmp_path, worker):
    before = Transit(tmp_path, worker=2, alone=False)
    await before.mark([NAME])
    (tmp_path / "worker.2" / (OTHER + ".part")).touch()
    after = Transit(tmp_path, worker=worker, alone=True)
    assert after.left_behind() == [NAME]
    after.unmark(NAME)
    assert after.left_behind() == []
    assert files_in(tmp_path) == []
