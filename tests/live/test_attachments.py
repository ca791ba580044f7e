"""What refers to an upload: messages and pictures, as long as they are there."""

from __future__ import annotations

import base64

import pytest

from tinode_py.changes import Batch, PutUpload
from tinode_py.queries import LooseUploads
from tinode_py.records import Upload
from tinode_py.testing import password_of, running_server

ONE, TWO = "AAAAAAAAAAA", "BBBBBBBBBBB"


def extra(*names):
    return {"attachments": [f"/v0/file/s/{name}.png" for name in names]}


@pytest.fixture
async def server(autojump_clock):
    async with running_server() as running:
        for name in (ONE, TWO):
            item = Upload(name, "", 5, 10, "image/png", "e")
            await running.server.store.commit(Batch((PutUpload(item, "", 1),)))
        yield running


async def loose(server):
    return set(await server.server.store.fetch(LooseUploads(2**60, 100)))


async def group(alice):
    await alice.sub("me")
    return (await alice.sub("new")).topic


async def published(client, topic, *names, **more):
    body = {"topic": topic, "content": "x", **more}
    return await client.request({"pub": body, "extra": extra(*names)})


async def test_a_message_keeps_what_it_shows_until_it_is_deleted_for_all(server):
    alice = await server.user("alice")
    topic = await group(alice)
    reply = await published(alice, topic, ONE, TWO)
    assert await loose(server) == set()
    await published(alice, topic, ONE)
    whole = [{"low": reply.params["seq"]}]
    await alice.del_("msg", topic=topic, delseq=whole)
    assert await loose(server) == set()
    await alice.del_("msg", topic=topic, delseq=whole, hard=True)
    assert await loose(server) == {TWO}
    await alice.del_("topic", topic=topic)
    assert await loose(server) == {ONE, TWO}


async def test_addresses_that_mean_nothing_do_not_hinder_a_message(server):
    alice = await server.user("alice")
    topic = await group(alice)
    strange = ["/v0/file/s/CCCCCCCCCCC.txt", "http://elsewhere.example/x", "rubbish", ""]
    pub = {"topic": topic, "content": "x"}
    reply = await alice.request({"pub": pub, "extra": {"attachments": strange}})
    assert reply.code == 202
    assert await loose(server) == {ONE, TWO}


async def test_what_is_not_kept_refers_to_nothing(server):
    alice = await server.user("alice")
    await published(alice, await group(alice), ONE, head={"ephemeral": True})
    assert await loose(server) == {ONE, TWO}


async def test_a_new_picture_frees_the_old_one(server):
    alice = await server.user("alice")
    await alice.sub("me")
    for names in ((ONE,), (TWO,)):
        desc = {"public": {"fn": "Alice", "photo": {"ref": names[0]}}}
        await alice.request({"set": {"topic": "me", "desc": desc}, "extra": extra(*names)})
    assert await loose(server) == {ONE}
    await alice.set("me", desc={"public": {"fn": "Alice B"}})  # says nothing of the picture
    private = {"topic": "me", "desc": {"private": {"x": 1}}}
    await alice.request({"set": private, "extra": extra(ONE)})
    assert await loose(server) == {ONE}
    await alice.del_("user", hard=True)
    assert await loose(server) == {ONE, TWO}


async def test_a_picture_in_the_description_frees_an_uploaded_one(server):
    alice = await server.user("alice")
    topic = await group(alice)
    ref = f"/v0/file/s/{ONE}.png"
    for at in ("me", topic):
        desc = {"public": {"fn": "A", "photo": {"type": "png", "ref": ref}}}
        await alice.request({"set": {"topic": at, "desc": desc}, "extra": extra(ONE)})
        await alice.set(at, desc={"public": {"note": "the same picture"}})
        assert await loose(server) == {TWO}
        await alice.set(at, desc={"public": {"photo": {"data": "AAAA", "ref": "\u2421"}}})
        assert await loose(server) == {ONE, TWO}


async def test_a_group_has_its_picture_from_the_start(server):
    alice = await server.user("alice")
    await alice.sub("me")
    sub = {"topic": "new", "set": {"desc": {"public": {"photo": {"ref": ONE}}}}}
    reply = await alice.request({"sub": sub, "extra": extra(ONE)})
    assert await loose(server) == {TWO}
    desc = {"public": {"photo": {"ref": TWO}}}
    await alice.request({"set": {"topic": reply.topic, "desc": desc}, "extra": extra(TWO)})
    assert await loose(server) == {ONE}


async def test_an_account_has_its_picture_from_the_start(server):
    client = await server.open()
    await client.hi()
    secret = base64.b64encode(f"carol:{password_of('carol')}".encode()).decode()
    acc = {"user": "new", "scheme": "basic", "secret": secret, "login": True}
    acc["desc"] = {"public": {"fn": "Carol", "photo": {"ref": ONE}}}
    await client.request({"acc": acc, "extra": extra(ONE)})
    assert await loose(server) == {TWO}


async def test_a_refused_message_refers_to_nothing(server):
    alice, bob = await server.user("alice"), await server.user("bob")
    sub = {"topic": "new", "set": {"desc": {"defacs": {"auth": "JR"}}}}
    topic = (await alice.request({"sub": sub})).topic
    await bob.sub(topic)
    await bob.send({"pub": {"id": "no", "topic": topic, "content": "x"}, "extra": extra(ONE)})
    while (packet := await bob.receive()).get("ctrl", {}).get("id") != "no":
        pass
    assert packet["ctrl"]["code"] == 403
    assert await loose(server) == {ONE, TWO}
