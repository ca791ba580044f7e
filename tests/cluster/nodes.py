"""Several nodes in one process: links over streams in memory that can be cut."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import attrs
import trio
import trio.testing

from tinode_py.cluster.link import Links, Peer
from tinode_py.cluster.protocol import Message
from tinode_py.store.coordination import Member

SECRET = b"the secret of this cluster"


class Wire(trio.abc.Stream):
    """One end of a connection. What goes out may be lost on the way, or never be taken."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner = inner
        self.cut = False  # what is sent is lost, and so is the end of it
        self.stuck = False  # nothing that is sent is taken
        self.out = bytearray()  # what was sent
        self.writes: list[int] = []  # the bytes of each write

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.stuck:
            await trio.sleep_forever()
        self.out += data
        self.writes.append(len(data))
        if self.cut:
            await trio.lowlevel.checkpoint()
        else:
            await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        if not self.cut:
            await self.inner.aclose()
        await trio.lowlevel.checkpoint()


@attrs.define
class Heard:
    """A handler that writes down what it hears, and holds that it comes in order."""

    told: list[tuple[str, object]] = attrs.field(factory=list)
    now: dict[int, Peer] = attrs.field(factory=dict)
    slow: float = 0.0  # seconds that each message takes; below 0: no checkpoint
    resets: bool = False  # the peer, with the first message
    most: int = 0  # messages at work at the same time
    _at_work: int = 0

    def connected(self, peer: Peer) -> None:
        assert peer.id not in self.now
        self.now[peer.id] = peer
        self.told.append(("connected", peer.id))

    async def received(self, peer: Peer, message: Message) -> None:
        assert self.now[peer.id] is peer
        self.told.append(("received", message))
        if self.resets:
            peer.reset("enough")
        if self.resets or self.slow < 0:
            return
        self._at_work += 1
        self.most = max(self.most, self._at_work)
        try:
            await trio.sleep(self.slow)
        finally:
            self._at_work -= 1

    def lost(self, peer: Peer) -> None:
        assert self.now.pop(peer.id) is peer
        assert not peer.send_packed(b"")
        self.told.append(("lost", peer.reason))

    def words(self, word: str) -> list[Any]:
        return [what for said, what in self.told if said == word]


@attrs.define
class Node:
    links: Any  # or who pretends to be such
    heard: Heard
    scope: trio.CancelScope
    member: Member


@attrs.define
class Network:
    """The nodes there are, and the connections between them."""

    nursery: trio.Nursery
    nodes: dict[str, Node] = attrs.field(factory=dict)
    wires: list[tuple[Wire, Wire]] = attrs.field(factory=list)  # who connected first
    refusing: bool = False
    deaf: bool = False  # connections are made, and nothing comes through

    async def connect(self, address: str) -> trio.abc.Stream:
        await trio.sleep(0.001)
        node = self.nodes.get(address)
        if node is None or self.refusing:
            raise ConnectionRefusedError("refused")
        near, far = map(Wire, trio.testing.memory_stream_pair())
        near.cut = far.cut = self.deaf
        self.wires.append((near, far))
        self.nursery.start_soon(node.links.accept, far)
        return near

    def start(self, id: int, secret: bytes = SECRET, address: str = "", **terms: Any) -> Node:
        heard = Heard()
        chance = random.Random(id)
        address = terms["address"] = address or f"node{id}:7070"
        links = Links(id, secret, self.connect, heard, random_bytes=chance.randbytes, **terms)
        member = Member(id, f"n{id}", address, "")
        node = self.nodes[address] = Node(links, heard, trio.CancelScope(), member)
        self.nursery.start_soon(_within, node.scope, links.run)
        return node

    def stop(self, node: Node) -> None:
        node.scope.cancel()
        self.nodes = {address: other for address, other in self.nodes.items() if other != node}

    def know(self, nodes: Iterable[Node] | None = None) -> None:
        """Every node knows these, or all, to be the members."""
        members = [node.member for node in (nodes or self.nodes.values())]
        for node in self.nodes.values():
            node.links.members(members)


async def _within(scope: trio.CancelScope, run: object) -> None:
    with scope:
        await run()  # type: ignore[operator]
