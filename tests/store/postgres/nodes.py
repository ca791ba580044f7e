"""Nodes of a cluster on one database, as tests use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import pytest
import trio

from tests.postgres import Cluster
from tinode_py.changes import Batch
from tinode_py.errors import Fenced, StoreAway
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.coordination import PostgresCoordination, open_coordination
from tinode_py.store.postgres.statements import Connection
from tinode_py.store.postgres.store import PostgresStore, open_postgres

PATIENCE = 30
LARGE = b'"' + b"x" * 30_000 + b'"'
TURN = "SELECT take_turn()"


@attrs.frozen
class Node:
    id: int
    store: PostgresStore
    shared: PostgresCoordination

    async def rejoin(self) -> Node:
        """The same process under another number."""
        number = await self.shared.join("again", "x:1", "https://x")
        self.store.serve_as(number)
        return attrs.evolve(self, id=number)


@asynccontextmanager
async def node(url: str, *, inline: bool = False) -> AsyncIterator[Node]:
    address = Address.of(url)
    async with (
        open_postgres(address, connections=2, shared=True, inline=inline) as store,
        open_coordination(address) as shared,
    ):
        number = await shared.join("n", "n:1", "https://n")
        store.serve_as(number)
        yield Node(number, store, shared)


@asynccontextmanager
async def nodes(url: str, count: int = 2) -> AsyncIterator[list[Node]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(node(url)) for _ in range(count)]


def by_hand(cluster: Cluster, url: str) -> Connection:
    return cluster.connect(url.partition("@/")[2].partition("?")[0])


async def fenced(store: PostgresStore, batch: Batch) -> None:
    """The fence may have ended its connection: then that is what it sees first."""
    with pytest.raises(StoreAway) as caught:
        await store.commit(batch)
    if caught.type is not Fenced:
        with pytest.raises(Fenced):
            await store.commit(batch)


async def waits_for_its_turn(db: Connection) -> None:
    """Until somebody does. Others of the same database are not asked."""
    query = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    with trio.fail_after(PATIENCE):
        while db.execute(query).fetchall() == [(0,)]:  # noqa: ASYNC110
            await trio.sleep(0.005)


async def until_beating(it: Node) -> list[int]:
    """All members, as soon as the database answers."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return [m.id for m in await it.shared.beat(it.id, load=0, draining=False)]
            except Fenced:
                raise
            except StoreAway:
                await trio.sleep(0.05)
