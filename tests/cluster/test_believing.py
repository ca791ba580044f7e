"""What sessions take their contacts for, when the node of their `me` stops."""

from __future__ import annotations

import trio

from tests.cluster.parts import LEASE, nodes
from tests.cluster.test_failover import came
from tinode_py.client import Client
from tinode_py.testing import RunningServer


async def introduced(*people: Client) -> None:
    """Each has a conversation with each, and is on `me`."""
    for who in people:
        await who.sub("me")
        for other in people:
            if other.user != who.user:
                await who.sub(other.user)


async def told(client: Client, seconds: float) -> list[tuple[str, str]]:
    """What is heard of contacts for so long."""
    await trio.sleep(seconds)
    found = [packet.get("pres", {}) for packet in client.receive_all_nowait()]
    return [(it["src"], it["what"]) for it in found if it.get("what") in ("on", "off")]


async def two_devices(
    one: RunningServer, two: RunningServer, *others: tuple[str, RunningServer]
) -> list[Client]:
    """Alice's laptop on the second node while her `me` is on the first; the others, whom she
    takes for online.
    """
    phone, laptop = await one.user("alice"), await two.user("alice")
    friends = [await server.user(name) for name, server in others]
    await introduced(phone, *friends)
    await laptop.sub("me")
    await trio.sleep(1)
    laptop.receive_all_nowait()
    return [laptop, *friends]


async def test_a_contact_that_went_with_the_node_of_me_is_off(autojump_clock):
    """He was on that node, too: nobody is left who knew that she had been told of him."""
    async with nodes("a", "b") as (machines, (one, two)):
        laptop, bob, carol = await two_devices(one, two, ("bob", one), ("carol", two))
        machines.isolate("a")
        heard = await told(laptop, LEASE + 1)
        assert (bob.user, "off") in heard
        assert carol.user not in dict(heard), "she was there all the time"
        assert machines.owners()[laptop.user] == machines.number("b")
        await carol.aclose()
        with trio.fail_after(5):
            await came(laptop, "off", carol.user)


async def test_a_contact_that_left_meanwhile_is_off(autojump_clock):
    """His `off` went to a node that had stopped, and was not known to have."""
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        laptop, bob = await two_devices(one, two, ("bob", three))
        machines.isolate("a")
        await bob.aclose()
        assert (bob.user, "off") in await told(laptop, LEASE + 5)


async def test_a_contact_that_came_meanwhile_is_on(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        laptop, bob = await two_devices(one, two, ("bob", three))
        await bob.aclose()
        with trio.fail_after(5):
            await came(laptop, "off", bob.user)
        machines.isolate("a")
        again = await three.user("bob")
        await again.sub("me")
        assert await told(laptop, LEASE + 2) == [(bob.user, "on")]


async def test_contacts_are_right_after_two_nodes_in_a_row(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, two, three)):
        laptop, bob, carol = await two_devices(one, two, ("bob", three), ("carol", two))
        tablet = await three.user("alice")
        await tablet.sub("me")
        machines.isolate("a")
        assert await told(laptop, LEASE + 2) == []
        if machines.owners()[laptop.user] == machines.number("c"):
            machines.isolate("c")
            assert await told(laptop, LEASE + 2) == [(bob.user, "off")]
        else:
            machines.isolate("b")
            tablet.receive_all_nowait()
            assert await told(tablet, LEASE + 2) == [(carol.user, "off")]


async def test_contacts_are_right_after_a_link_was_lost(autojump_clock):
    """`me` lives on; what it said to the laptop did not arrive."""
    async with nodes("a", "b") as (machines, (one, two)):
        laptop, bob, carol = await two_devices(one, two, ("bob", one), ("carol", one))
        await carol.aclose()
        with trio.fail_after(5):
            await came(laptop, "off", carol.user)
        machines.network.block(machines.number("a"), machines.number("b"))
        await bob.aclose()
        again = await one.user("carol")
        await again.sub("me")
        await trio.sleep(LEASE)
        machines.network.free(machines.number("a"), machines.number("b"))
        assert sorted(await told(laptop, 1)) == sorted([(bob.user, "off"), (carol.user, "on")])
