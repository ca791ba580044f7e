"""Word to everyone online, and to all users of a tag."""

from __future__ import annotations

from tests.web.v1.conftest import key_for


def told(client):
    packets = [it["info"] for it in client.receive_all_nowait() if "info" in it]
    return [it["payload"]["content"] for it in packets if it.get("event") == "broadcast"]


async def test_to_everyone_online(server, api):
    alice, phone, bob = [await server.user(name) for name in ("alice", "alice", "bob")]
    got = await api("POST", "/broadcast", {"content": "maintenance", "head": {"a": 1}})
    assert got.body == {"users": 2, "sessions": 3}
    for client in (alice, phone, bob):
        info = (await client.receive())["info"]
        assert (info["topic"], info["what"], info["event"]) == ("me", "data", "broadcast")
        assert info["payload"] == {"content": "maintenance", "head": {"a": 1}}


async def test_to_a_tag(server, api):
    alice = await server.user("alice", tags=["red"])
    bob = await server.user("bob", tags=["red"])
    carol = await server.user("carol")
    await bob.aclose()
    got = await api("POST", "/broadcast", {"content": 1, "tag": "Red"})
    assert got.body == {"users": 1, "sessions": 1}
    got = await api("POST", "/broadcast", {"content": "kept", "tag": "red", "kept": True})
    assert got["users"] == 2
    topics = (await api("GET", f"/users/{bob.user}/topics"))["items"]
    assert [it["seq"] for it in topics] == [1]
    await alice.get("me", "desc")
    await carol.get("me", "desc")
    assert told(alice) == [1]
    assert told(carol) == []
    assert (await api("POST", "/broadcast", {"content": 1, "kept": True})).status == 400
    red = await key_for(server, tags=("red",))
    assert (await api("POST", "/broadcast", {"content": 1}, key=red)).status == 403
    assert (await api("POST", "/broadcast", {"content": 1, "tag": "red"}, key=red)).status == 200
    huge = {"content": "x" * 131_072}
    assert (await api("POST", "/broadcast", huge)).status == 413
