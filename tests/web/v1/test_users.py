"""Accounts, who is online, forcing offline, finding people."""

from __future__ import annotations

import pytest

from tests.web.v1.conftest import arrived, key_for
from tinode_py.client import ClientError


async def test_an_account_is_made_and_read(api):
    wanted = {"external_id": "crm 5", "name": "Ann", "tags": ["Red"], "trusted": {"staff": True}}
    made = await api("POST", "/users", wanted)
    assert made.status == 201
    assert made["public"] == {"fn": "Ann"}
    assert (made["trusted"], made["tags"], made["state"]) == ({"staff": True}, ["red"], "ok")
    assert (made["online"], made["seen"], made["external_id"]) == (False, None, "crm 5")
    for name in (made["id"], "ext:crm%205"):
        assert (await api("GET", f"/users/{name}")).body == made.body, name
    again = await api("POST", "/users", wanted)
    assert again.status == 409
    assert "crm 5" in again["detail"]
    assert (await api("POST", "/users", {"external_id": "a/b"})).status == 400
    assert (await api("GET", "/users/ext:a%2Fb")).status == 404


async def test_external_ids_belong_to_a_key(server, api):
    made = await api("POST", "/users", {"external_id": "5"})
    other = await key_for(server)
    assert (await api("GET", "/users/ext:5", key=other)).status == 200  # the same name
    root = await server.user("root", root=True)
    assert (await api("GET", "/users/ext:5", key=root.token)).status == 404
    got = await api("GET", f"/users/{made['id']}", key=root.token)
    assert got["external_id"] is None
    assert (await api("POST", "/users", {"external_id": "6"}, key=root.token)).status == 400


async def test_an_account_with_a_login(server, api):
    wanted = {"login": "carol", "password": "a good one", "name": "Carol"}
    made = await api("POST", "/users", wanted)
    async with server.connect() as carol:
        await carol.hi()
        await carol.login("carol", "a good one")
        assert carol.user == made["id"]
        assert (await api("GET", f"/users/{made['id']}"))["online"] is True
    assert "login" in (await api("POST", "/users", wanted))["detail"]
    assert (await api("POST", "/users", {"login": "dave", "password": "x"})).status == 422
    assert (await api("POST", "/users", {"password": "x"})).status == 400
    assert (await api("POST", "/users", {"tags": ["basic:x"]})).status == 403
    assert (await api("POST", "/users", {"name": "a", "public": {}})).status == 400


