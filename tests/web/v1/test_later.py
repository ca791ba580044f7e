"""Messages that are sent at a time, also by a server that was started anew."""

from __future__ import annotations

import httpx
import trio

from tests.web.v1.conftest import Api, key_for
from tinode_py.auth.keys import id_of
from tinode_py.testing import running_server
from tinode_py.wire.times import time_text


def soon(server, milliseconds):
    return time_text(server.server.entrance.now() + milliseconds)


async def test_sent_at_its_time(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await bob.sub(alice.user)
    wanted = {"from": alice.user, "user": bob.user, "content": "later"}
    got = await api("POST", "/messages", wanted | {"at": soon(server, 400)})
    assert (got.status, got["results"]) == (202, [])
    (row,) = (await api("GET", "/scheduled"))["items"]
    assert row["id"] == got["scheduled"]
    assert row["message"]["content"] == "later"
    assert bob.receive_all_nowait() == []
    with trio.fail_after(30):
        assert (await bob.receive())["data"]["content"] == "later"
        await bob.get(alice.user, "desc")
    assert (await api("GET", "/scheduled?limit=1"))["items"] in ([], [row])


async def test_cancelled(server, api):
    bob = await server.user("bob")
    wanted = {"user": bob.user, "content": 1, "at": soon(server, 60_000)}
    names = [(await api("POST", "/messages", wanted))["scheduled"] for _ in range(3)]
    other = await key_for(server, "messages:send")
    assert (await api("GET", "/scheduled", key=other))["items"] == []
    assert (await api("DELETE", f"/scheduled/{names[0]}", key=other)).status == 404
    assert (await api("DELETE", f"/scheduled/{names[0]}")).status == 204
    assert (await api("DELETE", f"/scheduled/{names[0]}")).status == 404
    left = [it["id"] for it in (await api("GET", "/scheduled"))["items"]]
    assert left == sorted(names[1:])
    page = await api("GET", "/scheduled?limit=1")
    assert (await api("GET", f"/scheduled?limit=1&after={page['next']}"))["items"][0]["id"] == (
        left[1]
    )


async def test_times_that_are_none(server, api):
    bob = await server.user("bob")
    for at in ("tomorrow", soon(server, -1000), soon(server, 400 * 86_400_000), "2026-13-01"):
        got = await api("POST", "/messages", {"user": bob.user, "content": 1, "at": at})
        assert (got.status, got["errors"][0]["field"]) == (400, "at"), at


async def test_after_a_restart_once(tmp_path):
    place = {"data": str(tmp_path), "store": ""}
    async with running_server(server=place) as server, httpx.AsyncClient(timeout=30) as http:
        bob = (await server.user("bob")).user
        http.base_url = server.url
        key = await key_for(server)
        revoked = await key_for(server)
        for shown in (key, revoked):
            wanted = {"user": bob, "content": shown[:16], "at": soon(server, 1_000)}
            assert (await Api(http, shown)("POST", "/messages", wanted)).status == 202
        await Api(http, key)("DELETE", f"/keys/{id_of(revoked)}")
    async with running_server(server=place) as server, httpx.AsyncClient(timeout=30) as http:
        http.base_url = server.url
        api = Api(http, key)
        with trio.fail_after(30):
            while (await api("GET", "/scheduled"))["items"]:
                await trio.lowlevel.checkpoint()
        (chat,) = (await api("GET", f"/users/{bob}/topics"))["items"]
        got = await api("GET", f"/topics/{chat['name']}/messages")
        assert [it["content"] for it in got["messages"]] == [key[:16]]


async def test_as_many_as_may_wait():
    """In number and in bytes, however many ask at once; one that went makes room."""
    async with running_server(limits={"scheduled": 3, "scheduled_bytes": 4096}) as server:
        bob = await server.user("bob")
        key, other = await key_for(server), await key_for(server)
        statuses: list[int] = []
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, key)
            wanted = {"user": bob.user, "content": 1, "at": soon(server, 3_600_000)}

            async def ask():
                statuses.append((await api("POST", "/messages", wanted)).status)

            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(ask)
            assert sorted(statuses) == [202] * 3 + [409] * 5
            refused = await api("POST", "/messages", wanted)
            assert "3 messages or 4096 bytes" in refused["detail"]
            assert (await api("POST", "/messages", wanted, key=other)).status == 202
            (first, *_) = (await api("GET", "/scheduled"))["items"]
            assert (await api("DELETE", f"/scheduled/{first['id']}")).status == 204
            long = wanted | {"content": "a" * 4096}
            assert (await api("POST", "/messages", long)).status == 409
            assert (await api("POST", "/messages", wanted)).status == 202
            batch = {"messages": [wanted, {"user": bob.user, "content": 2}]}
            got = await api("POST", "/messages/batch", batch)
            assert [one["results"][0]["status"] for one in got["messages"]] == [409, 202]
            limits = (await api("GET", "/server"))["limits"]
            assert (limits["scheduled"], limits["scheduled_bytes"]) == (3, 4096)


async def test_too_far_ahead():
    async with running_server(limits={"scheduled_days": 2}) as server:
        bob = await server.user("bob")
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, await key_for(server))
            for days, status in ((1.9, 202), (2.1, 400)):
                at = soon(server, int(days * 86_400_000))
                got = await api("POST", "/messages", {"user": bob.user, "content": 1, "at": at})
                assert got.status == status
            assert got["errors"] == [{"field": "at", "detail": "more than 2 days ahead"}]


async def test_too_long_for_later(server, api):
    bob = await server.user("bob")
    content = "a" * 131_072
    wanted = {"user": bob.user, "content": content, "at": soon(server, 60_000)}
    assert (await api("POST", "/messages", wanted)).status == 413
