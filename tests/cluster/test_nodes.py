"""Two or three nodes: people on any of them talk as if there were one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

from tests.cluster.parts import nodes
from tinode_py.client import Client, Packet
from tinode_py.config import Settings


async def data(client: Client, count: int) -> AsyncIterator[Packet]:
    """The next messages that come to a client."""
    while count:
        packet = await client.receive()
        if "data" in packet:
            count -= 1
            yield packet


async def test_a_message_from_one_node_to_another(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await alice.sub(bob.user)
        await bob.sub("me")
        sent = await alice.pub(bob.user, "hello")
        assert sent == 1
        while True:
            pres = (await bob.receive())["pres"]
            if pres["what"] == "msg":
                break
        await bob.sub(alice.user, get={"what": "data"})
        await bob.pub(alice.user, "and hello to you")
        got = [packet["data"]["content"] async for packet in data(alice, 2)]
        assert got == ["hello", "and hello to you"]
        owners = machines.owners()
        assert owners[bob.user] == machines.number("b")
        (p2p,) = (name for name in owners if name.startswith("p2p"))
        assert owners[p2p] == machines.number("a")


async def test_on_me_a_message_is_told_to_sessions_that_are_not_in_the_topic(autojump_clock):
    """The topic's node does not know which sessions are on a `me` elsewhere; that node does."""
    async with nodes("a", "b") as (_, (one, two)):
        alice, here = await one.user("alice"), await two.user("bob")
        group = (await alice.sub("new", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        await here.sub("me")
        await here.sub(group)
        await alice.pub(group, "first")
        async with two.connect() as beside:
            await beside.hi()
            await beside.login_token(here.token)
            await beside.sub("me")
            await alice.pub(group, "second")
            while (await beside.receive()).get("pres", {}).get("what") != "msg":
                pass
        await alice.pub(group, "third")
        heard = [await here.receive()]
        while heard[-1].get("data", {}).get("content") != "third":
            heard.append(await here.receive())
        assert not [it for it in heard if it.get("pres", {}).get("what") == "msg"]


async def test_on_me_nobody_is_told_that_he_has_written(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        alice, phone, bob = await one.user("alice"), await two.user("alice"), await two.user("bob")
        group = (await alice.sub("new", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        await bob.sub(group)
        await bob.leave(group)
        for device in (phone, bob):
            await device.sub("me")
        await trio.sleep(1)
        await alice.pub(group, "hello")
        told = {}
        for name, device in (("phone", phone), ("bob", bob)):
            while (packet := await device.receive()).get("pres", {}).get("what") != "msg":
                pass
            told[name] = packet["pres"]
        assert (told["phone"]["seq"], told["phone"].get("act")) == (1, None)
        assert (told["bob"]["seq"], told["bob"].get("act")) == (1, alice.user)


async def test_a_setting_made_at_run_time_holds_on_every_node(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        await one.server.standing.set(["limits.tags=3"])
        await trio.sleep(1)
        assert two.server.settings.limits.tags == 3
        await two.server.standing.unset(["limits.tags"])
        await trio.sleep(1)
        assert one.server.settings.limits.tags == Settings().limits.tags
