"""Uploads from coming in to being let go of, and what a crash between two steps leaves."""

from __future__ import annotations

import base64
import os

import attrs
import pytest

from tinode_py.changes import Batch, LinkUploads
from tinode_py.config import Settings
from tinode_py.errors import POLICY, UNAVAILABLE, Refused, StoreError
from tinode_py.live.uploads import DAY, Sender, Uploads
from tinode_py.media.base import MediaError
from tinode_py.media.folder import Folder
from tinode_py.media.transit import Transit
from tinode_py.queries import UploadedBy
from tinode_py.store.memory import MemoryStore

ANN = Sender("usrAAAAAAAAAAA", "192.0.2.1")
NOBODY = Sender("", "192.0.2.1")


@attrs.define
class Clock:
    now: int = 100 * DAY

    def __call__(self) -> int:
        return self.now


@attrs.define
class Failing:
    """A store that fails to commit."""

    store: MemoryStore
    failing: bool = True

    async def fetch(self, query):
        return await self.store.fetch(query)

    async def commit(self, batch):
        if self.failing:
            raise StoreError("the disk is full")
        return await self.store.commit(batch)

    def statistics(self):
        return self.store.statistics()


@attrs.define
class LinksFirst:
    """A store in which somebody is always a little faster."""

    store: MemoryStore
    name: str

    async def fetch(self, query):
        return await self.store.fetch(query)

    async def commit(self, batch):
        await self.store.commit(Batch((LinkUploads("grp", 1, (self.name,)),)))
        return await self.store.commit(batch)

    def statistics(self):
        return self.store.statistics()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    store = MemoryStore()

    def made(over=None, **settings):
        transit = Transit(tmp_path / "transit")
        shelf = Folder(tmp_path / "uploads")
        chosen = Settings.of(**settings)
        return Uploads(chosen, over or store, transit, shelf, clock, os.urandom)

    return made


async def sent(uploads, data=b"hello", sender=ANN, declared=""):
    async with uploads.receiving() as draft:
        draft.add(data)
        await draft.settle()
        return await uploads.keep(draft, sender, declared)


def on_disk(tmp_path):
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


async def test_an_upload_is_kept_with_its_bytes(make, tmp_path, clock):
    uploads = make()
    kept = await sent(uploads)
    assert await uploads.find(kept.id) == kept
    assert (kept.user, kept.size, kept.type) == (ANN.user, 5, "text/plain; charset=utf-8")
    assert uploads.expires(kept) == clock.now + 3_600_000
    path = await uploads.shelf.locate(kept)
    assert path.read_bytes() == b"hello"
    assert on_disk(tmp_path) == [path.name]


async def test_what_is_not_kept_leaves_nothing(make, tmp_path):
    uploads = make()
    async with uploads.receiving() as draft:
        draft.add(b"x" * 1_000_000)
        await draft.settle()
        assert len(on_disk(tmp_path)) == 1
    assert on_disk(tmp_path) == []


async def test_so_many_may_come_in_at_a_time(make):
    uploads = make(limits={"uploads": 1})
    async with uploads.receiving():
        with pytest.raises(Refused) as no:
            await sent(uploads)
        assert no.value.answer is UNAVAILABLE
    await sent(uploads)


async def test_a_disk_that_is_nearly_full_takes_no_upload(make, tmp_path):
    uploads = make(media={"reserve": 2**52})
    with pytest.raises(Refused) as no:
        await sent(uploads)
    assert no.value.answer is UNAVAILABLE
    assert on_disk(tmp_path) == []


async def test_who_has_sent_enough_today_waits_for_tomorrow(make, clock, tmp_path):
    uploads = make(limits={"upload_per_day": 10})
    await sent(uploads, b"12345")
    with pytest.raises(Refused) as no:
        await sent(uploads, b"123456")
    assert (no.value.answer, no.value.params) == (POLICY, {"what": "upload_per_day"})
    await uploads.check_quota(ANN)
    await sent(uploads, b"12345")
    with pytest.raises(Refused):
        await uploads.check_quota(ANN)
    await sent(uploads, b"0123456789", NOBODY)
    with pytest.raises(Refused):
        await uploads.check_quota(NOBODY)
    await uploads.check_quota(Sender("", "192.0.2.2"))
    assert len(on_disk(tmp_path)) == 3
    clock.now += DAY
    await uploads.check_quota(ANN)
    await uploads.collect()
    assert await uploads.store.fetch(UploadedBy(ANN.user, 100)) == 0


