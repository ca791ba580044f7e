"""Two nodes with a link between them, and one that is linked to the test."""

from __future__ import annotations

import random

import trio

from tests.cluster.nodes import SECRET, Network, Node
from tinode_py.cluster import handshake
from tinode_py.cluster.handshake import Credentials
from tinode_py.store.coordination import Member

LEASE = 5.0


async def settle(seconds: float = 0.5) -> None:
    """Virtual time in which what can happen does."""
    await trio.sleep(seconds)


async def two(network: Network) -> tuple[Node, Node]:
    a, b = network.start(1), network.start(2)
    network.know()
    await settle()
    assert a.heard.told == [("connected", 2)]
    assert b.heard.told == [("connected", 1)]
    return a, b


async def joined(network: Network, node: Node) -> trio.abc.Stream:
    """A connection of node 1 to `node`, after the handshake; the test is node 1."""
    node.links.members([Member(1, "n1", "node1:7070", "")])
    stream = await network.connect(node.member.address)
    chance = random.Random(5)
    await handshake.connect(stream, Credentials(1, SECRET, chance.randbytes), node.links.me)
    await settle(0.01)
    return stream
