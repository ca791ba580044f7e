"""A store that fails or waits when told to, and a client of bare bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import attrs
import trio
import trio.testing

from tests.web.parts import Reader, text, upgraded
from tinode_py.changes import Batch, Outcome
from tinode_py.client import Packet
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries import Query
from tinode_py.store.base import Statistics, Store
from tinode_py.testing import RunningServer

T = TypeVar("T")


@attrs.define
class TrickyStore:
    """Another store, which obeys."""

    store: Store
    gate: trio.Event = attrs.field(factory=trio.Event)  # what is written waits for it
    answers: trio.Event = attrs.field(factory=trio.Event)  # what was read waits for it
    failing: bool = False
    away: bool = False  # for the time being
    unreadable: bool = False
    broken: type[Query[Any]] | None = None  # fetching one of these is a bug

    def __attrs_post_init__(self) -> None:
        self.gate.set()
        self.answers.set()

    async def fetch(self, query: Query[T]) -> T:
        if self.away:
            raise StoreAway("the store cannot be reached")
        if self.unreadable:
            raise StoreError("the disk is broken")
        if self.broken and isinstance(query, self.broken):
            raise ZeroDivisionError("a bug")
        found = await self.store.fetch(query)
        if not self.answers.is_set():
            await self.answers.wait()
        return found

    async def commit(self, batch: Batch) -> Outcome:
        await self.gate.wait()
        if self.away:
            raise StoreAway("the store cannot be reached")
        if self.failing:
            raise StoreError("the disk is full")
        return await self.store.commit(batch)

    def statistics(self) -> Statistics:
        return self.store.statistics()


def trick(server: RunningServer) -> TrickyStore:
    """Topics that are loaded from now on use a store that obeys."""
    store = TrickyStore(server.server.store)
    server.server.hub.store = store
    return store


def inbox_items(packets: Iterable[Packet]) -> list[Any]:
    """All that a session was told of its inbox, in order."""
    found = (packet["meta"].get("inbox", {}) for packet in packets if "meta" in packet)
    return [item for page in found for item in page.get("items", ())]


@attrs.define
class BareClient:
    """A logged-in websocket that reads only when told to, and answers no ping."""

    stream: trio.abc.Stream
    reader: Reader

    async def send(self, *packets: Packet) -> None:
        """All of them in one write."""
        await self.stream.send_all(b"".join(text(json.dumps(packet)) for packet in packets))

    async def receive(self) -> Packet:
        _, payload = await self.reader.frame()
        packet: Packet = json.loads(payload)
        return packet


async def bare_client(server: RunningServer, token: str, *, narrow: bool = False) -> BareClient:
    """`narrow`: what the server writes is taken only when this client reads."""
    pair = trio.testing.lockstep_stream_pair if narrow else trio.testing.memory_stream_pair
    mine, theirs = pair()
    server.server.front.adopt(theirs)
    found = BareClient(mine, await upgraded(mine))
    await found.send({"hi": {"id": "h", "ver": "0.25", "ua": "bare"}})
    await found.receive()
    await found.send({"login": {"id": "l", "scheme": "token", "secret": token}})
    assert (await found.receive())["ctrl"]["code"] == 200
    return found


def topic_names(server: RunningServer) -> set[str]:
    return {runner.state.name for runner in server.server.hub.runners()}


def presence(packets: list[Packet], what: str) -> list[Packet]:
    return [packet["pres"] for packet in packets if packet.get("pres", {}).get("what") == what]
