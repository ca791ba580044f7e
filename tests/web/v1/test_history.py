"""Reading, editing and deleting over the business API."""

from __future__ import annotations

import functools

import attrs
import msgspec
import pytest

from tests.web.v1.conftest import arrived
from tinode_py.records import Message
from tinode_py.web.v1.history import LOOKS, ROWS, chosen
from tinode_py.web.v1.shape_messages import HistoryPage


@pytest.fixture
async def pair(server):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    return alice, bob, group


async def say(api, who, group, *contents, **head):
    for content in contents:
        wanted = {"from": who.user, "topic": group, "content": content}
        got = await api("POST", "/messages", wanted | ({"head": head} if head else {}))
        assert got.status == 202, got.body


async def test_pages(api, pair):
    alice, _, group = pair
    await say(api, alice, group, *range(1, 8))
    found, before = [], 0
    while True:
        got = await api("GET", f"/topics/{group}/messages?limit=3&before={before}")
        found += [it["content"] for it in got["messages"]]
        if not (before := got["before"]):
            break
    assert found == [7, 6, 5, 4, 3, 2, 1]
    got = await api("GET", f"/topics/{group}/messages?since=3&before=6")
    assert [it["seq"] for it in got["messages"]] == [5, 4, 3]
    assert (await api("GET", f"/topics/{group}/messages?since=9"))["messages"] == []


async def walked(api, path):
    """The numbers on each page, from the last one on."""
    found, before = [], 0
    while True:
        got = await api("GET", f"{path}&before={before}")
        found.append([it["seq"] for it in got["messages"]])
        if not (before := got["before"]):
            return found


async def test_a_page_is_not_empty_because_the_newest_rows_are_edits(server, api, pair):
    alice, _, group = pair
    for n in range(4):
        await alice.pub(group, n)
    for n in range(30):
        await alice.pub(group, n, head={"replace": ":3"})
    assert await walked(api, f"/topics/{group}/messages?limit=2") == [[4, 3], [2, 1]]
    own = functools.partial(api, key=alice.token)
    assert await walked(own, f"/me/topics/{group}/messages?limit=2") == [[4, 3], [2, 1]]
    assert await walked(api, f"/topics/{group}/messages?limit=3&since=3") == [[4, 3]]
    assert await walked(api, f"/topics/{group}/messages?limit=3&since=5") == [[]]
    raw = await walked(api, f"/topics/{group}/messages?limit=30&edits=raw")
    assert raw == [list(range(34, 4, -1)), [4, 3, 2, 1]]


async def test_how_far_a_page_looks_is_bounded():
    edit = msgspec.json.encode({"replace": ":1"})
    rows = [Message("grpA", seq, "usrA", 0, edit, b"0") for seq in range(2, LOOKS * ROWS + 2)]
    rows.insert(0, Message("grpA", 1, "usrA", 0, None, b"0"))
    looks = []

    async def look(before, limit):
        looks.append(limit)
        return tuple(rows[max(0, before - 1 - limit) : before - 1][::-1])

    page = HistoryPage(before=len(rows) + 1, limit=7)
    found, before = await chosen(page, look)
    assert (found, before) == ([], 1 + ROWS - 6)
    assert looks == [7, *[ROWS] * (LOOKS - 1)]
    assert await chosen(attrs.evolve(page, before=before), look) == ([rows[0]], 0)


async def test_an_edited_message_is_one_message(api, pair):
    alice, bob, group = pair
    await say(api, alice, group, {"txt": "a"}, mime="text/x-drafty")
    await say(api, bob, group, "b")
    got = await api("PATCH", f"/topics/{group}/messages/1", {"content": {"txt": "A"}})
    assert got.body == {"seq": 3}
    await alice.pub(group, "AA", head={"replace": ":1"})
    data = [(await arrived(bob, lambda it: "data" in it))["data"] for _ in range(3)]
    assert data[2]["head"] == {"mime": "text/x-drafty", "replace": ":1"}
    assert data[2]["from"] == alice.user
    got = await api("GET", f"/topics/{group}/messages")
    assert [(it["seq"], it["content"]) for it in got["messages"]] == [(2, "b"), (1, "AA")]
    first = got["messages"][1]
    assert [(it["seq"], it["content"]) for it in first["revisions"]] == [
        (1, {"txt": "a"}), (3, {"txt": "A"}), (4, "AA"),
    ]  # fmt: skip
    assert first["edited"] == first["revisions"][2]["ts"]
    assert (await api("GET", f"/topics/{group}/messages/1")).body == first
    got = await api("GET", f"/topics/{group}/messages?edits=raw")
    assert [it["seq"] for it in got["messages"]] == [4, 3, 2, 1]
    assert (await api("PATCH", f"/topics/{group}/messages/3", {"content": 1})).status == 409
    assert (await api("PATCH", f"/topics/{group}/messages/9", {"content": 1})).status == 404


