"""Rooms over websockets: coming, speaking, going; who may; what is bounded; nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.live.parts import bare_client, presence, topic_names, trick
from tinode_py.client import Client, ClientError
from tinode_py.testing import RunningServer, running_server

ROOM = "tmplobby"
Running = RunningServer


async def said(client: Client, room: str = ROOM) -> list[Any]:
    """What came in a room, once nobody has anything more to do."""
    await trio.testing.wait_all_tasks_blocked()
    packets = [it["data"] for it in client.receive_all_nowait() if "data" in it]
    return [it["content"] for it in packets if it["topic"] == room]


async def pub(client: Client, content: Any, room: str = ROOM, **members: Any) -> int:
    got = await client.request({"pub": {"topic": room, "content": content, **members}})
    return got.code


async def refused(client: Client, **request: Any) -> tuple[int, Any]:
    with pytest.raises(ClientError) as no:
        await client.request(request)
    return no.value.code, no.value.params


def rows(server: Running) -> int:
    """How much has been written."""
    return server.server.store.statistics().batches


async def test_a_room_from_its_first_user_to_its_last(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await trio.testing.wait_all_tasks_blocked()
        before = rows(server)
        came = await alice.sub(ROOM)
        assert came.params["online"] == 1
        assert came.params["acs"]["mode"] == "JRWP"
        reply = await bob.sub(ROOM, get={"what": "desc sub data"})
        assert reply.params["online"] == 2
        assert reply.meta["desc"]["subcnt"] == 2
        assert [row["user"] for row in reply.meta["sub"]] == [alice.user, bob.user]
        assert [it["src"] for it in presence(alice.receive_all_nowait(), "on")] == [bob.user]
        got = await alice.request({"pub": {"topic": ROOM, "content": "hi", "head": {"a": 1}}})
        assert (got.code, got.params) == (202, {"seq": 1})
        await trio.testing.wait_all_tasks_blocked()
        (data,) = [it["data"] for it in bob.receive_all_nowait() if "data" in it]
        assert (data["topic"], data["from"], data["content"]) == (ROOM, alice.user, "hi")
        assert (data["seq"], data["head"]) == (1, {"a": 1})
        assert await said(alice) == ["hi"]
        assert await pub(bob, 2, noecho=True) == 202
        assert (await said(alice), await said(bob)) == ([2], [])
        await bob.leave(ROOM)
        assert [it["src"] for it in presence(alice.receive_all_nowait(), "off")] == [bob.user]
        assert await pub(alice, 3) == 202
        assert await said(bob) == []
        await alice.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert ROOM not in topic_names(server)
        assert server.server.hub.statistics().rooms == 0
        assert rows(server) == before + 1  # who is online, for the log of events


async def test_two_devices_are_one_user(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice, bob, phone = [await server.user(name) for name in ("alice", "bob", "bob")]
        for client in (alice, bob, phone):
            await client.sub(ROOM)
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 2
        await bob.leave(ROOM)
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 2
        await phone.aclose()
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 1
        packets = alice.receive_all_nowait()
        assert [len(presence(packets, what)) for what in ("on", "off")] == [1, 1]


async def test_who_vanishes_is_gone_within_the_heartbeat(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.sub(ROOM)
        silent = await bare_client(server, bob.token)  # answers no ping
        await silent.send({"sub": {"id": "1", "topic": ROOM}})
        await silent.receive()
        await bob.aclose()
        heartbeat = server.server.settings.server.read_timeout
        await trio.sleep(heartbeat - 1)
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 2
        await trio.sleep(2)
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 1
        await trio.sleep(heartbeat)
        assert len(presence(alice.receive_all_nowait(), "off")) == 1


@pytest.mark.parametrize("clients", ["none", "join", "create"])
async def test_what_clients_may_do_by_themselves(clients, autojump_clock):
    async with running_server(rooms={"clients": clients}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        root = await server.user("root", root=True)
        expected = 404 if clients == "none" else 200
        if clients == "create":
            await alice.sub(ROOM)
        else:
            assert (await refused(alice, sub={"topic": ROOM}))[0] == 404
        assert (await refused(bob, get={"topic": ROOM, "what": "desc sub"}))[0] == (
            403 if clients == "create" else 404
        )
        await root.sub(ROOM)  # root may always
        if expected == 200:
            await bob.sub(ROOM)
            assert await pub(bob, 1) == 202
        else:
            assert (await refused(bob, sub={"topic": ROOM}))[0] == 404
            assert (await refused(bob, get={"topic": ROOM, "what": "desc"}))[0] == 404
            assert (await refused(bob, pub={"topic": ROOM, "content": 1}))[0] == 409


async def test_what_makes_no_sense_in_a_room(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.sub(ROOM)
        await bob.sub(ROOM)
        assert (await alice.sub(ROOM)).code == 304
        for request, code in (
            ({"set": {"topic": ROOM, "desc": {"public": 1}}}, 403),
            ({"set": {"topic": ROOM, "sub": {"user": bob.user, "mode": "N"}}}, 403),
            ({"del": {"topic": ROOM, "what": "sub", "user": bob.user}}, 403),
            ({"del": {"topic": ROOM, "what": "msg", "delseq": [{"low": 1}]}}, 403),
            ({"del": {"topic": ROOM, "what": "topic"}}, 403),
            ({"pub": {"topic": ROOM, "content": 1, "head": {"replace": ":1"}}}, 403),
            ({"pub": {"topic": ROOM, "content": 1, "head": {"idem": 1}}}, 400),
            ({"get": {"topic": ROOM, "what": "nonsense"}}, 400),
            ({"get": {"topic": ROOM, "what": "sub", "sub": {"limit": -1}}}, 400),
        ):
            assert (await refused(alice, **request))[0] == code, request
        for what in ("data", "del", "tags", "cred", "aux"):
            got = await alice.get(ROOM, what)
            ctrl = got.packets[0]["ctrl"]
            assert (ctrl["code"], ctrl["params"]) == (204, {"what": what})
        for note in ({"what": "read", "seq": 1}, {"what": "recv", "seq": 1}, {"what": "data"}):
            await alice.send({"note": {"topic": ROOM, **note}})
        await alice.note(ROOM, "kp")
        await alice.send({"note": {"topic": ROOM, "what": "data", "payload": {"x": 1}}})
        await trio.testing.wait_all_tasks_blocked()
        notes = [it["info"] for it in bob.receive_all_nowait() if "info" in it]
        assert [(it["what"], it["from"]) for it in notes] == [
            ("kp", alice.user), ("data", alice.user),
        ]  # fmt: skip


async def test_names_that_are_none(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice = await server.user("alice")
        for name in ("tmp", "tmp ", "tmpa b", "tmp/", "tmpü", "TMPx", "tmp%41"):
            assert (await refused(alice, sub={"topic": name}))[0] == 404
        assert server.server.hub.statistics().rooms == 0


async def test_huge_names(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        alice = await server.user("alice")
        for length in (62, 1000, 100_000):
            await alice.send({"sub": {"topic": "tmp" + "x" * length}})
        await alice.sub("tmp" + "x" * 61)
        await trio.testing.wait_all_tasks_blocked()
        assert [it["ctrl"]["code"] for it in alice.receive_all_nowait()] == [400] * 3
        assert server.server.hub.statistics().rooms == 1


async def test_bounds(autojump_clock):
    rules = {"clients": "create", "most": 3, "members": 2, "per_user": 2}
    async with running_server(rooms=rules) as server:
        alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
        await alice.sub("tmp1")
        await alice.sub("tmp2")
        assert await refused(alice, sub={"topic": "tmp3"}) == (422, {"what": "rooms.per_user"})
        phone = await server.user("alice")
        await phone.sub("tmp1")  # where he is, all his devices may be
        assert (await refused(phone, sub={"topic": "tmp3"}))[0] == 422
        await bob.sub("tmp3")
        await bob.sub("tmp1")
        assert await refused(carol, sub={"topic": "tmp4"}) == (422, {"what": "rooms.most"})
        assert await refused(carol, sub={"topic": "tmp1"}) == (422, {"what": "rooms.members"})
        await bob.leave("tmp3")
        await carol.sub("tmp4")
        assert server.server.hub.statistics().rooms == 3


async def test_thousands_of_names(autojump_clock):
    """Whatever is tried, the rooms are as many as allowed, and nothing of the rest stays."""
    async with running_server(
        rooms={"clients": "create", "most": 50, "per_user": 1000},
        limits={"packets_per_second": 0},
    ) as server:
        mallory = await server.user("mallory", options={"buffer": 1 << 16})
        for n in range(500):
            await mallory.send({"sub": {"topic": f"tmp{n}"}})
        await trio.testing.wait_all_tasks_blocked()
        codes = [it["ctrl"]["code"] for it in mallory.receive_all_nowait()]
        assert codes == [200] * 50 + [422] * 450
        assert server.server.hub.statistics().rooms == 50
        assert len(topic_names(server)) == 50
        await mallory.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert server.server.hub.statistics().rooms == 0
        assert not topic_names(server)


async def test_in_a_large_room_nobody_is_told_who_comes(autojump_clock):
    async with running_server(rooms={"clients": "create", "told": 2}) as server:
        names = ("alice", "bob", "carol", "dave")
        alice, bob, carol, dave = [await server.user(name) for name in names]
        for client in (alice, bob, carol, dave):
            await client.sub(ROOM)
        await dave.note(ROOM, "kp")
        await dave.leave(ROOM)
        await carol.leave(ROOM)
        await bob.leave(ROOM)
        await trio.testing.wait_all_tasks_blocked()
        packets = alice.receive_all_nowait()
        assert [it["src"] for it in presence(packets, "on")] == [bob.user]
        assert [it["src"] for it in presence(packets, "off")] == [bob.user]
        assert not [it for it in packets if "info" in it]


async def test_joining_and_leaving_in_a_flood(autojump_clock):
    async with running_server(
        rooms={"clients": "create"}, limits={"packets_per_second": 0}
    ) as server:
        alice = await server.user("alice", options={"buffer": 1 << 16})
        mallory = await server.user("mallory", options={"buffer": 1 << 16})
        await alice.sub(ROOM)
        for _ in range(300):
            await mallory.send({"sub": {"topic": ROOM}})
            await mallory.send({"leave": {"topic": ROOM}})
        await trio.testing.wait_all_tasks_blocked()
        packets = alice.receive_all_nowait()
        assert [it["pres"]["what"] for it in packets] == ["on", "off"] * 300
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 1


async def test_who_does_not_read_is_cut_off_and_gone(autojump_clock):
    limits = {"outbox": 65_536, "message_size": 32_768}
    async with running_server(rooms={"clients": "create"}, limits=limits) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.sub(ROOM)
        deaf = await bare_client(server, bob.token, narrow=True)
        await deaf.send({"sub": {"id": "1", "topic": ROOM}})
        await deaf.receive()
        await bob.aclose()
        for _ in range(8):
            assert await pub(alice, "x" * 20_000, noecho=True) == 202
        await trio.sleep(15)
        assert (await alice.get(ROOM, "desc")).meta["desc"]["subcnt"] == 1
        assert len(presence(alice.receive_all_nowait(), "off")) == 1


async def test_a_store_that_fails_is_no_matter(autojump_clock):
    async with running_server(rooms={"clients": "create"}) as server:
        store = trick(server)
        alice, bob = await server.user("alice"), await server.user("bob")
        store.failing = store.unreadable = True
        await alice.sub(ROOM)
        await bob.sub(ROOM)
        assert await pub(alice, 1) == 202
        assert await said(bob) == [1]


async def test_clients_that_do_not_publish(autojump_clock):
    async with running_server(rooms={"clients": "create"}, clients={"publish": False}) as server:
        alice = await server.user("alice")
        await alice.sub(ROOM)
        assert (await refused(alice, pub={"topic": ROOM, "content": 1}))[0] == 403
