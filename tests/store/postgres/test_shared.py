"""Several nodes write into one database: in turns, in one order, beside no server by itself."""

from __future__ import annotations

import pytest
import trio

from tests.postgres import Cluster
from tests.store.made import (
    ANN,
    append,
    message,
    people,
    put,
    topic,
    user,
)
from tests.store.postgres.nodes import (
    LARGE,
    PATIENCE,
    node,
    nodes,
    until_beating,
)
from tests.store.postgres.test_writer import COLD, HOT, seen
from tinode_py import ids
from tinode_py.changes import (
    AppendMessage,
    Batch,
    Committed,
    PutNotice,
    PutTopic,
    PutUser,
    Stale,
)
from tinode_py.errors import StoreError
from tinode_py.queries import InboxOf
from tinode_py.queries_backend import EventsAfter
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.claim import TakenError
from tinode_py.store.postgres.store import PostgresStore, open_postgres


async def test_numbers_and_places_under_writers_at_once(postgres_url: str) -> None:
    """Events in the order of commits, as a reader sees it; inboxes without a gap."""
    peers = [ids.user_name(number) for number in (101, 102)]
    pairs = [ids.p2p_name(ANN, peer) for peer in peers]
    groups = [ids.user_name(number).replace("usr", "grp") for number in (201, 202)]
    async with nodes(postgres_url) as both:
        await people(both[0].store)
        await put(both[1].store, *(PutUser(user(name)) for name in peers))
        await put(both[1].store, *(PutTopic(topic(name)) for name in (*pairs, *groups)))
        last = [0]
        writing = trio.CancelScope()

        async def write(store: PostgresStore, pair: str, peer: str, group: str) -> None:
            for seq in range(1, 41):
                private = AppendMessage(message(seq, pair), inboxes=(ANN, peer))
                content = LARGE if seq % 10 == 0 else b'"x"'
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(put, store, private)
                    nursery.start_soon(put, store, append(seq, group, content=content))
                    nursery.start_soon(put, store, PutNotice(ANN, "grpX", "gone", 5, b"{}"))
                    nursery.start_soon(put, store, PutUser(user(f"usr{pair}{seq}")))

        async def follow() -> None:
            with writing:
                while True:
                    page = await both[0].store.fetch(EventsAfter(last[0], 1000))
                    found.extend(event.id for event in page.events)
                    last[0] = page.reached

        found: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            async with trio.open_nursery() as writers:
                for it, pair, peer, group in zip(both, pairs, peers, groups, strict=True):
                    writers.start_soon(write, it.store, pair, peer, group)
            writing.cancel()
        page = await both[1].store.fetch(EventsAfter(0, 10_000))
        everything = [event.id for event in page.events]
        rest = await both[0].store.fetch(EventsAfter(last[0], 10_000))
        assert found + [event.id for event in rest.events] == everything, "none came late"
        assert everything == sorted(set(everything))
        assert len(everything) >= 2 * 40 * 3
        inbox = await both[0].store.fetch(InboxOf(ANN, 1, 1000))
        assert [item.n for item in inbox.items] == [*range(1, 161)]
        assert inbox.last == 160


async def test_one_statement_for_what_is_hot(postgres_url: str) -> None:
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        await put(b.store, append(1))
        before = a.store.statistics()
        await put(a.store, append(2), append(3))
        after = a.store.statistics()
        assert after.statements - before.statements == 1
        assert after.transactions - before.transactions == 1
        assert await seen(b.store) == [3, 2, 1]
        page = await a.store.fetch(EventsAfter(0, 100))
        assert [e.message.seq for e in page.events if e.message] == [1, 2, 3]


async def test_a_message_out_of_turn_is_stale(postgres_url: str) -> None:
    """Two that believe they own a topic: one of them is told."""
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        assert await a.store.commit(HOT) == Committed()
        assert await b.store.commit(Batch((append(1),))) == Stale()
        assert await b.store.commit(Batch((append(2), *COLD.changes))) == Committed()
        assert await a.store.commit(Batch((append(2), *COLD.changes))) == Stale()
        assert await seen(a.store) == [2, 1]


async def test_a_cluster_and_a_server_by_itself_exclude_each_other(postgres_url: str) -> None:
    address = Address.of(postgres_url)
    async with nodes(postgres_url):
        with pytest.raises(TakenError, match="another server works on this database"):
            async with open_postgres(address, patience=0.2):
                raise AssertionError
    async with open_postgres(address):
        with pytest.raises(TakenError, match="another server works on this database"):
            async with open_postgres(address, shared=True, patience=0.2):
                raise AssertionError


async def test_nodes_that_begin_together_make_the_tables_once(cluster: Cluster) -> None:
    url = cluster.database(empty=True)
    ready: list[int] = []

    async def begin() -> None:
        async with node(url) as it:
            ready.append(it.id)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(begin)
    assert len(set(ready)) == 3


async def test_postgres_restarts_below_two_nodes(postgres_own: Cluster) -> None:
    """What was acknowledged is there, once; nobody is fenced for it."""
    url = postgres_own.database()
    names = [ids.user_name(number).replace("usr", "grp") for number in (301, 302)]
    async with nodes(url) as both:
        await people(both[0].store)
        await put(both[0].store, *(PutTopic(topic(name)) for name in names))
        acknowledged: dict[str, list[int]] = {name: [] for name in names}
        enough = [trio.Event(), trio.Event()]

        async def publish(store: PostgresStore, name: str) -> None:
            seq = 1
            while len(acknowledged[name]) < 40 or not enough[1].is_set():
                try:
                    outcome = await store.commit(Batch((append(seq, name),)))
                except StoreError:
                    await trio.sleep(0.01)
                    continue
                if outcome == Committed():
                    acknowledged[name].append(seq)
                seq += 1
                if len(acknowledged[name]) >= 10:
                    enough[0].set()

        async with trio.open_nursery() as nursery:
            for it, name in zip(both, names, strict=True):
                nursery.start_soon(publish, it.store, name)
            with trio.fail_after(PATIENCE):
                await enough[0].wait()
            await trio.to_thread.run_sync(postgres_own.stop, "immediate")
            await trio.to_thread.run_sync(postgres_own.start)
            enough[1].set()
        for name in names:
            stored = await seen(both[0].store, where=name)
            assert stored == [*range(len(stored), 0, -1)]
            assert acknowledged[name] == stored[::-1], "an attempt that failed wrote nothing"
        for it in both:
            assert await until_beating(it) == [both[0].id, both[1].id]
