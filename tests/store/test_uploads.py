"""Uploads, what refers to them, and how much was sent in a day."""

from __future__ import annotations

from tests.store.made import ANN, BOB, GROUP, PAIR, append, people, put
from tinode_py.changes import (
    Batch,
    Conflict,
    DeleteMessages,
    DeleteTopic,
    DeleteUser,
    DropUploads,
    LinkUploads,
    PurgeUploaded,
    PutUpload,
    Stale,
)
from tinode_py.queries import LooseUploads, UploadById, UploadedBy
from tinode_py.records import Range, Upload


def upload(name="f", user=ANN, created=5, size=10):
    return Upload(name, user, created, size, "image/png", "digest")


def sent(name="f", **fields):
    return PutUpload(upload(name, **fields), ANN, 1)


async def loose(store):
    return await store.fetch(LooseUploads(100, 100))


async def test_an_upload_comes_back_as_it_was_put(store):
    await put(store, sent())
    assert await store.fetch(UploadById("f")) == upload()
    assert await store.fetch(UploadById("F")) is None


async def test_uploads_are_loose_until_something_refers_to_them(store):
    await people(store)
    await put(store, sent("b", created=7), sent("a", created=7), sent("c", created=6))
    assert await loose(store) == ("c", "a", "b")
    assert await store.fetch(LooseUploads(7, 9)) == ("c",)
    assert await store.fetch(LooseUploads(9, 2)) == ("c", "a")
    await put(store, append(1), LinkUploads(GROUP, 1, ("a", "c", "unknown")))
    assert await loose(store) == ("b",)
    assert await store.fetch(UploadById("unknown")) is None


async def test_a_message_that_is_refused_refers_to_nothing(store):
    await people(store)
    await put(store, sent())
    assert await store.commit(Batch((append(2), LinkUploads(GROUP, 2, ("f",))))) == Stale()
    assert await loose(store) == ("f",)


async def test_a_new_picture_takes_the_place_of_the_old_one(store):
    await put(store, sent("a"), sent("b"), LinkUploads(ANN, 0, ("a",)))
    await put(store, LinkUploads(ANN, 0, ("b",)), LinkUploads(ANN, 0, ("b",)))
    assert await loose(store) == ("a",)
    await put(store, LinkUploads(ANN, 0, ()))
    assert await loose(store) == ("a", "b")


async def test_what_refers_twice_is_counted_twice(store):
    await people(store)
    await put(store, append(1), append(2), sent(), LinkUploads(ANN, 0, ("f",)))
    await put(store, *(LinkUploads(GROUP, seq, ("f",)) for seq in (1, 2)))
    await put(store, DeleteMessages(GROUP, 1, "", (Range(1, 2),), 5))
    await put(store, DeleteMessages(GROUP, 2, BOB, (Range(2, 3),), 5))  # for himself alone
    assert await loose(store) == ()
    await put(store, DeleteMessages(GROUP, 3, "", (Range(2, 3),), 5))
    assert await loose(store) == ()
    await put(store, LinkUploads(ANN, 0, ()))
    assert await loose(store) == ("f",)


async def test_deleting_messages_leaves_the_picture_of_the_group(store):
    await people(store)
    await put(store, append(1), sent(), LinkUploads(GROUP, 0, ("f",)))
    await put(store, DeleteMessages(GROUP, 1, "", (Range(0, 9),), 5))
    assert await loose(store) == ()


async def test_references_end_with_the_topic(store):
    await people(store)
    await put(store, sent("a"), sent("b"), sent("c"), append(1), append(1, PAIR))
    await put(store, LinkUploads(GROUP, 0, ("a",)), LinkUploads(GROUP, 1, ("b",)))
    await put(store, LinkUploads(PAIR, 1, ("c",)), DeleteTopic(GROUP))
    assert await loose(store) == ("a", "b")


async def test_an_account_ends_and_what_it_sent_to_others_stays(store):
    for user, hard in ((ANN, True), (BOB, False)):
        mine = Upload("mine" + user, user, 5, 1, "t", "e")
        sent_to = Upload("to" + user, user, 5, 1, "t", "e")
        await put(store, PutUpload(mine, user, 1), PutUpload(sent_to, user, 1))
        await put(store, LinkUploads(user, 0, (mine.id,)), LinkUploads(PAIR, 1, (sent_to.id,)))
        await put(store, DeleteUser(user, hard, 5))
        assert mine.id in await loose(store)
        left = await store.fetch(UploadById(sent_to.id))
        assert left is not None
        assert left.user == ""
        assert await store.fetch(UploadedBy(user, 1)) == 0


async def test_only_loose_uploads_are_dropped(store):
    await put(store, sent("a"), sent("b"), LinkUploads(ANN, 0, ("a",)))
    await put(store, DropUploads(("a", "b", "c")))
    assert await store.fetch(UploadById("a")) is not None
    assert await store.fetch(UploadById("b")) is None


async def test_a_day_has_its_bound(store):
    def over(name, size, day=1):
        return Batch((PutUpload(upload(name, size=size), ANN, day, 100),))

    assert await store.commit(over("a", 101)) == Conflict("quota")
    await put(store, *over("a", 60).changes)
    assert await store.commit(over("b", 41)) == Conflict("quota")
    assert await store.fetch(UploadById("b")) is None
    await put(store, *over("b", 40).changes, *over("c", 100, day=2).changes)
    await put(store, DropUploads(("a", "b", "c")))  # what is gone was sent all the same
    assert await store.fetch(UploadedBy(ANN, 1)) == 100
    await put(store, PurgeUploaded(2))
    assert await store.fetch(UploadedBy(ANN, 1)) == 0
    assert await store.fetch(UploadedBy(ANN, 2)) == 100
