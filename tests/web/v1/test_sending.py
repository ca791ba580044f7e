"""Messages that a back end sends, as plain clients receive them."""

from __future__ import annotations

import httpx
import pytest

from tests.web.v1.conftest import Api, key_for
from tinode_py.testing import running_server


async def until(client, kind, wanted=lambda packet: True):
    """The next packet of a kind, others passed over."""
    while True:
        packet = await client.receive()
        if kind in packet and wanted(packet[kind]):
            return packet[kind]


async def test_to_a_user_as_a_user(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    await bob.sub("me", get={"what": "inbox"})
    sent = {"from": alice.user, "user": bob.user, "content": "hello", "head": {"mime": "x"}}
    got = await api("POST", "/messages", sent)
    assert got.status == 202
    (result,) = got["results"]
    assert (result["seq"], result["user"], result["receipts"]) == (1, bob.user, [])
    meta = await until(bob, "meta", lambda meta: "inbox" in meta)
    (item,) = meta["inbox"]["items"]
    assert (item["from"], item["content"], item["head"]) == (alice.user, "hello", {"mime": "x"})
    got = await api("POST", "/messages", sent | {"content": {"a": 1.0}})
    assert got["results"][0]["seq"] == 2
    await bob.sub(alice.user)
    page = await bob.get(alice.user, "data")
    assert [data["content"] for data in page.data] == [{"a": 1.0}, "hello"]


async def test_nobody_sees_a_back_end_come_and_go(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    await alice.get(group, "desc")  # what was on its way has come
    bob.receive_all_nowait()
    alice.receive_all_nowait()
    await api("POST", "/messages", {"from": alice.user, "topic": group, "content": 1})
    for client in (alice, bob):
        await client.get(group, "desc")
        assert [[*packet] for packet in client.receive_all_nowait()] == [["data"]]


async def test_as_the_system(server, api):
    bob = await server.user("bob")
    group = (await bob.sub("new")).topic
    got = await api("POST", "/messages", {"from": "", "user": bob.user, "content": "welcome"})
    assert got.status == 202
    got = await api("POST", "/messages", {"topic": group, "content": "notice"})
    assert got.status == 202
    data = await until(bob, "data")
    assert (data["topic"], data["content"]) == (group, "notice")
    system = data["from"]
    await bob.sub(system)
    assert [it["content"] for it in (await bob.get(system, "data")).data] == ["welcome"]
    members = await bob.get(group, "sub")
    assert [row["user"] for row in members.meta["sub"]] == [bob.user]
    desc = await bob.get(system, "desc")
    assert desc.meta["desc"]["public"] == {"fn": "System"}


async def test_to_many(server, api):
    users = [(await server.user(f"user{n}")).user for n in range(3)]
    nobody = "usrAAAAAAAAAAE"
    wanted = {"users": [*users, nobody, "ext:x"], "content": 1, "receipt": "answer"}
    got = await api("POST", "/messages", wanted)
    assert got.status == 202
    assert [it["status"] for it in got["results"]] == [202, 202, 202, 404, 404]
    assert [it["user"] for it in got["results"]] == wanted["users"]
    assert got["results"][0]["receipts"] == [{"user": users[0], "reached": "stored"}]
    assert got["results"][3]["receipts"] == [{"user": nobody, "reached": "unknown user"}]


async def test_receipts_say_who_has_it(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    await carol.sub(group)
    await carol.leave(group)
    wanted = {"from": alice.user, "topic": group, "content": 1, "receipt": "sender"}
    got = await api("POST", "/messages", wanted)
    found = {it["user"]: it["reached"] for it in got["results"][0]["receipts"]}
    assert found == {bob.user: "delivered", carol.user: "stored"}
    info = await until(alice, "info")
    assert (info["what"], info["event"]) == ("data", "receipt")
    assert info["payload"]["receipts"] == got["results"][0]["receipts"]
    assert info["payload"]["seq"] == 1


async def test_a_repeat_is_one_message(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    wanted = {"from": alice.user, "user": bob.user, "content": "once", "idem": "k1"}
    first = await api("POST", "/messages", wanted)
    again = await api("POST", "/messages", wanted)
    assert first.body == again.body
    assert (await api("POST", "/messages", wanted | {"idem": "k2"}))["results"][0]["seq"] == 2
    assert (await api("POST", "/messages", wanted | {"idem": "k" * 65})).status == 400


async def test_refusals_are_the_packets(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group = (await alice.sub("new")).topic
    wanted = {"from": carol.user, "topic": group, "content": 1}
    got = await api("POST", "/messages", wanted)
    assert (got.status, got["detail"]) == (403, f"the sender is no member of {group}")
    await carol.sub(group)
    assert (await api("POST", "/messages", wanted)).status == 202
    await alice.set(group, sub={"user": carol.user, "mode": "JRP"})
    assert (await api("POST", "/messages", wanted)).status == 403
    await alice.set(group, sub={"user": carol.user, "mode": "N"})
    assert (await api("POST", "/messages", wanted)).status == 403
    # a private chat that bob has shut
    await bob.sub(carol.user, set={"sub": {"mode": "JP"}})
    await bob.set(carol.user, sub={"user": carol.user, "mode": "N"})
    got = await api("POST", "/messages", {"from": carol.user, "user": bob.user, "content": 1})
    assert got.status == 403


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"user": None}, 400, "exactly one"),
        ({"topic": "grpAAAAAAAAAAE"}, 400, "exactly one"),
        ({"user": "bob"}, 400, "user"),
        ({"user": "usrAAAAAAAAAAE"}, 404, "usrAAAAAAAAAAE"),
        ({"from": "usrAAAAAAAAAAE"}, 404, "usrAAAAAAAAAAE"),
        ({"head": 1}, 400, "head"),
        ({"head": {"replace": 5}}, 400, "malformed"),
        ({"head": {"replace": ":5"}}, 403, "denied"),
        ({"content": "x" * 131_072}, 413, "131072"),
        ({"user": None, "topic": "grpAAAAAAAAAAE"}, 404, "grpAAAAAAAAAAE"),
        ({"user": None, "users": ["usrAAAAAAAAAAE"] * 1001}, 400, "users"),
    ],
)
async def test_what_is_wrong_is_named(server, api, change, status, word):
    bob = await server.user("bob")
    alice = await server.user("alice")
    wanted = {"from": alice.user, "user": bob.user, "content": 1} | change
    got = await api("POST", "/messages", wanted)
    assert got.status == status, got.body
    assert word in got["detail"]


async def test_ten_thousand_names(api):
    got = await api("POST", "/messages", {"users": ["usrAAAAAAAAAAE"] * 10_000, "content": 1})
    assert got.status == 400
    assert got["errors"][0]["field"] == "users"


async def test_to_oneself(server, api):
    alice = await server.user("alice")
    got = await api("POST", "/messages", {"from": alice.user, "user": alice.user, "content": 1})
    assert got.status == 400


async def test_a_batch(server, api):
    alice, bob = await server.user("alice"), await server.user("bob")
    good = {"from": alice.user, "user": bob.user, "content": 1}
    many = [good, good | {"from": "usrAAAAAAAAAAE"}, good | {"head": 5}, good]
    got = await api("POST", "/messages/batch", {"messages": many})
    assert got.status == 200
    found = [(it["results"][0]["status"], it["results"][0]["seq"]) for it in got["messages"]]
    assert found == [(202, 1), (404, 0), (400, 0), (202, 2)]
    assert (await api("POST", "/messages/batch", {"messages": [good] * 101})).status == 400


async def test_each_of_a_batch_gets_its_own_answer(server, api):
    """Of several authors, into several topics; some are refused, some make the conversation."""
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group, closed = (await alice.sub("new")).topic, (await bob.sub("new")).topic
    await alice.sub(bob.user)
    ways = [
        (alice, {"user": bob.user}, 202, 1),
        (alice, {"topic": closed}, 403, 0),
        (bob, {"user": carol.user}, 202, 1),
        (alice, {"topic": group}, 202, 1),
        (alice, {"users": [carol.user, bob.user]}, 202, 1),
        (bob, {"user": alice.user}, 202, 3),
        (carol, {"user": alice.user}, 202, 2),
    ]
    many = [{"from": who.user, "content": n, **to} for n, (who, to, _, _) in enumerate(ways)]
    got = await api("POST", "/messages/batch", {"messages": many})
    found = [it["results"] for it in got["messages"]]
    assert [(it[0]["status"], it[0]["seq"]) for it in found] == [way[2:] for way in ways]
    assert [it["user"] for it in found[4]] == [carol.user, bob.user]
    assert [it["seq"] for it in found[4]] == [1, 2]
    page = await alice.get(bob.user, "data")
    assert sorted((it["seq"], it["content"]) for it in page.data) == [(1, 0), (2, 4), (3, 5)]


async def test_a_batch_keeps_its_order_and_shares_commits(server, api):
    """Into a group, and into a conversation that there was not: each in the order of the batch."""
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    await bob.sub(group)
    many = []
    for n in range(45):
        to = {"user": bob.user} if n % 3 == 0 else {"topic": group}
        many.append({"from": alice.user, "content": n, **to})
    before = server.server.store.statistics().transactions
    got = await api("POST", "/messages/batch", {"messages": many})
    spent = server.server.store.statistics().transactions - before
    results = [it["results"][0] for it in got["messages"]]
    assert {result["status"] for result in results} == {202}
    await bob.sub(alice.user)
    for topic, chosen in (
        (group, [n for n in range(45) if n % 3]),
        (alice.user, list(range(0, 45, 3))),
    ):
        page = await bob.get(topic, "data")
        assert sorted((data["seq"], data["content"]) for data in page.data)[-15:] == [
            (results[n]["seq"], n) for n in chosen[-15:]
        ]
    assert spent < 30  # each alone would be 45


async def test_a_batch_into_a_full_inbox_is_told_so_one_by_one():
    async with running_server(limits={"inbox": 4}) as server:
        alice = await server.user("alice")
        group = (await alice.sub("new")).topic
        many = [{"from": alice.user, "topic": group, "content": n} for n in range(20)]
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, await key_for(server))
            got = await api("POST", "/messages/batch", {"messages": many})
        results = [it["results"][0] for it in got["messages"]]
        assert {result["status"] for result in results} == {202, 503}
        kept = [n for n, result in enumerate(results) if result["status"] == 202]
        assert [results[n]["seq"] for n in kept] == list(range(1, len(kept) + 1))
        page = await alice.get(group, "data")
        assert sorted(data["content"] for data in page.data) == kept


