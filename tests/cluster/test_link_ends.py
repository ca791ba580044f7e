"""Links of nodes that come, leave and end: who has ended is buried, who lives is not."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.linked import settle, two
from tests.cluster.nodes import Network
from tinode_py.cluster.protocol import News


async def test_members_that_leave_and_come(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    network.know([a])
    await settle()
    assert a.heard.words("lost") == ["it is no member of the cluster any more"]
    assert len(b.heard.words("lost")) == 1
    await settle(60)
    assert len(network.wires) == 1  # nobody tries any more
    network.stop(b)
    c = network.start(3, address="node2:7070")
    network.know([a, c])
    await settle()
    assert set(a.links.peers) == {3}
    assert a.heard.words("connected") == [2, 3]


async def test_a_member_that_has_gone_just_now_is_not_called(
    autojump_clock: Clock, network: Network
) -> None:
    """Its end may be known before the pause between two attempts is over for its task."""
    a = network.start(1)
    with trio.fail_after(1):
        await a.links._keep(2, trio.CancelScope())
    assert network.wires == []


async def test_the_end_of_a_node_is_seen_at_once(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    a.links.peers[2].send(News())
    await a.links.peers[2].wait_sent()
    network.stop(b)
    await settle(0.01)
    assert b.heard.told == [
        *(("connected", 1), ("received", News())),
        ("lost", "this node ends it"),
    ]
    assert a.heard.told == [("connected", 2), ("lost", "it closed the connection")]
    await settle(10)
    assert a.links.peers == {}


@pytest.mark.parametrize("draining", [True, False])
async def test_only_a_node_that_did_not_say_that_it_ends_is_missed(
    autojump_clock: Clock, network: Network, caplog: pytest.LogCaptureFixture, draining: bool
) -> None:
    caplog.set_level(logging.INFO)
    network.start(1, ending={2} if draining else set())
    b = network.start(2)
    network.know()
    await settle()
    network.stop(b)
    await settle(1)
    for text in ("lost the link to node 2: it closed the connection", "no link to node 2 (n2"):
        (said,) = [it for it in caplog.records if it.getMessage().startswith(text)]
        assert said.levelno == (logging.INFO if draining else logging.WARNING)


@pytest.mark.parametrize("ended", [1, 2])
async def test_a_node_that_has_ended_is_buried(
    autojump_clock: Clock, network: Network, ended: int
) -> None:
    """Whoever of the two had made the connection, and as soon as the store agrees."""
    buried: list[tuple[int, float]] = []

    async def bury(node: int) -> bool:
        buried.append((node, trio.current_time()))
        return len(buried) == 2

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    began = trio.current_time()
    network.stop(a if ended == 1 else b)
    await settle(30)
    assert [node for node, _ in buried] == [ended, ended]
    assert buried[1][1] - began < 0.2


@pytest.mark.parametrize("ticks", range(12))
async def test_a_link_may_be_lost_while_the_node_ends(
    autojump_clock: Clock, network: Network, ticks: int
) -> None:
    """Nothing is begun for it any more: whichever of the two comes first, or both at once."""

    async def bury(node: int) -> bool:
        return False

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    b.links.peers[1].reset("a test")
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    network.stop(b)
    network.stop(a)
    await settle(10)


async def test_a_node_that_lives_is_not_buried(autojump_clock: Clock, network: Network) -> None:
    """Its connection broke, or it cannot be reached, or it went in good order."""
    buried: list[int] = []

    async def bury(node: int) -> bool:
        buried.append(node)
        return False

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    for wires in range(1, 4):
        a.links.peers[2].reset("a test")
        await settle(1)
        assert wires < len(network.wires)
    network.deaf = True
    a.links.peers[2].reset("a test")
    await settle(10)
    network.deaf = False
    await settle(10)
    assert list(a.links.peers) == [2]
    network.know([a])
    network.stop(b)
    await settle(10)
    assert buried == []