async def test_an_edit_far_from_its_message(api, pair):
    alice, _, group = pair
    await say(api, alice, group, *range(1, 8))
    await alice.pub(group, "one", head={"replace": ":1"})
    got = await api("GET", f"/topics/{group}/messages?before=3")
    assert [it["content"] for it in got["messages"]] == [2, "one"]


async def test_deleting_for_all_and_for_one(api, pair):
    alice, bob, group = pair
    await say(api, alice, group, 1, 2, 3)
    got = await api("DELETE", f"/topics/{group}/messages/1")
    assert got.body == {"number": 1}
    got = await api("DELETE", f"/topics/{group}/messages/2?user={bob.user}")
    assert got.status == 200
    for user, left in ((alice.user, [3, 2]), (bob.user, [3])):
        got = await api("GET", f"/topics/{group}/messages?user={user}")
        assert [it["content"] for it in got["messages"]] == left
    page = await bob.get(group, "data")
    assert [it["content"] for it in page.data] == [3]
    assert (await api("DELETE", f"/topics/{group}/messages/1")).status == 404
    pres = (await arrived(alice, lambda it: it.get("pres", {}).get("what") == "del"))["pres"]
    assert pres["delseq"] == [{"low": 1}]


async def test_as_oneself(server, api, pair):
    alice, bob, group = pair
    carol = await server.user("carol")
    await say(api, alice, group, 1, 2)
    path = f"/me/topics/{group}/messages"
    got = await api("GET", path, key=bob.token)
    assert [it["content"] for it in got["messages"]] == [2, 1]
    assert (await api("GET", path, key=carol.token)).status == 403
    await alice.set(group, sub={"user": bob.user, "mode": "JWP"})
    assert (await api("GET", path, key=bob.token)).status == 403
    assert (await api("PATCH", f"{path}/1", {"content": 5}, key=bob.token)).status == 403
    assert (await api("PATCH", f"{path}/1", {"content": 5}, key=alice.token)).status == 200
    got = await api("GET", path, key=alice.token)
    assert [it["content"] for it in got["messages"]] == [2, 5]
    assert (await api("DELETE", f"{path}/2", key=carol.token)).status == 403
    assert (await api("DELETE", f"{path}/2?hard=true", key=alice.token)).status == 200
    assert (await api("GET", f"/topics/{group}/messages/2")).status == 404


async def test_a_private_chat_as_oneself(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    wanted = {"user": bob.user, "content": "hi"}
    got = await api("POST", "/me/messages", wanted, key=alice.token)
    topic = got["results"][0]["topic"]
    for who, name in ((alice, bob.user), (bob, alice.user), (bob, topic)):
        got = await api("GET", f"/me/topics/{name}/messages", key=who.token)
        assert [it["content"] for it in got["messages"]] == ["hi"], name
    carol = await server.user("carol")
    assert (await api("GET", f"/me/topics/{topic}/messages", key=carol.token)).status == 404


async def test_a_channel_as_its_reader(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("nch")).topic
    channel = "chn" + group[3:]
    await alice.pub(group, "news")
    path = f"/me/topics/{channel}/messages"
    assert (await api("GET", path, key=bob.token)).status == 403
    await bob.sub(channel)
    await bob.leave(channel)
    got = await api("GET", path, key=bob.token)
    assert [it["content"] for it in got["messages"]] == ["news"]


@pytest.mark.parametrize("name", ["grpAAAAAAAAAAE", "x", "p2p" + "A" * 22, "usrAAAAAAAAAAE", "me"])
async def test_topics_that_are_not_there(server, api, name):
    alice = await server.user("alice")
    assert (await api("GET", f"/topics/{name}/messages")).status == 404
    assert (await api("GET", f"/me/topics/{name}/messages", key=alice.token)).status >= 400
    assert (await api("DELETE", f"/topics/{name}/messages/1")).status == 404