async def test_in_a_private_chat_by_its_own_name(server, api):
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    got = await api("POST", "/messages", {"from": alice.user, "user": bob.user, "content": 1})
    topic = got["results"][0]["topic"]
    wanted = {"from": bob.user, "topic": topic, "content": 2}
    assert (await api("POST", "/messages", wanted))["results"][0]["seq"] == 2
    assert (await api("POST", "/messages", wanted | {"from": carol.user})).status == 403
    assert (await api("POST", "/messages", {"topic": topic, "content": 3})).status == 403


async def test_the_limits_of_a_key(server, api):
    alice = await server.user("alice", tags=["red"])
    bob = await server.user("bob", tags=["blue"])
    group = (await bob.sub("new", set={"tags": ["red"]})).topic
    other = (await bob.sub("new")).topic
    red = await key_for(server, tags=("red",))
    one = await key_for(server, topics=(other,))

    async def verdict(key, **wanted):
        return (await api("POST", "/messages", {"content": 1, **wanted}, key=key)).status

    assert await verdict(red, user=alice.user) == 202
    assert await verdict(red, user=bob.user) == 404
    assert await verdict(red, user=alice.user, **{"from": bob.user}) == 404
    assert await verdict(red, topic=group) == 202
    assert await verdict(red, topic=other) == 404
    assert await verdict(one, topic=other, **{"from": bob.user}) == 202
    assert await verdict(one, topic=group) == 404
    assert await verdict(one, user=alice.user) == 404


