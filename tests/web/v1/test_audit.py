"""The audit: by whichever door something is done, it is told of; and nothing secret."""

from __future__ import annotations

import json
from typing import Any

import trio

from tests.web.v1.conftest import Api, key_for
from tinode_py.web.v1.contract import OPERATIONS

ADDRESS = "https://hooks.example/in"


async def deeds(api: Api, count: int = 100) -> list[dict[str, Any]]:
    """The latest first."""
    got = await api("GET", f"/audit?limit={count}")
    assert got.status == 200, got.body
    return list(got["items"])


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    """In the order in which they were done."""
    return [(row["action"], row["target"], row["detail"]) for row in reversed(rows)]


async def test_every_deed_of_a_back_end_is_told_of(server, api):
    made = await api("POST", "/users", {"external_id": "5", "tags": ["red"]})
    user, key_id = made["id"], api.shown.removeprefix("tnk_").partition(".")[0]
    await api("PATCH", f"/users/{user}", {"public": {"fn": "S3cret"}, "tags": ["blue"]})
    await api("PATCH", f"/users/{user}", {"state": "susp"})
    await api("PATCH", f"/users/{user}", {"state": "susp"})  # as it was: nothing was done
    await api("PATCH", f"/users/{user}", {"state": "ok"})
    other = (await api("POST", "/users", {})).body["id"]
    group = (await api("POST", "/topics", {"owner": user, "members": [other]})).body["name"]
    await api("PATCH", f"/topics/{group}", {"public": {"fn": "S3cret"}})
    await api("PUT", f"/topics/{group}/members/{other}", {"mode": "JR"})
    sent = await api("POST", "/messages", {"content": "S3cret", "topic": group, "from": user})
    assert sent.status == 202
    message = f"/topics/{group}/messages/1"
    assert (await api("PATCH", message, {"content": "S3cret"})).status == 200
    assert (await api("DELETE", message)).status == 200
    await api("DELETE", f"/topics/{group}/members/{other}?ban=true")
    await api("DELETE", f"/topics/{group}")
    await api("POST", f"/users/{user}/offline", {"reason": "why"})
    await api("POST", "/broadcast", {"content": "S3cret"})
    await api("DELETE", f"/users/{user}?hard=true")
    rows = await deeds(api)
    assert {(row["door"], row["actor"]) for row in rows} == {("key", key_id)}
    assert told(rows) == [
        ("user.create", user, None),
        ("user.change", user, {"changed": ["public"]}),
        ("user.change", user, {"changed": ["tags"]}),
        ("user.change", user, {"state": "susp"}),
        ("user.change", user, {"state": "ok"}),
        ("user.create", other, None),
        ("topic.create", group, None),
        ("member.put", group, {"user": other}),
        ("topic.change", group, {"changed": ["public"]}),
        ("member.put", group, {"user": other, "mode": "JR"}),
        ("message.edit", group, {"seq": 1}),
        ("message.delete", group, {"ranges": [{"low": 1}], "hard": True}),
        ("member.put", group, {"user": other, "mode": "N"}),
        ("topic.delete", group, None),
        ("user.offline", user, {"sessions": 0, "reason": "why", "revoke": False}),
        ("broadcast", "", {"kept": False}),
        ("user.delete", user, {"hard": True}),
    ]
    assert "S3cret" not in json.dumps(rows)


async def test_keys_and_webhooks(api):
    key = (await api("POST", "/keys", {"name": "n", "scopes": ["audit:read"]})).body
    await api("DELETE", f"/keys/{key['id']}")
    wanted = {"url": ADDRESS, "secret": "S3cret", "active": False}
    hook = (await api("POST", "/webhooks", wanted)).body
    path = f"/webhooks/{hook['id']}"
    await api("PATCH", path, {"kinds": ["account.created"]})
    await api("POST", path + "/replay", {})
    await api("POST", path + "/replay", {"after": 0})
    await api("DELETE", path)
    number = str(hook["id"])
    rows = await deeds(api)
    assert told(rows) == [
        ("key.create", key["id"], {"name": "n", "scopes": ["audit:read"]}),
        ("key.revoke", key["id"], {"name": "n"}),
        ("webhook.create", number, None),
        ("webhook.change", number, {"changed": ["kinds"]}),
        ("webhook.replay", number, None),
        ("webhook.replay", number, {"after": 0}),
        ("webhook.delete", number, None),
    ]
    text = json.dumps(rows)
    assert "S3cret" not in text
    assert key["key"].partition(".")[2] not in text


