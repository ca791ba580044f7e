"""Servers that are broken on purpose, so that it is seen that the checks notice.

Each plant stands between a server and what it stands on: the store, the coordination, the links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from tinode_py.changes import Batch, Committed, Outcome
from tinode_py.cluster.node import Node
from tinode_py.cluster.peer import Peer
from tinode_py.cluster.protocol import Fan, Message
from tinode_py.errors import Fenced, StoreAway

SOME = 7  # of so many messages that a plant concerns, one is

PLANTS = {
    "fence": "what a node writes that is no member any more is written all the same",
    "early": "what the store has not taken is acknowledged",
    "owners": "a node takes a topic for its own which another node has",
    "drop": "a message for readers on another node is lost on its way",
    "twice": "a message for readers on another node comes twice",
}


def coordination(plant: str, cable: Any) -> Any:
    return _Greedy(cable) if plant == "owners" else cable


def store(plant: str, cable: Any) -> Any:
    broken = {"fence": _Unfenced, "early": _Early}
    return broken[plant](cable) if plant in broken else cable


def handler(plant: str, node: Node) -> Any:
    return _Careless(node, plant) if plant in ("drop", "twice") else node


class _Broken:
    """As what it stands for, but for what a subclass does."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class _Greedy(_Broken):
    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = await self.real.claim(node, topics)
        chance = self.real.world.rng.randrange
        return {topic: owner if chance(SOME) else node for topic, owner in owners.items()}


class _Unfenced(_Broken):
    async def commit(self, batch: Batch) -> Outcome:
        try:
            outcome: Outcome = await self.real.commit(batch)
        except Fenced:
            self.real.world.history.on_commit(self.real.node, batch)
            return self.real.world.store.write(batch)  # type: ignore[no-any-return]
        return outcome


class _Early(_Broken):
    async def commit(self, batch: Batch) -> Outcome:
        try:
            outcome: Outcome = await self.real.commit(batch)
        except StoreAway:
            return Committed()
        return outcome


@attrs.define
class _Careless:
    node: Node
    plant: str
    _seen: int = 0

    def connected(self, peer: Peer) -> None:
        self.node.connected(peer)

    async def received(self, peer: Peer, message: Message) -> None:
        if isinstance(message, Fan):
            self._seen += 1
            if not self._seen % SOME and self.plant == "drop":
                return
            if not self._seen % SOME:
                await self.node.received(peer, message)
        await self.node.received(peer, message)

    def lost(self, peer: Peer) -> None:
        self.node.lost(peer)