async def test_an_account_is_changed_while_it_is_in_use(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await alice.sub("me")
    await bob.sub("me")
    await bob.sub(alice.user)
    path = f"/users/{alice.user}"
    got = await api("PATCH", path, {"public": {"fn": "Alicia"}, "tags": ["x1", "y1"]})
    assert got.status == 200
    assert got["public"] == {"fn": "Alicia"}
    assert set(got["tags"]) >= {"x1", "y1"}
    await arrived(bob, lambda it: it.get("pres", {}).get("what") == "upd")
    got = await api("PATCH", path, {"state": "susp"})
    assert got["state"] == "susp"
    await alice.wait_closed()
    again = await api("PATCH", path, {"state": "susp"})
    assert again.status == 200
    assert (await api("GET", "/users?limit=100"))["items"][0]["state"] in ("ok", "susp")
    async with server.connect() as device:
        await device.hi()
        with pytest.raises(ClientError, match="403"):
            await device.login("alice", "alice-password")
        assert (await api("PATCH", path, {"state": "ok"}))["state"] == "ok"
        await device.login("alice", "alice-password")


async def test_an_account_is_ended(server, api):
    alice = await server.user("alice")
    assert (await api("DELETE", f"/users/{alice.user}")).status == 204
    await alice.wait_closed()
    assert (await api("GET", f"/users/{alice.user}")).status == 404
    assert (await api("DELETE", f"/users/{alice.user}")).status == 404


async def test_lists(server, api):
    names = {(await server.user(f"user{n}")).user for n in range(5)}
    found, after = [], ""
    while True:
        got = await api("GET", f"/users?limit=2&after={after}")
        found += [it["id"] for it in got["items"]]
        if not (after := got["next"]):
            break
    assert found == sorted(names)
    got = await api("GET", "/online?limit=3")
    assert [it["user"] for it in got["items"]] == sorted(names)[:3]
    assert (got["next"], got["total"]) == (sorted(names)[2], 5)


async def test_who_is_online_and_by_what(server, api):
    alice = await server.user("alice")
    await alice.sub("me")
    phone = await server.user("alice", hi={"platf": "ios"})
    bob = await api("POST", "/users", {"external_id": "bob"})
    got = await api("GET", f"/users/{alice.user}/online")
    assert got["online"] is True
    found = {it["platform"]: it["on_me"] for it in got["devices"]}
    assert found == {"": True, "ios": False}
    names = [alice.user, bob["id"], "ext:bob", "usrAAAAAAAAAAE"]
    got = await api("POST", "/online", {"users": names})
    assert [it["user"] for it in got["items"]] == names
    assert [it["online"] for it in got["items"]] == [True, False, False, False]
    assert (await api("POST", "/online", {"users": names * 300})).status == 400
    await phone.aclose()


async def test_forced_offline(server, api):
    alice = await server.user("alice")
    phone = await server.user("alice", hi={"platf": "ios"})
    token = alice.token
    path = f"/users/{alice.user}"
    devices = (await api("GET", path + "/online"))["devices"]
    (ios,) = [it["session"] for it in devices if it["platform"] == "ios"]
    got = await api("POST", path + "/offline", {"session": ios, "reason": "stolen"})
    assert got.body == {"sessions": 1}
    packet = await phone.receive()
    assert (packet["ctrl"]["code"], packet["ctrl"]["params"]) == (205, {"reason": "stolen"})
    await phone.wait_closed()
    assert not alice.closed
    got = await api("POST", path + "/offline", {"reason": "go", "revoke": True})
    await alice.wait_closed()
    async with server.connect() as device:
        await device.hi()
        with pytest.raises(ClientError, match="401"):
            await device.login_token(token)
    assert (await api("POST", path + "/offline", {})).body == {"sessions": 0}
    assert (await api("POST", path + "/offline", {"session": "x"})).status == 404


async def test_logins_are_listed_and_ended(server, api):
    alice = await server.user("alice")
    path = f"/users/{alice.user}/sessions"
    (row,) = (await api("GET", path))["items"]
    assert (row["live"], row["revoked"], row["user_agent"]) == (True, None, "alice")
    assert (await api("DELETE", f"{path}/{row['number']}")).status == 204
    await alice.wait_closed()
    (row,) = (await api("GET", path))["items"]
    assert row["revoked"]
    assert (await api("DELETE", f"{path}/77")).status == 404


async def test_finding(server, api):
    alice = await server.user("alice", tags=["flowers"])
    bob = await server.user("bob")
    group = (await bob.sub("new", set={"tags": ["flowers"]})).topic
    for door, key in (("/search", api.shown), ("/me/search", bob.token)):
        got = await api("GET", f"{door}?query=flowers", key=key)
        assert {it["user"] or it["topic"] for it in got["items"]} == {alice.user, group}
    got = await api("GET", "/me/search?query=flowers", key=alice.token)
    assert [it["topic"] for it in got["items"]] == [group]
    assert (await api("GET", "/search?query=nothing"))["items"] == []
    assert (await api("GET", "/search")).status == 400


async def test_the_limits_of_a_key(server, api):
    red = await key_for(server, tags=("red",))
    alice = await server.user("alice", tags=["red"])
    bob = await server.user("bob")
    assert (await api("GET", f"/users/{alice.user}", key=red)).status == 200
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/online"),
                         ("GET", "/sessions")):  # fmt: skip
        body: dict[str, str] | None = {} if method == "PATCH" else None
        got = await api(method, f"/users/{bob.user}{path}", body, key=red)
        assert got.status == 404, path
    assert [it["id"] for it in (await api("GET", "/users", key=red))["items"]] == [alice.user]
    assert [it["user"] for it in (await api("GET", "/online", key=red))["items"]] == [alice.user]
    assert (await api("POST", "/users", {"name": "x"}, key=red)).status == 403
    assert (await api("POST", "/users", {"name": "x", "tags": ["red"]}, key=red)).status == 201
    assert (await api("GET", "/search?query=red", key=red)).status == 403


async def test_who_is_online_is_told_to_users_where_the_directory_is_open(server, api):
    alice, bobby = await server.user("alice"), await server.user("bobby")
    got = await api("GET", "/me/people", key=alice.token)
    assert (got.status, "users.directory" in got["detail"]) == (403, True)
    await server.server.standing.set(["users.directory=open"])
    got = await api("GET", "/me/people", key=alice.token)
    assert got.body == {"items": [{"user": bobby.user, "public": {"fn": "bobby"}}], "next": ""}
    assert (await api("GET", "/me/people")).status == 403  # a key is nobody
    page = await api("GET", "/me/people?limit=1", key=alice.token)
    more = await api("GET", f"/me/people?limit=1&after={page['next']}", key=alice.token)
    assert [it["user"] for it in (*page["items"], *more["items"])] == [bobby.user]
    await bobby.aclose()
    assert (await api("GET", "/me/people", key=alice.token))["items"] == []