async def test_a_store_that_fails_keeps_no_bytes(make, tmp_path):
    uploads = make(over=Failing(MemoryStore()))
    with pytest.raises(StoreError):
        await sent(uploads)
    assert on_disk(tmp_path) == []


async def test_what_nothing_refers_to_goes_after_an_hour(make, clock, tmp_path):
    uploads = make()
    loose, linked = await sent(uploads, b"loose"), await sent(uploads, b"linked")
    await uploads.store.commit(Batch((LinkUploads("grp", 1, (linked.id,)),)))
    clock.now += 3_600_000
    await uploads.collect()
    assert await uploads.find(loose.id) == loose
    clock.now += 1
    await uploads.collect()
    assert await uploads.find(loose.id) is None
    assert await uploads.shelf.locate(loose) is None
    assert await uploads.find(linked.id) == linked
    assert len(on_disk(tmp_path)) == 1


async def test_many_go_at_once(make, clock, tmp_path):
    uploads = make()
    for _ in range(120):
        await sent(uploads)
    clock.now += DAY
    await uploads.collect()
    assert on_disk(tmp_path) == []


# --- what a crash leaves: each state that the disk can be in -----------------------------


async def test_a_crash_while_receiving(make, tmp_path):
    uploads = make()
    part = tmp_path / "transit" / "AbCdEfGhIjA.part"
    await uploads.transit.mark(["BbCdEfGhIjA"])
    part.write_bytes(b"x" * 1_000_000)
    await make().settle()
    assert on_disk(tmp_path) == []


async def test_a_crash_before_the_store_knows(make, tmp_path):
    uploads = make()
    draft = uploads.transit.begin("AbCdEfGhIjA", 10)
    received = await draft.finish()
    await uploads.transit.mark([draft.name])
    await uploads.shelf.place(draft.name, received.path, "")
    await make().settle()
    assert on_disk(tmp_path) == []


async def test_a_crash_after_the_store_knows(make, tmp_path):
    uploads = make()
    kept = await sent(uploads)
    await uploads.transit.mark([kept.id])
    await make().settle()
    path = await uploads.shelf.locate(kept)
    assert on_disk(tmp_path) == [path.name]


async def test_a_crash_after_the_store_has_forgotten(make, clock, tmp_path):
    uploads = make(over=Failing(MemoryStore(), failing=False))
    await sent(uploads)
    clock.now += DAY
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.rename(aside := tmp_path / "aside")  # so that it is found again
    await uploads.collect()
    aside.rename(path)
    await uploads.transit.mark([name_of(path)])
    await make().settle()
    assert on_disk(tmp_path) == []


def name_of(path):
    return base64.urlsafe_b64encode(bytes.fromhex(path.name)).decode().rstrip("=")


async def test_a_shelf_that_fails_is_tried_again_at_the_next_start(make, clock, tmp_path):
    uploads = make()
    kept = await sent(uploads)
    clock.now += DAY
    path = await uploads.shelf.locate(kept)
    path.unlink()
    path.mkdir()  # cannot be unlinked
    with pytest.raises(MediaError):
        await uploads.collect()
    path.rmdir()
    path.write_bytes(b"hello")
    assert on_disk(tmp_path) == sorted([kept.id, path.name])
    await make().settle()
    assert on_disk(tmp_path) == []


async def test_an_upload_that_is_referred_to_meanwhile_stays(make, clock):
    kept = await sent(make())
    clock.now += DAY
    uploads = make()
    uploads.store = LinksFirst(uploads.store, kept.id)
    await uploads.collect()
    assert await uploads.find(kept.id) == kept
    assert await uploads.shelf.locate(kept) is not None
    assert uploads.transit.left_behind() == []
