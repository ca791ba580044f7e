"""Topics go where they are used, away from a node with much work, and from one that ends."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.cluster.parts import Machines, nodes
from tests.cluster.test_failover import contents, group_of, published
from tinode_py.client import Client
from tinode_py.cluster.node import Node
from tinode_py.cluster.rebalance import EVERY, HALF
from tinode_py.testing import RunningServer


def node(server: RunningServer) -> Node:
    found: Any = server.server.hub.placement
    assert isinstance(found, Node)
    return found


async def say(group: str, times: dict[Client, int]) -> None:
    for who, count in times.items():
        for i in range(count):
            await who.pub(group, i)


async def test_a_conversation_goes_to_where_its_people_are(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob, carol = await one.user("alice"), await two.user("bob"), await two.user("carol")
        group = await group_of(alice, bob, carol)
        assert machines.owners()[group] == machines.number("a")
        await say(group, {alice: 6, bob: 15, carol: 15})
        await trio.sleep(2 * EVERY)
        assert machines.owners()[group] == machines.number("b")
        figures = one.server.figures()["node"]
        assert (figures["moved"], figures["kept"]) == (1, 0)


@pytest.mark.parametrize(
    ("here", "there"), [(12, 20), (0, 6), (20, 20)], ids=["not clearly", "little", "as much"]
)
async def test_it_stays_where_that_makes_no_difference(here, there, autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        await say(group, {alice: here, bob: there})
        await trio.sleep(HALF)
        assert machines.owners()[group] == machines.number("a")


async def test_it_does_not_swing(autojump_clock):
    """Now one talks, now the other."""
    async with nodes("a", "b") as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        for who in (bob, alice) * 10:
            await say(group, {who: 12})
            await trio.sleep(EVERY)
        moved = node(one).serving.moved + node(two).serving.moved
        assert moved <= 2


async def test_what_only_others_read_goes_to_them(autojump_clock):
    """The author of an announcement has gone; who is left only listens, and types."""
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob, carol = await one.user("alice"), await two.user("bob"), await two.user("carol")
        group = await group_of(alice, bob, carol)
        await alice.leave(group)
        for _ in range(12):
            await bob.note(group, "kp")
            await trio.sleep(1)
        await trio.sleep(2 * EVERY)
        assert machines.owners()[group] == machines.number("b")


async def test_no_more_move_than_the_settings_allow(autojump_clock):
    async with nodes("a", "b", moves=1) as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        groups = [await group_of(alice, bob) for _ in range(3)]
        for moved in (1, 2):
            for group in groups:
                await say(group, {bob: 30})
            await trio.sleep(2 * EVERY)
            assert node(one).serving.moved == moved
            await trio.sleep(60)


async def test_a_node_with_much_work_gives_away_what_others_use(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        used, own = await group_of(alice, bob), await group_of(alice)
        rebalance = node(one).rebalance
        await say(used, {alice: 20, bob: 16})
        await say(own, {alice: 20})
        rebalance.cpu = lambda: trio.current_time() * 0.85
        node(two).rebalance.cpu = lambda: trio.current_time() * 0.6
        await trio.sleep(3 * EVERY)
        assert {machines.owners()[it] for it in (used, own)} == {machines.number("a")}
        await say(used, {alice: 20, bob: 16})
        node(two).rebalance.cpu = lambda: trio.current_time() * 0.2
        await trio.sleep(3 * EVERY)
        assert machines.owners()[used] == machines.number("b")
        assert machines.owners()[own] == machines.number("a")


async def test_a_node_that_ends_gives_topics_to_those_who_use_them(autojump_clock):
    """Nobody on other nodes waits for anything."""
    machines, stop = Machines(), trio.Event()

    async def live(name: str, task_status: trio.TaskStatus[RunningServer]) -> None:
        async with machines.node(name) as server:
            task_status.started(server)
            await stop.wait()

    with trio.fail_after(60):
        async with machines.node("b") as two, trio.open_nursery() as nursery:
            one = await nursery.start(live, "a")
            await trio.sleep(1)
            alice, bob = await one.user("alice"), await two.user("bob")
            groups = [await group_of(alice, bob) for _ in range(40)]
            served, longest = node(one).serving, 0.0
            for i in range(120):
                longest = max(longest, await published(bob, groups[i % 40], i))
                if i == 30:
                    stop.set()
                await trio.sleep(0.005)
            assert served.moved == 40
            assert longest < 0.1
            got = await contents(bob, 119)
            assert got == [*range(120)]
