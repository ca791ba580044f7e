"""The client library, against a server in memory."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio_websocket import wrap_server_stream

from tinode_py import client
from tinode_py.client import ClientError
from tinode_py.testing import RunningServer, password_of


async def test_a_stranger_becomes_a_user(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.connect() as stranger:
        assert (await stranger.hi()).code == 201
        reply = await stranger.create_account("carol", "secret-carol")
        assert stranger.user == reply.params["user"]
    async with tinode_server.connect() as again:
        await again.hi()
        await again.login("carol", "secret-carol")
        assert again.user == stranger.user


async def test_over_a_port_and_a_token(tinode_server: RunningServer):
    alice = await tinode_server.user("alice")
    async with client.connect(tinode_server.url, cbor=True) as other:
        await other.hi()
        await other.login_token(alice.token)
        assert other.user == alice.user
        assert (await other.get("me", "desc")).meta["desc"]["public"] == {"fn": "alice"}


async def test_nobody_there():
    with pytest.raises(ClientError) as failed:
        async with client.connect("unix:/nobody/is/here"):
            pass
    assert failed.value.code == 408


@pytest.mark.parametrize("cbor", [False, True])
async def test_answers_are_matched(tinode_server: RunningServer, autojump_clock, cbor: bool):
    alice = await tinode_server.user("alice", options={"cbor": cbor})
    bob = await tinode_server.user("bob")
    reply = await alice.sub(bob.user, get={"what": "desc sub data del"})
    assert reply.code == 200
    assert reply.meta["desc"]["acs"]["mode"] == "JRWPAD"
    assert len(reply.meta["sub"]) == 2
    assert reply.data == ()
    assert [await alice.pub(bob.user, {"n": n}) for n in range(3)] == [1, 2, 3]
    history = await alice.get(bob.user, "data aux", data={"limit": 2})
    assert [message["seq"] for message in history.data] == [3, 2]
    live = [await alice.receive() for _ in range(3)]
    assert [packet["data"]["content"] for packet in live] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_refusal_is_an_error(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    with pytest.raises(ClientError) as refused:
        await alice.pub("grpAAAAAAAAAAE", "x")
    assert (refused.value.code, refused.value.text) == (409, "must attach first")


async def test_parts_asked_and_refused(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    with pytest.raises(ClientError):
        await alice.sub("me", get={"what": "aux desc"})
    assert (await alice.get("me", "cred")).params == {}


async def test_no_answer_in_time(autojump_clock):
    here, there = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_deaf, there)
        async with client.connect_over(here, timeout=3) as deaf:
            with pytest.raises(ClientError) as failed:
                await deaf.hi()
        nursery.cancel_scope.cancel()
    assert failed.value.code == 504


async def _deaf(stream: trio.abc.Stream) -> None:
    async with trio.open_nursery() as nursery:
        request = await wrap_server_stream(nursery, stream)
        await request.accept()


async def test_the_end_of_the_connection(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    bob = await tinode_server.user("bob")
    await bob.sub("me")
    await alice.del_("user")
    with trio.fail_after(30):
        await alice.wait_closed()
    assert (await alice.receive())["ctrl"]["text"] == "evicted"
    with pytest.raises(ClientError):
        await alice.receive()
    with pytest.raises(ClientError):
        await alice.sub("me")


async def test_unasked_packets_are_bounded(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice", options={"buffer": 2})
    group = (await alice.sub("new1")).topic
    for n in range(3):
        await alice.send({"pub": {"topic": group, "content": n}})
    with trio.fail_after(30):
        await alice.wait_closed()
    assert len(alice.receive_all_nowait()) == 3


async def test_unasked_packets_are_iterated(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    phone = await tinode_server.user("alice", hi={"ua": "phone"})
    assert phone.user == alice.user
    group = (await alice.sub("new1")).topic
    await phone.sub(group)
    await alice.pub(group, "x", noecho=True)
    seen = []
    async for packet in phone:
        seen.append(packet)
        await phone.aclose()
    assert [packet["data"]["content"] for packet in seen] == ["x"]
    assert phone.close_code == 1000


async def test_the_password_is_known(tinode_server: RunningServer, autojump_clock):
    await tinode_server.user("alice")
    async with tinode_server.connect() as other:
        await other.hi()
        assert (await other.login("alice", password_of("alice"))).code == 200
