"""A topic that is given to another node: nobody notices."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.cluster.parts import LEASE, Machines, nodes
from tests.cluster.test_failover import came, contents, group_of, in_sight, published
from tinode_py.client import Client, Packet
from tinode_py.cluster.serving import Serving
from tinode_py.errors import StoreAway
from tinode_py.live.runner import Runner
from tinode_py.testing import RunningServer

TIMES = 100


def serving(server: RunningServer) -> Serving:
    found: Any = server.server.hub.placement
    serving: Serving = found.serving
    return serving


async def given(machines: Machines, server: RunningServer, topic: str, to: str) -> None:
    """Give a topic away, and wait until that is done."""
    at = serving(server)
    assert at.begin_to_give(topic, machines.number(to))
    await trio.sleep(0.01)
    assert not at.giving
    assert machines.owners()[topic] == machines.number(to)


def giving_waits(machines: Machines) -> trio.Event:
    """The store gives no topic to anybody before this is set."""
    slow, give = trio.Event(), machines.coordination.give

    async def given_late(*arguments: Any) -> bool:
        await slow.wait()
        return await give(*arguments)

    machines.coordination.give = given_late  # type: ignore[method-assign, assignment]
    return slow


def presence(client: Client) -> list[tuple[str, str]]:
    """What has come so far."""
    found = [packet["pres"] for packet in client.receive_all_nowait() if "pres" in packet]
    return [(pres["what"], pres.get("src", "")) for pres in found]


async def test_a_topic_moves_and_its_readers_with_it(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice = await one.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        group = await group_of(alice, bob, carol)
        await alice.pub(group, "before")
        await given(machines, one, group, "b")
        for who in (alice, bob, carol):
            await who.pub(group, f"of {who.user}")
        for who in (alice, bob, carol):
            got = await contents(who, f"of {carol.user}")
            assert got == ["before", *(f"of {it.user}" for it in (alice, bob, carol))]
        assert isinstance(two.server.hub.loaded(group), Runner)
        await given(machines, two, group, "a")
        assert await carol.pub(group, "again") == 5
        assert await contents(alice, "again") == ["again"]


async def test_nothing_is_lost_or_doubled_while_topics_move_under_way(autojump_clock):
    """Everybody publishes without waiting, and the topic goes round."""
    async with nodes("a", "b", "c", delay=0.004) as (machines, (one, two, three)):
        alice = await one.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        group = await group_of(alice, bob, carol)
        acknowledged: list[str] = []
        over = trio.Event()

        async def talk(who: Client, name: str) -> None:
            async with trio.open_nursery() as nursery:
                for i in range(TIMES):
                    nursery.start_soon(say, who, f"{name}{i}")
                    await trio.sleep(0.013)

        async def say(who: Client, content: str) -> None:
            await who.pub(group, content)  # refused, it raises
            acknowledged.append(content)

        async def move() -> None:
            while not over.is_set():
                for server, to in ((one, "b"), (two, "c"), (three, "a")):
                    if serving(server).begin_to_give(group, machines.number(to)):
                        await trio.sleep(0.04)
                await trio.sleep(0.001)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            async with trio.open_nursery() as talking:
                for who, name in ((alice, "a"), (bob, "b"), (carol, "c")):
                    talking.start_soon(talk, who, name)
            over.set()
        moves = sum(serving(it).moved for it in (one, two, three))
        assert moves >= 5
        await alice.pub(group, "end")
        for who in (alice, bob, carol):
            got = await contents(who, "end")
            assert sorted(map(str, got[:-1])) == sorted(acknowledged)
            for name in "abc":
                own = [it for it in got if str(it).startswith(name)]
                assert own == [f"{name}{i}" for i in range(TIMES)]


async def test_what_waits_for_a_topic_that_moves_is_asked_of_the_new_owner(autojump_clock):
    """Of both sides, while the store takes its time."""
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice = await one.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        group = await group_of(alice, bob, carol)
        slow = giving_waits(machines)
        assert serving(one).begin_to_give(group, machines.number("b"))
        got: list[int] = []

        async def say(who: Client, i: int) -> None:
            got.append(await who.pub(group, i))

        async with trio.open_nursery() as nursery:
            for i in range(4):
                for who in (alice, bob, carol):
                    nursery.start_soon(say, who, i)
                await trio.sleep(0.1)
            assert got == []
            slow.set()
        assert sorted(got) == list(range(1, 13))
        assert (serving(one).moved, serving(one).kept) == (1, 0)


@pytest.mark.parametrize("refused", ["given to nobody", "not known for a while"])
async def test_a_topic_that_cannot_be_given_stays_and_nobody_notices(refused, autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)

        async def give(*arguments: Any) -> bool:
            await trio.lowlevel.checkpoint()
            if refused == "given to nobody":
                return False
            raise StoreAway("the store cannot be reached")

        machines.coordination.give = give  # type: ignore[method-assign, assignment]
        runner = one.server.hub.loaded(group)
        assert serving(one).begin_to_give(group, machines.number("b"))
        assert await bob.pub(group, "still") == 1
        assert await contents(alice, "still") == ["still"]
        assert one.server.hub.loaded(group) is runner
        assert (serving(one).moved, serving(one).kept) == (0, 1)


async def test_if_nobody_heard_whether_the_topic_was_given_the_store_says_it(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        give = machines.coordination.give

        async def given(*arguments: Any) -> bool:
            await give(*arguments)
            raise StoreAway("the connection was lost")

        machines.coordination.give = given  # type: ignore[method-assign, assignment]
        assert serving(one).begin_to_give(group, machines.number("b"))
        assert await alice.pub(group, "there") == 1
        assert await contents(bob, "there") == ["there"]
        assert isinstance(two.server.hub.loaded(group), Runner)


async def test_the_new_owner_stops_before_it_has_heard_of_it(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice = await one.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        group = await group_of(alice, bob, carol)
        assert serving(one).begin_to_give(group, machines.number("b"))
        machines.isolate("b")
        assert await published(alice, group, "after") <= LEASE + 1
        assert await contents(carol, "after") == ["after"]


async def test_the_link_to_the_new_owner_breaks_in_the_middle(autojump_clock):
    """It is told nothing. Who comes to it says that it has the topic."""
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice = await one.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        group = await group_of(alice, bob, carol)
        a, b = machines.number("a"), machines.number("b")
        assert serving(one).begin_to_give(group, b)
        machines.network.block(a, b)
        assert await carol.pub(group, "reached") == 1
        assert await contents(bob, "reached") == ["reached"]
        machines.network.free(a, b)
        await trio.sleep(1)
        assert await contents(alice, "reached") == ["reached"]


async def test_a_me_moves_and_no_contact_is_told_of_it(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        bob, carol = await two.user("bob"), await three.user("carol")
        for who in (phone, laptop, bob, carol):
            await who.sub("me", get={"what": "inbox", "inbox": {}})
        for who in (bob, carol):
            await who.sub(phone.user)
            await phone.sub(who.user)
        await trio.sleep(5)
        for who in (phone, laptop, bob, carol):
            who.receive_all_nowait()
        await given(machines, one, phone.user, "b")
        await trio.sleep(6)
        assert [presence(who) for who in (phone, laptop, bob, carol)] == [[], [], [], []]
        await bob.pub(phone.user, "one")
        for device in (phone, laptop):
            items: list[Packet] = []
            while not items:
                items = (await device.receive()).get("meta", {}).get("inbox", {}).get("items", [])
            assert [item["content"] for item in items] == ["one"]
        await carol.aclose()
        with trio.fail_after(10):
            await came(laptop, "off", carol.user)
            await came(phone, "off", carol.user)
        await phone.aclose()
        await laptop.aclose()
        with trio.fail_after(10):
            await came(bob, "off", phone.user)


async def test_a_contact_who_goes_while_the_me_moves_is_told_off(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await in_sight(one, two)
        slow = giving_waits(machines)
        assert serving(one).begin_to_give(alice.user, machines.number("b"))
        await bob.aclose()
        await trio.sleep(6)
        slow.set()
        with trio.fail_after(3):
            await came(alice, "off", bob.user)


async def test_what_others_rely_upon_does_not_move(autojump_clock):
    ice = {"ice_servers": [{"urls": ["stun:stun.example"]}]}
    async with nodes("a", "b", calls=ice, rooms={"clients": "create"}) as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await alice.sub("tmpA")
        await alice.sub("fnd")
        await alice.sub(bob.user)
        await bob.sub(alice.user)
        call = {"webrtc": "started"}
        await alice.pub(bob.user, "call", head=call)
        topics = serving(one).topics()
        assert {topic[:3] for topic in topics} == {"tmp", "fnd", "p2p"}
        for topic in topics:
            assert not serving(one).begin_to_give(topic, machines.number("b"))
