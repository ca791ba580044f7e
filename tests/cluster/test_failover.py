"""A node that stops: whoever is on another one goes on talking within the lease and a second."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import trio

from tests.cluster.parts import LEASE, Machines, nodes
from tinode_py.client import Client, ClientError, Packet
from tinode_py.testing import RunningServer


async def published(client: Client, topic: str, content: object) -> float:
    """Publish until it is taken; how long that took."""
    began = trio.current_time()
    while True:
        try:
            await client.pub(topic, content)
        except ClientError as error:
            if error.code not in (502, 503):
                raise
            await trio.sleep(0.1)
        else:
            return trio.current_time() - began


async def contents(client: Client, until: object) -> list[object]:
    """The messages that come, up to one."""
    found: list[object] = []
    while not found or found[-1] != until:
        packet = await client.receive()
        if "data" in packet:
            found.append(packet["data"]["content"])
    return found


async def came(client: Client, what: str, src: str) -> None:
    """Wait for a presence notice."""
    while True:
        pres = (await client.receive()).get("pres", {})
        if (pres.get("what"), pres.get("src")) == (what, src):
            return


async def in_sight(one: RunningServer, other: RunningServer) -> tuple[Client, Client]:
    """Alice on one node, bob on another; each is on `me`, and knows that the other is there."""
    alice, bob = await one.user("alice"), await other.user("bob")
    for who, peer in ((alice, bob), (bob, alice)):
        await who.sub("me")
        await who.sub(peer.user)
    await came(alice, "on", bob.user)
    return alice, bob


async def group_of(owner: Client, *others: Client) -> str:
    """A group, all attached; its task is on the owner's node."""
    reply = await owner.sub("new1", set={"desc": {"defacs": {"auth": "JRWPS"}}})
    name: str = reply.topic
    for other in others:
        await other.sub(name)
    return name


