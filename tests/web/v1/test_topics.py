"""Topics and members over the business API, and what a user may ask for himself."""

from __future__ import annotations

from tests.web.v1.conftest import arrived, key_for


async def test_a_group_is_made_with_its_members(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    await bob.sub("me")
    wanted = {"owner": alice.user, "name": "Team", "members": [bob.user, carol.user],
              "tags": ["team"], "trusted": {"verified": True}, "auth": "JRP"}  # fmt: skip
    made = await api("POST", "/topics", wanted)
    assert made.status == 201, made.body
    assert (made["kind"], made["owner"], made["members"]) == ("group", alice.user, 3)
    assert (made["public"], made["trusted"]) == ({"fn": "Team"}, {"verified": True})
    assert (made["tags"], made["auth"], made["online"]) == (["team"], "JRP", 0)
    await arrived(bob, lambda it: it.get("pres", {}).get("what") == "acs")
    await bob.sub(made["name"])
    got = await api("GET", f"/topics/{made['name']}")
    assert got["online"] == 1
    channel = await api("POST", "/topics", {"owner": alice.user, "channel": True})
    assert channel["kind"] == "channel"
    nobody = {"owner": alice.user, "members": ["usrAAAAAAAAAAE"]}
    assert (await api("POST", "/topics", nobody)).status == 404
    assert (await api("POST", "/topics", wanted | {"public": {}})).status == 400


async def test_joining_another_mode_leaving_and_being_kept_out(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    path = f"/topics/{group}/members/{bob.user}"
    got = await api("PUT", path, {})
    assert (got.status, got["user"], got["online"]) == (200, bob.user, False)
    assert "W" in got["mode"]
    assert (await api("PUT", path, {})).body == got.body
    assert (await api("PUT", path, {"mode": "JRP"}))["mode"] == "JRP"
    assert (await api("PUT", path, {"mode": "xyz"})).status == 400
    await bob.sub(group)
    assert (await api("DELETE", path)).status == 204
    packet = await arrived(bob, lambda it: "ctrl" in it)
    assert (packet["ctrl"]["code"], packet["ctrl"]["topic"]) == (205, group)
    assert (await api("DELETE", path)).status == 404
    await bob.sub(group)
    assert (await api("DELETE", path + "?ban=true")).status == 204
    got = await api("POST", "/me/messages", {"topic": group, "content": 1}, key=bob.token)
    assert got.status == 403
    got = await api("DELETE", f"/topics/{group}/members/{alice.user}")
    assert got.status == 409


async def test_members_and_who_is_there(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    await carol.sub(group)
    await carol.leave(group)
    path = f"/topics/{group}/members"
    got = await api("GET", path)
    assert got["total"] == 3
    assert [it["user"] for it in got["items"]] == sorted((alice.user, bob.user, carol.user))
    got = await api("GET", path + "?online=true")
    assert {it["user"] for it in got["items"]} == {alice.user, bob.user}
    first = await api("GET", path + "?limit=2")
    rest = await api("GET", path + f"?limit=2&after={first['next']}")
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, "")
    for limit in (0, 101):
        assert (await api("GET", path + f"?limit={limit}")).status == 400


async def test_lists_of_topics(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    groups = [(await alice.sub("new")).topic for _ in range(3)]
    await bob.sub(alice.user)
    await bob.pub(alice.user, "hi")
    found, after = [], ""
    while True:
        got = await api("GET", f"/topics?limit=2&after={after}")
        found += [(it["name"], it["members"]) for it in got["items"]]
        if not (after := got["next"]):
            break
    assert [name for name, _ in found[:3]] == sorted(groups)
    assert found[3][0].startswith("p2p")
    assert [count for _, count in found] == [1, 1, 1, 2]
    got = await api("GET", f"/users/{alice.user}/topics")
    assert {it["topic"] for it in got["items"]} == {*groups, bob.user}
    (chat,) = [it for it in got["items"] if it["topic"] == bob.user]
    assert (chat["seq"], chat["read"], chat["public"]) == (1, 0, {"fn": "bob"})
    own = await api("GET", "/me/topics", key=alice.token)
    assert own.body == got.body
    page = await api("GET", "/me/topics?limit=3", key=alice.token)
    rest = await api("GET", f"/me/topics?limit=3&after={page['next']}", key=alice.token)
    assert page["items"] + rest["items"] == got["items"]


async def test_a_group_is_changed_and_ended(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new", set={"tags": ["old"]})).topic
    await bob.sub(group)
    change = {"public": {"fn": "New"}, "trusted": {"v": 1}, "tags": ["new1"], "auth": "JR"}
    got = await api("PATCH", f"/topics/{group}", change)
    assert got.status == 200, got.body
    assert (got["public"], got["tags"], got["auth"]) == ({"fn": "New"}, ["new1"], "JR")
    assert (await api("PATCH", f"/topics/{group}", change)).status == 200
    assert (await api("DELETE", f"/topics/{group}")).status == 204
    assert (await api("GET", f"/topics/{group}")).status == 404
    assert (await api("DELETE", f"/topics/{group}")).status == 404


async def test_a_private_chat_has_no_owner(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    got = await api("POST", "/messages", {"from": alice.user, "user": bob.user, "content": 1})
    path = f"/topics/{got['results'][0]['topic']}"
    assert (await api("GET", path))["kind"] == "p2p"
    assert (await api("DELETE", path)).status == 409
    assert (await api("PUT", f"{path}/members/{carol.user}", {})).status == 409


async def test_the_limits_of_a_key(server, api):
    alice = await server.user("alice", tags=["red"])
    bob = await server.user("bob")
    mine, other = [(await alice.sub("new")).topic for _ in range(2)]
    one = await key_for(server, topics=(mine,))
    red = await key_for(server, tags=("red",))
    assert [it["name"] for it in (await api("GET", "/topics", key=one))["items"]] == [mine]
    assert (await api("GET", f"/topics/{mine}", key=one)).status == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/members"), ("GET", "/messages")):
        assert (await api(method, f"/topics/{other}{path}", key=one)).status == 404
    assert (await api("POST", "/topics", {"owner": alice.user}, key=red)).status == 403
    wanted = {"owner": alice.user, "tags": ["red"]}
    made = await api("POST", "/topics", wanted, key=red)
    assert made.status == 201
    got = await api("PUT", f"/topics/{made['name']}/members/{bob.user}", {}, key=red)
    assert got.status == 404


async def test_ones_own_profile(server, api):
    alice = await server.user("alice", tags=["one1"])
    got = await api("GET", "/me", key=alice.token)
    assert (got["id"], got["public"]) == (alice.user, {"fn": "alice"})
    change = {"public": {"fn": "A"}, "private": {"note": 1}, "tags": ["two2"], "auth": "JRWPA"}
    got = await api("PATCH", "/me", change, key=alice.token)
    assert got.status == 200, got.body
    assert (got["public"], got["private"]) == ({"fn": "A"}, {"note": 1})
    assert (set(got["tags"]), got["auth"]) == ({"basic:alice", "two2"}, "JRWPA")
    assert (await api("PATCH", "/me", change, key=alice.token)).status == 200
    got = await api("PATCH", "/me", {"trusted": {}}, key=alice.token)
    assert got.status == 400


async def test_members_as_oneself(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    path = f"/me/topics/{group}/members"
    got = await api("GET", path, key=alice.token)
    assert {it["user"]: bool(it["mode"]) for it in got["items"]} == {
        alice.user: True, bob.user: True,
    }  # fmt: skip
    got = await api("GET", path, key=bob.token)
    found = {it["user"]: it["given"] for it in got["items"]}
    by_packets = (await bob.get(group, "sub")).meta["sub"]
    assert found == {row["user"]: row.get("acs", {}).get("given", "") for row in by_packets}
    assert (await api("GET", path, key=carol.token)).status == 403


async def test_how_long_messages_are_kept(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    await alice.sub(bob.user)
    (p2p,) = [t["name"] for t in (await api("GET", "/topics"))["items"] if t["kind"] == "p2p"]
    for topic in (group, p2p):
        path = f"/topics/{topic}/retention"
        assert (await api("GET", path)).body == {"days": None}
        for days in (30, 30, 0, None):
            put = await api("PUT", path, {"days": days})
            assert (put.status, put.body) == (200, {"days": days})
            assert (await api("GET", path)).body == {"days": days}
    deeds = [row for row in (await api("GET", "/audit"))["items"] if row["target"] == p2p]
    assert [(row["action"], row["detail"]) for row in deeds] == [
        ("topic.change", {"changed": ["retention"]}),
    ] * 3  # 30 twice is one change
    for wrong in ({}, {"days": -1}, {"days": 36_501}, {"days": "7"}, {"days": 1.5}, {"day": 1}):
        assert (await api("PUT", path, wrong)).status == 400, wrong
    assert (await api("PUT", "/topics/grpAAAAAAAAAAE/retention", {"days": 1})).status == 404
    blind = await key_for(server, "topics:read")
    assert (await api("PUT", path, {"days": 1}, key=blind)).status == 403
    assert (await api("GET", path, key=blind)).body == {"days": None}
    narrow = await key_for(server, "topics:write", topics=(group,))
    assert (await api("PUT", path, {"days": 1}, key=narrow)).status == 404