async def test_one_writes_for_oneself_through_both_doors(server, api):
    """The same user, the same topics: what a packet may, a request may, and no more."""
    alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
    group = (await alice.sub("new")).topic
    for mode in ("N", "JRWPS", "JRP", "JWP", "JP", "RWP", "W", "JRW"):
        if mode == "N":
            reply = await bob.sub(group)
            await bob.leave(group)
        await alice.set(group, sub={"user": bob.user, "mode": mode})
        by_packets = await _by_packets(bob, group)
        got = await api("POST", "/me/messages", {"topic": group, "content": 1}, key=bob.token)
        assert (got.status < 300) is by_packets, (mode, got.body)
    assert reply
    got = await api("POST", "/me/messages", {"topic": group, "content": 1}, key=carol.token)
    assert got.status == 403


async def _by_packets(client, topic):
    from tinode_py.client import ClientError

    try:
        await client.sub(topic)
    except ClientError:
        return False
    try:
        await client.pub(topic, "x")
    except ClientError:
        return False
    finally:
        await client.leave(topic)
    return True


async def test_where_clients_do_not_publish(api):
    from tinode_py.client import ClientError
    from tinode_py.testing import running_server

    async with running_server(clients={"publish": False}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        root = await server.user("root", root=True)
        await bob.sub(alice.user)
        with pytest.raises(ClientError, match="403"):
            await bob.pub(alice.user, "x")
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            own = Api(http, await key_for(server))
            wanted = {"user": alice.user, "content": 1}
            assert (await own("POST", "/me/messages", wanted, key=bob.token)).status == 403
            got = await own("POST", "/messages", wanted | {"from": bob.user})
            assert got.status == 202
            path = f"/me/topics/{alice.user}/messages/1"
            assert (await own("PATCH", path, {"content": 2}, key=bob.token)).status == 403
        assert (await bob.receive())["data"]["content"] == 1
        await root.sub(bob.user)
        await root.pub(bob.user, "root may")