async def test_a_topic_whose_node_stops_goes_on_elsewhere(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice, bob, carol = (
            await one.user("alice"),
            await two.user("bob"),
            await three.user("carol"),
        )
        group = await group_of(alice, bob, carol)
        assert machines.owners()[group] == machines.number("a")
        for i in range(3):
            await bob.pub(group, i)
        machines.isolate("a")
        assert await published(bob, group, "after") <= LEASE + 1
        assert machines.owners()[group] in (machines.number("b"), machines.number("c"))
        assert await contents(carol, "after") == [0, 1, 2, "after"]
        await carol.pub(group, "from carol")
        assert await contents(bob, "from carol") == [0, 1, 2, "after", "from carol"]


async def test_a_node_that_comes_back_is_another_member(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        before = machines.number("a")
        machines.isolate("a")
        await published(bob, group, "meanwhile")
        machines.connect_again("a")
        with trio.fail_after(LEASE):
            await alice.wait_closed()
        await trio.sleep(1)
        assert machines.number("a") > before
        again = await one.user("alice")
        await again.sub(group)
        await again.pub(group, "back")
        assert await contents(bob, "back") == ["meanwhile", "back"]


async def test_a_message_that_was_acknowledged_is_never_missing(autojump_clock):
    """What is published while the node of the topic stops is there once or was refused."""
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        alice, bob, carol = (
            await one.user("alice"),
            await two.user("bob"),
            await three.user("carol"),
        )
        group = await group_of(alice, bob, carol)
        acknowledged = []

        async def talk() -> None:
            for i in range(200):
                try:
                    await bob.pub(group, i)
                except ClientError:
                    pass
                else:
                    acknowledged.append(i)
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.sleep(2)
            machines.isolate("a")
        await published(bob, group, "end")
        got = await contents(carol, "end")
        numbers = [number for number in got if isinstance(number, int)]
        assert numbers == sorted(set(numbers))
        assert set(acknowledged) <= set(got)
        assert len(acknowledged) > 50


async def test_me_goes_on_elsewhere(autojump_clock):
    """Alice's other device is on the node that stops, and her `me` is there."""
    async with nodes("a", "b") as (machines, (one, two)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        bob = await two.user("bob")
        await phone.sub("me")
        await laptop.sub("me", get={"what": "inbox", "inbox": {}})
        assert machines.owners()[laptop.user] == machines.number("a")
        await bob.sub(laptop.user)
        await bob.pub(laptop.user, "one")
        machines.isolate("a")
        await trio.sleep(LEASE + 1)
        await bob.pub(laptop.user, "two")
        found: list[Packet] = []
        while len(found) < 2:
            packet = await laptop.receive()
            found += packet.get("meta", {}).get("inbox", {}).get("items", [])
        assert [item["content"] for item in found] == ["one", "two"]
        assert machines.owners()[laptop.user] == machines.number("b")


async def test_contacts_of_a_lost_node_go_offline(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await alice.sub("me")
        await bob.sub("me")
        await alice.sub(bob.user)
        await bob.sub(alice.user)
        await came(bob, "on", alice.user)
        machines.isolate("a")
        with trio.fail_after(LEASE + 1):
            await came(bob, "off", alice.user)


async def test_a_link_that_breaks_leaves_no_gap(autojump_clock):
    async with nodes("a", "b", delay=0.01) as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        for i in range(30):
            await alice.pub(group, i)
            if i % 7 == 3:
                machines.network.reset(machines.number("a"), machines.number("b"))
        assert await contents(bob, 29) == list(range(30))


async def test_a_session_that_missed_too_much_is_ended(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        machines.network.block(machines.number("a"), machines.number("b"))
        for i in range(150):
            await alice.pub(group, i)
        machines.network.free(machines.number("a"), machines.number("b"))
        with trio.fail_after(5):
            await bob.wait_closed()
        assert bob.close_code == 1012


async def test_a_node_that_is_told_to_stop_hands_its_topics_over(autojump_clock):
    machines = Machines()
    with trio.fail_after(60):
        async with machines.node("b") as two:
            async with machines.node("a") as one:
                await trio.sleep(1)
                alice, bob = await one.user("alice"), await two.user("bob")
                group = await group_of(alice, bob)
                await alice.pub(group, "before")
            assert await published(bob, group, "after") < 1
            assert await contents(bob, "after") == ["before", "after"]
            assert machines.owners()[group] == machines.number("b")


async def test_a_node_that_cannot_commit_sees_at_once_why(autojump_clock):
    """It does not wait for its next beat, and is a member again."""
    async with nodes("a", "b") as (machines, (one, _)):
        alice = await one.user("alice")
        group = (await alice.sub("new1")).topic
        await alice.pub(group, "before")
        before = machines.number("a")
        await trio.sleep(0.6)  # just after a beat
        await machines.coordination.leave(before)
        began = trio.current_time()
        with contextlib.suppress(ClientError):
            await alice.pub(group, "refused")
        await alice.wait_closed()
        assert trio.current_time() - began < 0.01
        await trio.sleep(0.01)
        assert machines.number("a") > before


async def test_whose_sub_still_waits_when_the_link_is_lost_does_not_stay(autojump_clock):
    """Nobody would ever tell the topic that the session is gone."""
    async with nodes("a", "b") as (machines, (one, two)), trio.open_nursery() as nursery:
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice)
        machines.cables["a"].held = held = trio.Event()
        nursery.start_soon(alice.pub, group, "takes its time")
        async with two.connect() as phone:
            await phone.hi()
            await phone.login_token(bob.token)
            nursery.start_soon(_refused, phone.sub, group)
            await trio.sleep(0.1)
            machines.network.reset(machines.number("a"), machines.number("b"))
            machines.network.block(machines.number("a"), machines.number("b"))
            await trio.sleep(0.1)
        await trio.sleep(0.1)
        held.set()
        await trio.sleep(1)
        assert {it.user for it in one.server.hub.loaded(group).state.attached} == {alice.user}


async def _refused(ask: Callable[[str], Awaitable[object]], topic: str) -> None:
    with contextlib.suppress(ClientError):
        await ask(topic)
