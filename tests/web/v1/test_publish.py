"""Topics in which clients do not publish: by every way that a message could take."""

from __future__ import annotations

import pytest

from tests.web.v1.conftest import arrived
from tinode_py.client import ClientError


async def made(server, api, **members):
    """A group of alice's with bob, both attached; alice made it by the API."""
    alice, bob = await server.user("alice"), await server.user("bob")
    wanted = {"owner": alice.user, "members": [bob.user], **members}
    got = await api("POST", "/topics", wanted)
    assert got.status == 201, got.body
    group = got["name"]
    await alice.sub(group)
    await bob.sub(group)
    return alice, bob, group


async def refused(client, topic, **members):
    with pytest.raises(ClientError, match="403"):
        await client.request({"pub": {"topic": topic, "content": "a", **members}})


async def test_a_topic_is_closed_and_opened_while_it_is_in_use(server, api):
    alice, bob, group = await made(server, api)
    assert (await api("GET", f"/topics/{group}"))["publish"] is True
    seq = await alice.pub(group, "first")
    got = await api("PATCH", f"/topics/{group}", {"publish": False})
    assert (got.status, got["publish"]) == (200, False)
    for client in (alice, bob):  # the owner as well
        await refused(client, group)
        await refused(client, group, head={"ephemeral": True})
        await refused(client, group, head={"webrtc": "started"})
    await refused(alice, group, head={"replace": f":{seq}"})
    for name, token in (("topic", alice.token), ("topic", bob.token)):
        got = await api("POST", "/me/messages", {name: group, "content": 1}, key=token)
        assert got.status == 403
    path = f"/me/topics/{group}/messages/{seq}"
    assert (await api("PATCH", path, {"content": "b"}, key=alice.token)).status == 403
    bob.receive_all_nowait()
    await alice.request({"del": {"topic": group, "what": "msg", "delseq": [{"low": seq}]}})
    await alice.note(group, "kp")
    got = await api("PATCH", f"/topics/{group}", {"publish": True})
    assert got["publish"] is True
    await bob.pub(group, "again")


async def test_the_back_end_goes_on_sending(server, api):
    alice, bob, group = await made(server, api, publish=False)
    for sender in (alice.user, None):
        wanted = {"topic": group, "content": "hello"} | ({"from": sender} if sender else {})
        assert (await api("POST", "/messages", wanted)).status == 202
    for _ in range(2):
        packet = await arrived(bob, lambda it: "data" in it)
        assert packet["data"]["content"] == "hello"
    edited = await api("PATCH", f"/topics/{group}/messages/1", {"content": "b"})
    assert edited.status == 200, edited.body
    assert (await api("DELETE", f"/topics/{group}/messages/2")).status == 200
    root = await server.user("root", root=True)
    for_bob = {"extra": {"obo": bob.user}}
    await root.request({"sub": {"topic": group}, **for_bob})
    await root.request({"pub": {"topic": group, "content": 1}, **for_bob})


async def test_a_private_chat(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    sent = {"from": alice.user, "user": bob.user, "content": 1}
    pair = (await api("POST", "/messages", sent))["results"][0]["topic"]
    await alice.sub(bob.user)
    got = await api("PATCH", f"/topics/{pair}", {"publish": False})
    assert (got.status, got["publish"]) == (200, False)
    await refused(alice, bob.user)
    assert (await api("POST", "/messages", sent)).status == 202
    own = {"user": bob.user, "content": 1}
    assert (await api("POST", "/me/messages", own, key=alice.token)).status == 403
    both = {"publish": True, "public": {"fn": "x"}}
    assert (await api("PATCH", f"/topics/{pair}", both)).status == 409
    assert (await api("PATCH", f"/topics/{pair}", {"publish": "no"})).status == 400


async def test_it_is_kept_and_told_of(server, api):
    alice, _, group = await made(server, api)
    for _ in range(2):  # the second changes nothing
        await api("PATCH", f"/topics/{group}", {"publish": False})
    deeds = (await api("GET", "/audit"))["items"]
    (deed,) = [row for row in deeds if row["action"] == "topic.change"]
    assert (deed["target"], deed["detail"]) == (group, {"publish": False})
    await alice.request({"leave": {"topic": group}})
    await alice.sub(group)
    await refused(alice, group)