async def test_a_key_that_is_rotated_twice_at_once_voids_none_that_was_given(server, api):
    made = (await api("POST", "/keys", {"name": "n", "scopes": ["audit:read"]})).body
    answers = []

    async def rotate():
        answers.append(await api("POST", f"/keys/{made['id']}/rotate", {"grace": 60}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(rotate)
        nursery.start_soon(rotate)
    given = [it["key"] for it in answers if it.status == 200]
    assert {it.status for it in answers} <= {200, 409}
    assert given
    for key in given:
        assert (await api("GET", "/audit", key=key)).status == 200
    assert len([row for row in await deeds(api) if row["action"] == "key.rotate"]) == len(given)


async def test_tickets_are_told_of_where_root_takes_them(server, api):
    """Not those of a key, for which that is its daily work."""
    root, alice = await server.user("root", root=True), await server.user("alice")
    assert (await api("POST", "/tickets", {"user": alice.user})).status == 201
    assert (await api("POST", "/tickets", {"user": alice.user}, key=root.token)).status == 201
    (row,) = await deeds(api)
    assert (row["door"], row["actor"]) == ("token", root.user)
    assert told([row]) == [("ticket.create", alice.user, None)]


async def test_root_is_told_of_where_he_acts_for_others(server, api):
    """By a websocket, and by what he may do there beyond others."""
    root = await server.user("root", root=True)
    alice = await server.user("alice")
    await alice.sub("me")
    await root.sub("me")
    for_alice = {"extra": {"obo": alice.user}}
    await root.request({"set": {"topic": "me", "desc": {"public": {"fn": "Root"}}}})  # his own
    group = (await root.request({"sub": {"topic": "new"}})).topic
    await root.request({"set": {"topic": group, "desc": {"trusted": {"verified": True}}}})
    await root.request({"acc": {"user": alice.user, "status": "susp"}})
    await root.request({"acc": {"user": alice.user, "status": "ok"}})
    other = (await root.request({"sub": {"topic": "new"}, **for_alice})).topic
    await root.request({"pub": {"topic": other, "content": "S3cret"}, **for_alice})
    await root.request({"leave": {"topic": other, "unsub": False}, **for_alice})
    await root.request({"del": {"what": "user", "user": alice.user}})
    await root.request({"acc": {"user": "new", "scheme": "anonymous"}})
    rows = await deeds(api)
    assert {(row["door"], row["actor"]) for row in rows} == {("root", root.user)}
    assert told(rows)[:-1] == [
        ("topic.change", group, {"changed": ["trusted"]}),
        ("user.change", alice.user, {"state": "susp"}),
        ("user.change", alice.user, {"state": "ok"}),
        ("topic.create", other, None),
        ("message.send", other, {"user": alice.user}),
        ("user.delete", alice.user, {"hard": False}),
    ]
    assert rows[0]["action"] == "user.create"


async def test_what_everybody_may_do_is_not_told_of(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await alice.sub("me")
    group = (await alice.request({"sub": {"topic": "new"}})).topic
    await alice.request({"set": {"topic": group, "sub": {"user": bob.user}}})
    await alice.request({"del": {"topic": group, "what": "topic"}})
    assert (await api("PATCH", "/me", {"public": 1}, key=alice.token)).status == 200
    assert await deeds(api) == []


async def test_roots_token_and_the_page(server, api):
    root = await server.user("root", root=True)
    alice = await server.user("alice")
    for headers in ({}, {"Tinode-Page": "admin"}):
        path = f"/users/{alice.user}"
        body = {"trusted": {"n": len(headers)}}
        assert (await api("PATCH", path, body, key=root.token, headers=headers)).status == 200
    page, token = await deeds(api)
    assert (page["door"], token["door"]) == ("page", "token")
    assert page["actor"] == token["actor"] == root.user
    assert page["origin"] == "127.0.0.1"


async def test_it_is_read_by_pages_with_a_scope(server, api):
    for _ in range(5):
        await api("POST", "/users", {})
    first = await api("GET", "/audit?limit=3")
    assert [row["n"] for row in first["items"]] == [5, 4, 3]
    second = await api("GET", f"/audit?limit=3&after={first['next']}")
    assert [row["n"] for row in second["items"]] == [2, 1]
    assert second["next"] == ""
    for after in ("x", "-1", "9" * 40, "²"):
        assert (await api("GET", f"/audit?after={after}")).status == 400, after
    blind = await key_for(server, *{op.scope for op in OPERATIONS} - {"", "me", "audit:read"})
    assert (await api("GET", "/audit", key=blind)).status == 403
    narrow = await key_for(server, "audit:read", tags=("a",))
    assert (await api("GET", "/audit", key=narrow)).status == 403
