"""What a node says of users, sessions, rooms and topics is true for all nodes."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.cluster.back_end import api_of
from tests.cluster.parts import LEASE, nodes
from tests.web.v1.conftest import arrived
from tinode_py.client import Client, ClientError


def named(found: Any) -> list[str]:
    return [item["user"] for item in found["items"]]


async def test_who_is_online(autojump_clock):
    async with nodes("a", "b", "c") as (_, (one, two, three)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        bob = await three.user("bob")
        await laptop.sub("me")
        api = await api_of(three)
        got = await api("GET", f"/users/{phone.user}/online")
        assert sorted(it["on_me"] for it in got["devices"]) == [False, True]
        assert len({it["session"] for it in got["devices"]}) == 2
        found = await api("GET", "/online")
        assert (sorted(named(found)), found["total"]) == (sorted([phone.user, bob.user]), 2)
        page = await api("GET", "/online?limit=1")
        rest = await api("GET", f"/online?limit=1&after={page['next']}")
        assert named(page) + named(rest) == sorted([phone.user, bob.user])
        assert (await api("GET", f"/users/{phone.user}"))["online"]
        logins = (await api("GET", f"/users/{phone.user}/sessions"))["items"]
        assert [row["live"] for row in logins] == [True, True]
        await phone.aclose()
        await laptop.aclose()
        await trio.sleep(1)
        assert not (await api("GET", f"/users/{phone.user}"))["online"]


async def test_what_the_server_counts(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        phone, laptop, bob = await one.user("alice"), await two.user("alice"), await two.user("bob")
        for client in (phone, laptop, bob):
            await client.sub("me")
        await phone.sub(bob.user)
        await bob.sub(phone.user)
        await trio.sleep(0.1)
        for server in (one, two):
            found = await (await api_of(server))("GET", "/server")
            assert (found["sessions"], found["users"], found["topics"]) == (3, 2, 3)


async def test_a_node_that_does_not_answer_is_named(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await trio.sleep(0.1)
        machines.network.block(machines.number("a"), machines.number("b"))
        api = await api_of(two)
        got = await api("GET", f"/users/{alice.user}/online")
        assert (got.status, got["detail"]) == (502, "no answer from a")
        assert (await api("GET", f"/users/{bob.user}/online"))["online"]
        assert (await api("GET", "/rooms")).status == 502
        assert (await api("GET", "/server")).status == 502
        machines.network.free(machines.number("a"), machines.number("b"))
        await trio.sleep(1)
        assert (await api("GET", f"/users/{alice.user}/online"))["online"]


async def test_forced_offline_from_another_node(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        await trio.sleep(0.1)
        api = await api_of(two)
        devices = (await api("GET", f"/users/{phone.user}/online"))["devices"]
        session = next(it["session"] for it in devices if it["login"] == 1)
        body = {"session": session, "reason": "enough"}
        got = await api("POST", f"/users/{phone.user}/offline", body)
        assert got["sessions"] == 1
        with trio.fail_after(1):
            await phone.wait_closed()
        assert (await api("POST", f"/users/{phone.user}/offline", {}))["sessions"] == 1
        with trio.fail_after(1):
            await laptop.wait_closed()


@pytest.mark.parametrize("duplicate", ["kick_older", "refuse"])
async def test_one_session_of_each_user(duplicate, autojump_clock):
    rules = {"policy": "one", "on_duplicate": duplicate}
    async with nodes("a", "b", sessions=rules) as (machines, (one, two)):
        first = await one.user("alice")
        await trio.sleep(0.1)
        if duplicate == "kick_older":
            second = await two.user("alice")
            with trio.fail_after(1):
                await first.wait_closed()
        else:
            with pytest.raises(ClientError) as refused:
                await two.user("alice")
            assert refused.value.code == 423
            await first.aclose()
            await trio.sleep(1)
            second = await two.user("alice")
        await trio.sleep(0.1)
        machines.network.block(machines.number("a"), machines.number("b"))
        with pytest.raises(ClientError) as refused:
            await one.user("alice")
        assert refused.value.code == 502
        machines.network.free(machines.number("a"), machines.number("b"))
        assert second.user == first.user


@pytest.mark.parametrize("policy", ["one", "one_per_platform"])
async def test_logins_at_the_same_moment(policy, autojump_clock):
    """Neither node has heard of the other login: one session of each platform is left."""
    async with nodes("a", "b", delay=0.05, sessions={"policy": policy}) as (_, (one, two)):
        first = await one.user("alice", hi={"platf": "web"})
        await first.aclose()
        await trio.sleep(1)
        first = await one.user("alice", hi={"platf": "web"})
        tablet = await two.user("alice", hi={"platf": "ios"})
        second = await two.user("alice", hi={"platf": "web"})
        with trio.fail_after(1):
            await second.wait_closed()
            if policy == "one":
                await tablet.wait_closed()
        await trio.sleep(1)
        found = (await (await api_of(two))("GET", f"/users/{first.user}/online"))["devices"]
        left = ["web"] if policy == "one" else ["ios", "web"]
        assert sorted(it["platform"] for it in found) == left


def is_word(event: str) -> Any:
    return lambda packet: packet.get("info", {}).get("event") == event


async def test_word_to_all(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await two.user("alice")
        api = await api_of(one)
        assert (await api("POST", "/broadcast", {"content": "hear"})).body == {
            "users": 2,
            "sessions": 3,
        }
        for client in (alice, bob):
            heard = await arrived(client, is_word("broadcast"))
            assert heard["info"]["payload"]["content"] == "hear"


async def test_receipts(autojump_clock):
    """Alice is in the chat on a, bob follows his inbox on b, carol is nowhere."""
    async with nodes("a", "b", "c") as (_, (one, two, three)):
        alice, bob = await one.user("alice"), await two.user("bob")
        carol = await two.user("carol")
        await carol.aclose()
        await bob.sub("me", get={"what": "inbox", "inbox": {}})
        group = (await alice.sub("new1", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        api = await api_of(three)
        for user in (bob.user, carol.user):
            await api("PUT", f"/topics/{group}/members/{user}", {})
        sent = {"from": alice.user, "content": 1, "receipt": "sender"}
        got = (await api("POST", "/messages", {**sent, "user": bob.user}))["results"][0]
        assert got["receipts"] == [{"user": bob.user, "reached": "delivered"}]
        word = await arrived(alice, is_word("receipt"))
        assert word["info"]["payload"]["receipts"] == got["receipts"]
        got = await api("POST", "/messages", {**sent, "from": bob.user, "topic": group})
        reached = {it["user"]: it["reached"] for it in got["results"][0]["receipts"]}
        assert reached == {alice.user: "delivered", carol.user: "stored"}


async def test_members_who_are_here(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = (await alice.sub("new1", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        await bob.sub(group)
        api = await api_of(two)
        assert (await api("GET", f"/topics/{group}"))["online"] == 2
        assert (await api("GET", "/topics"))["items"][0]["online"] == 2
        found = await api("GET", f"/topics/{group}/members?online=true")
        assert sorted(named(found)) == sorted([alice.user, bob.user])


async def test_rooms_of_all_nodes(autojump_clock):
    rules = {"clients": "create", "per_user": 2, "most": 4}
    async with nodes("a", "b", rooms=rules) as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await alice.sub("tmpA")
        await bob.sub("tmpA")
        await bob.sub("tmpB")
        for server in (one, two):
            api = await api_of(server)
            assert [(it["room"], it["online"]) for it in (await api("GET", "/rooms"))["items"]] == [
                ("tmpA", 2),
                ("tmpB", 1),
            ]
            page = await api("GET", "/rooms?limit=1")
            assert [it["room"] for it in page["items"]] == ["tmpA"]
            got = await api("GET", f"/users/{bob.user}/rooms")
            assert [(it["room"], it["online"]) for it in got["items"]] == [("tmpA", 2), ("tmpB", 1)]
        assert machines.owners()["tmpA"] != machines.owners()["tmpB"]
        brought = await api("PUT", f"/rooms/tmpC/members/{alice.user}", {})
        assert (brought["sessions"], brought["online"]) == (1, 1)
        assert machines.owners()["tmpC"] == machines.number("a")
        carol = await one.user("carol")
        await carol.sub("tmpD")
        with pytest.raises(ClientError) as refused:
            await (await two.user("dave")).sub("tmpE")
        assert refused.value.code == 422


async def active(client: Client, topic: str) -> None:
    await client.get(topic, "desc")


async def test_the_device_used_last_lends_its_user_agent(autojump_clock):
    """Whichever node it is on, over and over."""
    async with nodes("a", "b") as (_, (one, two)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        await phone.sub("me")
        await laptop.sub("me")
        for hub in (one.server.hub, two.server.hub, one.server.hub):
            client = phone if hub is one.server.hub else laptop
            await client.get("me", "desc")
            await trio.sleep(0.1)
            (link,) = hub.sessions_of(phone.user)
            other = two.server.hub if hub is one.server.hub else one.server.hub
            (elsewhere,) = other.sessions_of(phone.user)
            assert hub.is_agent(phone.user, link.sid)
            assert not other.is_agent(phone.user, elsewhere.sid)


async def test_a_lost_node_has_nobody(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice = await one.user("alice")
        machines.isolate("a")
        await trio.sleep(LEASE + 1)
        api = await api_of(two)
        assert (await api("GET", "/online")).body["items"] == []
        assert not (await api("GET", f"/users/{alice.user}/online"))["online"]
