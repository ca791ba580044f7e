"""A bug or a failing store costs the requests that meet it, never the topic or the server."""

from __future__ import annotations

import json
from typing import Any

import attrs
import trio

from tests.abuse.people import secret, world
from tinode_py.changes import Batch
from tinode_py.errors import StoreError
from tinode_py.live.outbox import ConnectionInfo
from tinode_py.store.base import Store


@attrs.define
class BrokenOutlet:
    """A way out with a bug: it raises once it is armed."""

    armed: bool = False
    closed: bool = False
    queued: int = 0

    def push(self, frame: bytes) -> None:
        if self.armed:
            raise RuntimeError("a bug of ours")

    def finish(self, code: int = 1000, reason: str = "") -> None:
        self.closed = True

    def hang_up(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


@attrs.define
class FailingStore:
    """A store that can be told to fail, and counts what it is asked."""

    inner: Store
    fails: bool = False
    asked: int = 0

    async def fetch(self, query: Any) -> Any:
        self.asked += 1
        if self.fails:
            raise StoreError("disk I/O error")
        return await self.inner.fetch(query)

    async def commit(self, batch: Batch) -> Any:
        if self.fails:
            raise StoreError("disk full")
        return await self.inner.commit(batch)

    def statistics(self) -> Any:
        return self.inner.statistics()


async def test_a_bug_in_sending_costs_one_batch(autojump_clock, caplog):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        outlet = BrokenOutlet()
        session = it.server.new_session(outlet, ConnectionInfo("memory", "ws", ""))
        for packet in (
            {"hi": {"id": "1", "ver": "0.25"}},
            {"login": {"id": "2", "scheme": "basic", "secret": secret("bobby")}},
            {"sub": {"id": "3", "topic": group}},
        ):
            await session.receive(json.dumps(packet))
        await trio.sleep(0.1)
        outlet.armed = True
        assert await alice.code(pub={"topic": group, "content": 1}) in (202, 500)
        outlet.armed = False
        assert "a bug of ours" in caplog.text
        session.end()
        assert await alice.code(pub={"topic": group, "content": 2}) == 202
        await alice.quiet()
        assert await alice.code(get={"topic": group, "what": "data"}) == 208
        assert [p["data"]["seq"] for p in alice.seen if "data" in p] == [2, 1]
        for client in (alice, bob):
            await client.close()
        await it.empty()


async def test_a_failing_store_is_not_asked_without_end(autojump_clock):
    """Requests get 500, what is due is tried again at leisure, and all is well afterwards."""
    async with world() as it:
        store = FailingStore(it.server.store)
        it.server.hub.store = store
        alice, bob = await it.person("alice"), await it.person("bobby")
        for client in (alice, bob):
            assert await client.code(sub={"topic": "me"}) == 200
        group = await it.group(alice, bob)
        store.fails = True
        assert await alice.code(pub={"topic": group, "content": 1}) == 500
        assert await alice.code(pub={"topic": group, "content": 1}) == 500
        assert await alice.code(sub={"topic": bob.user}) == 500
        await bob.close()
        asked = store.asked
        await trio.sleep(40)
        assert store.asked - asked < 100
        store.fails = False
        assert await alice.code(pub={"topic": group, "content": 1}) == 202
        assert await alice.code(sub={"topic": bob.user}) == 200
        await alice.close()
        await it.empty()
