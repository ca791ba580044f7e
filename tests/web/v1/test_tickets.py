"""Tickets: a websocket that is logged in from the start."""

from __future__ import annotations

import contextlib
import json

import httpx
import pytest
import trio
import trio_websocket

from tests.web.v1.conftest import key_for
from tinode_py.client import connect
from tinode_py.testing import running_server


@contextlib.asynccontextmanager
async def opened(server, url):
    """A plain websocket, as a browser would open this address."""
    path = url.partition("://")[2].partition("/")[2]
    async with trio.open_nursery() as nursery:
        stream = server.stream()
        yield await trio_websocket.wrap_client_stream(nursery, stream, "test", "/" + path)
        nursery.cancel_scope.cancel()


async def test_a_connection_is_logged_in(server, api):
    alice = await server.user("alice")
    got = await api("POST", "/tickets", {"user": alice.user, "metadata": {"tab": 5}})
    assert (got.status, got["user"]) == (201, alice.user)
    assert got["url"].startswith(server.url.replace("http", "ws") + "/v0/channels?apikey=")
    async with opened(server, got["url"]) as socket:
        await socket.send_message('{"hi":{"id":"1","ver":"0.25","ua":"t"}}')
        hi = json.loads(await socket.get_message())["ctrl"]
        assert hi["code"] == 201
        assert hi["params"]["user"] == alice.user
        assert hi["params"]["authlvl"] == "auth"
        assert hi["params"]["ver"] == "0.25"
        links = server.server.hub.sessions_of(alice.user)
        assert sum(link.metadata == b'{"tab": 5}' for link in links) == 1
        await socket.send_message('{"login":{"id":"2","scheme":"basic","secret":"YTpi"}}')
        assert json.loads(await socket.get_message())["ctrl"]["code"] == 409
    async with connect(server.url) as device:
        await device.hi()
        await device.login_token(hi["params"]["token"])
        assert device.user == alice.user


async def refused(server, url):
    async with opened(server, url) as socket:
        ctrl = json.loads(await socket.get_message())["ctrl"]
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            await socket.get_message()
    return ctrl["code"], closed.value.reason.code


async def test_a_used_ticket_is_refused(server, api):
    alice = await server.user("alice")
    url = (await api("POST", "/tickets", {"user": alice.user, "attach": True}))["url"]
    async with opened(server, url) as socket:
        assert json.loads(await socket.get_message())["ctrl"]["code"] == 201
    assert await refused(server, url) == (401, 1008)
    assert await refused(server, url.rpartition("=")[0] + "=nonsense") == (401, 1008)


def test_a_late_ticket_is_refused():
    from tinode_py.live.tickets import MOST, Admission, Tickets

    tickets = Tickets()
    first = tickets.give(Admission("u", 10_000), lambda n: b"a" * n, 0)
    assert tickets.take(first, 10_000) is None
    numbers = iter(range(MOST + 50))
    given = [
        tickets.give(Admission("u", 10_000), lambda n: next(numbers).to_bytes(n, "big"), 0)
        for _ in range(MOST + 50)
    ]
    assert len(tickets) == MOST
    assert tickets.take(given[0], 0) is None
    assert tickets.take(given[-1], 9_999) is not None


async def test_two_lines_receive_messages(server, api):
    """`s = new WebSocket(url); s.onmessage = …`: nothing is ever sent by this client."""
    bob = await server.user("bob")
    wanted = {"external_id": "shop-7", "name": "Seven", "attach": True}
    ticket = await api("POST", "/tickets", wanted)
    async with opened(server, ticket["url"]) as s:
        with trio.fail_after(30):
            await s.get_message()  # {hi} is answered
            await s.get_message()  # {sub me}, too
            await api("POST", "/messages", {"from": bob.user, "user": "ext:shop-7", "content": "x"})
            while True:
                packet = json.loads(await s.get_message())
                items = packet.get("meta", {}).get("inbox", {}).get("items")
                if items:
                    break
    assert [(it["from"], it["content"]) for it in items] == [(bob.user, "x")]
    again = await api("POST", "/tickets", wanted)
    assert again["user"] == ticket["user"]


async def test_what_is_wrong_is_named(server, api):
    alice = await server.user("alice")
    for body, status in (
        ({}, 400),
        ({"user": alice.user, "external_id": "x"}, 400),
        ({"user": "usrAAAAAAAAAAE"}, 404),
        ({"user": alice.user, "ttl": 0}, 400),
        ({"user": alice.user, "ttl": 3601}, 400),
        ({"user": alice.user, "metadata": "x" * 5000}, 400),
    ):
        assert (await api("POST", "/tickets", body)).status == status, body
    await api("PATCH", f"/users/{alice.user}", {"state": "susp"})
    assert (await api("POST", "/tickets", {"user": alice.user})).status == 403
    red = await key_for(server, tags=("red",))
    got = await api("POST", "/tickets", {"external_id": "new"}, key=red)
    assert got.status == 404


async def test_a_user_who_was_suspended_meanwhile(server, api):
    alice = await server.user("alice")
    url = (await api("POST", "/tickets", {"user": alice.user, "attach": True}))["url"]
    await api("PATCH", f"/users/{alice.user}", {"state": "susp"})
    code, closed = await refused(server, url)
    assert (code, closed) == (403, 1008)


async def test_of_many_at_once_one_comes_in(server, api):
    """One ticket, twenty sockets that are all open before any of them is greeted."""
    alice = await server.user("alice")
    url = (await api("POST", "/tickets", {"user": alice.user}))["url"]
    codes: list[int] = []
    ready = trio.Event()

    async def come(task_status=trio.TASK_STATUS_IGNORED):
        task_status.started()
        await ready.wait()
        async with opened(server, url) as socket:
            with contextlib.suppress(trio_websocket.ConnectionClosed):  # turned out already
                await socket.send_message('{"hi":{"id":"1","ver":"0.25"}}')
            ctrl = json.loads(await socket.get_message())["ctrl"]
            codes.append(ctrl["code"])
            if ctrl["code"] == 201:
                assert ctrl["params"]["user"] == alice.user
            else:
                with pytest.raises(trio_websocket.ConnectionClosed):
                    await socket.get_message()

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            await nursery.start(come)
        ready.set()
    assert sorted(codes) == [201] + [401] * 19


async def test_the_address_is_the_public_one():
    for public, start in (
        ("https://chat.example", "wss://chat.example/v0/channels?apikey="),
        ("http://chat.example:8080/tinode/", "ws://chat.example:8080/tinode/v0/channels?apikey="),
    ):
        async with running_server(web={"public_url": public}) as server:
            alice = await server.user("alice")
            key = await key_for(server)
            async with httpx.AsyncClient(base_url=server.url) as http:
                answer = await http.post(
                    "/v1/tickets",
                    json={"user": alice.user},
                    headers={"Authorization": f"Bearer {key}", "Host": "inside:6060"},
                )
            url = answer.json()["url"]
            assert url.startswith(start), url
            async with opened(server, url.replace("/tinode", "")) as socket:
                await socket.send_message('{"hi":{"id":"1","ver":"0.25"}}')
                assert json.loads(await socket.get_message())["ctrl"]["code"] == 201
