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
        with trio.fail_after(20):
            while (await api("GET", "/scheduled"))["items"]:
                await trio.lowlevel.checkpoint()
        (chat,) = (await api("GET", f"/users/{bob}/topics"))["items"]
        got = await api("GET", f"/topics/{chat['name']}/messages")
        assert [it["content"] for it in got["messages"]] == [key[:16]]
