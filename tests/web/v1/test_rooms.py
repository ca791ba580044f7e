"""Rooms over the business API: a back end brings in, counts, sends, puts out."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.web.v1.conftest import key_for
from tinode_py.testing import running_server

ROOM = "/rooms/tmplobby"


async def until(client, wanted):
    """Packets up to one that is wanted; what comes may come after the answer over HTTP."""
    with trio.fail_after(30):
        while not wanted(packet := await client.receive()):
            pass
    return packet


async def test_from_joining_to_leaving(server, api):
    alice, bob, phone = [await server.user(name) for name in ("alice", "bob", "bob")]
    got = await api("PUT", f"{ROOM}/members/{alice.user}", {})
    assert got.body == {"room": "tmplobby", "user": alice.user, "sessions": 1, "online": 1}
    got = await api("PUT", f"{ROOM}/members/{bob.user}", {})
    assert (got["sessions"], got["online"]) == (2, 2)
    again = await api("PUT", f"{ROOM}/members/{bob.user}", {})
    assert again.body == got.body
    for client in (bob, phone):
        ctrl = (await client.receive())["ctrl"]
        assert (ctrl["code"], ctrl["topic"], ctrl["params"]["online"]) == (200, "tmplobby", 2)
        assert "id" not in ctrl
    assert (await api("GET", ROOM)).body == {"room": "tmplobby", "online": 2}
    got = await api("GET", ROOM + "/members")
    assert got.body == {"items": sorted((alice.user, bob.user)), "next": "", "online": 2}
    sent = await api("POST", ROOM + "/messages", {"from": bob.user, "content": "hi"})
    assert (sent.status, sent["room"]) == (202, "tmplobby")
    for client in (alice, bob, phone):
        data = (await until(client, lambda it: "data" in it))["data"]
        assert (data["from"], data["content"], data["topic"]) == (bob.user, "hi", "tmplobby")
    assert await bob.pub("tmplobby", "as a client") == 2
    await until(alice, lambda it: it.get("data", {}).get("content") == "as a client")
    assert (await api("DELETE", f"{ROOM}/members/{bob.user}")).status == 204
    evicted = (await until(phone, lambda it: "ctrl" in it))["ctrl"]
    assert (evicted["code"], evicted["topic"]) == (205, "tmplobby")
    await until(alice, lambda it: it.get("pres", {}).get("what") == "off")
    assert (await api("DELETE", f"{ROOM}/members/{bob.user}")).status == 404
    assert (await api("DELETE", ROOM)).status == 204
    assert (await api("DELETE", ROOM)).status == 204
    assert (await api("GET", ROOM)).body == {"room": "tmplobby", "online": 0}
    assert (await api("GET", ROOM + "/members"))["items"] == []


async def test_lists(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    names = [f"tmp{n}" for n in range(5)]
    for name in names:
        assert (await api("PUT", f"/rooms/{name}/members/{alice.user}", {})).status == 200
    await api("PUT", f"/rooms/tmp3/members/{bob.user}", {})
    found, after = [], ""
    while True:
        got = await api("GET", f"/rooms?limit=2&after={after}")
        found += [(it["room"], it["online"]) for it in got["items"]]
        if not (after := got["next"]):
            break
    assert found == [(name, 2 if name == "tmp3" else 1) for name in names]
    got = await api("GET", f"/users/{bob.user}/rooms")
    assert got.body == {"items": [{"room": "tmp3", "online": 2}], "next": ""}
    own = await api("GET", "/me/rooms?limit=3", key=alice.token)
    rest = await api("GET", f"/me/rooms?limit=3&after={own['next']}", key=alice.token)
    assert [it["room"] for it in own["items"] + rest["items"]] == names
    assert (await api("GET", "/server"))["rooms"] == 5
    first = await api("GET", "/rooms/tmp3/members?limit=1")
    second = await api("GET", f"/rooms/tmp3/members?limit=1&after={first['next']}")
    assert first["items"] + second["items"] == sorted((alice.user, bob.user))
    await alice.aclose()
    with trio.fail_after(30):
        while (await api("GET", "/rooms"))["items"] != [{"room": "tmp3", "online": 1}]:
            await trio.lowlevel.checkpoint()


async def test_one_session_alone(server, api):
    bob, phone = await server.user("bob"), await server.user("bob")
    devices = (await api("GET", f"/users/{bob.user}/online"))["devices"]
    wanted = {"session": devices[1]["session"]}
    got = await api("PUT", f"{ROOM}/members/{bob.user}", wanted)
    assert (got["sessions"], got["online"]) == (1, 1)
    assert "ctrl" in await phone.receive()
    await bob.sub("tmplobby")  # he is in, so his other devices may come
    got = await api("PUT", f"{ROOM}/members/{bob.user}", {"session": "nonsense"})
    assert got.status == 404


async def test_who_cannot_be_brought_in(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await bob.aclose()
    with trio.fail_after(30):
        while (await api("PUT", f"{ROOM}/members/{bob.user}", {})).status != 409:
            await trio.lowlevel.checkpoint()
    assert (await api("PUT", f"{ROOM}/members/usrAAAAAAAAAAE", {})).status == 404
    assert (await api("PUT", f"{ROOM}/members/ext:nobody", {})).status == 404
    for name in ("lobby", "tmp", "tmp a", "tmp" + "x" * 62, "grpAAAAAAAAAAE"):
        got = await api("PUT", f"/rooms/{name}/members/{alice.user}", {})
        assert (got.status, name in got["detail"]) == (404, True)
    assert (await api("GET", "/rooms"))["items"] == []


async def test_a_back_end_meets_the_bounds_too(api):
    import httpx

    from tests.web.v1.conftest import Api

    rules = {"most": 1, "members": 1, "per_user": 1}
    async with running_server(rooms=rules) as server, httpx.AsyncClient(base_url=server.url) as h:
        narrow = Api(h, await key_for(server))
        alice, bob = await server.user("alice"), await server.user("bob")
        assert (await narrow("PUT", f"/rooms/tmp1/members/{alice.user}", {})).status == 200
        for room in ("tmp1", "tmp2"):
            got = await narrow("PUT", f"/rooms/{room}/members/{bob.user}", {})
            assert (got.status, "rooms.m" in got["detail"]) == (422, True)
        await trio.testing.wait_all_tasks_blocked()
        assert bob.receive_all_nowait() == []


async def test_what_is_sent(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await api("PUT", f"{ROOM}/members/{alice.user}", {})
    path = ROOM + "/messages"
    assert (await api("POST", path, {"content": {"a": 1}, "head": {"b": 2}})).status == 202
    data = (await until(alice, lambda it: "data" in it))["data"]
    assert (data["content"], data["head"]["b"], data["from"][:3]) == ({"a": 1}, 2, "usr")
    got = await api("POST", path, {"from": bob.user, "content": 1})
    assert (got.status, got["detail"]) == (403, "the sender is not in tmplobby")
    assert (await api("POST", path, {"from": "ext:nobody", "content": 1})).status == 404
    assert (await api("POST", path, {"content": "x" * 131_072})).status == 413
    assert (await api("POST", path, {"content": 1, "head": [1]})).status == 400
    assert (await api("POST", path, {})).status == 400
    got = await api("POST", path, {"content": 1, "head": {"replace": ":1"}})
    assert got.status == 403
    assert (await api("POST", "/rooms/tmpempty/messages", {"content": 1})).status == 202
    assert (await api("GET", "/rooms"))["items"] == [{"room": "tmplobby", "online": 1}]


@pytest.mark.parametrize(
    ("scope", "allowed"), [("rooms:read", "GET"), ("rooms:write", "PUT"), ("messages:send", "POST")]
)
async def test_scopes(server, api, scope, allowed):
    alice = await server.user("alice")
    await api("PUT", f"{ROOM}/members/{alice.user}", {})
    key = await key_for(server, scope)
    for method, path, body in (
        ("GET", ROOM, None),
        ("PUT", f"{ROOM}/members/{alice.user}", {}),
        ("POST", ROOM + "/messages", {"content": 1}),
    ):
        got = await api(method, path, body, key=key)
        assert (got.status < 300) is (method == allowed), (method, got.body)


async def test_a_key_for_one_room(server, api):
    alice = await server.user("alice", tags=["red"])
    scopes = ["rooms:read", "rooms:write", "messages:send"]
    wanted = {"name": "n", "topics": ["tmplobby"], "tags": ["red"], "scopes": scopes}
    made = await api("POST", "/keys", wanted)
    assert made.status == 201, made.body
    key = made["key"]
    assert (await api("PUT", f"{ROOM}/members/{alice.user}", {}, key=key)).status == 200
    await api("PUT", f"/rooms/tmpother/members/{alice.user}", {})
    assert (await api("GET", "/rooms/tmpother", key=key)).status == 404
    assert [it["room"] for it in (await api("GET", "/rooms", key=key))["items"]] == ["tmplobby"]
    got = await api("GET", f"/users/{alice.user}/rooms", key=key)
    assert [it["room"] for it in got["items"]] == ["tmplobby"]
    bob = await server.user("bob")  # without the tag
    assert (await api("PUT", f"{ROOM}/members/{bob.user}", {}, key=key)).status == 404
    bad = {"name": "n", "scopes": ["rooms:read"], "topics": ["tmp a"]}
    assert (await api("POST", "/keys", bad)).status == 400
