"""Whatever is done to them, all stores answer alike."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.cluster.remote.parts import remote_in_memory
from tests.postgres import emptied
from tests.store.generated import QUERIES, batches, change
from tests.store.postgres.nodes import node
from tinode_py import changes as c
from tinode_py import queries as q
from tinode_py import queries_backend as qb
from tinode_py.cluster.remote import words
from tinode_py.records import (
    Topic,
)
from tinode_py.store.base import Store
from tinode_py.store.memory import MemoryStore
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.store import open_postgres
from tinode_py.store.sqlite import open_sqlite


def test_every_query_is_asked():
    asked = {type(query) for query in QUERIES}
    known = {item for it in (q, qb) for item in vars(it).values() if isinstance(item, type)}
    assert asked == {item for item in known if issubclass(item, q.Query)} - {q.Query}


def _placed(known: dict[str, Topic], item: c.Change) -> c.Change:
    """The change as an owner would make it, who knows his topics' numbers; or nearly so."""
    if isinstance(item, c.PutTopic):
        old = known.get(item.topic.name)
        if old is not None:
            item = c.PutTopic(
                structs.replace(item.topic, seq=old.seq, touched=old.touched, delid=old.delid)
            )
        known[item.topic.name] = item.topic
    elif isinstance(item, c.AppendMessage) and item.message.topic in known:
        topic = known[item.message.topic]
        seq = topic.seq + item.message.seq
        item = structs.replace(item, message=structs.replace(item.message, seq=seq, ts=1000 + seq))
        known[topic.name] = structs.replace(topic, seq=seq, touched=1000 + seq)
    elif isinstance(item, c.DeleteMessages) and item.topic in known:
        topic = known[item.topic]
        item = structs.replace(item, delid=topic.delid + item.delid)
        known[topic.name] = structs.replace(topic, delid=item.delid)
    elif isinstance(item, c.DeleteTopic):
        known.pop(item.topic, None)
    return item


async def _alike(
    plan: list[list[c.Change]],
    opened: AbstractAsyncContextManager[Store],
    *,
    at_the_end: bool = False,
) -> None:
    """Asked after each batch, or `at_the_end` alone."""
    memory = MemoryStore()
    known: dict[str, Topic] = {}
    async with opened as store:
        for changes in plan:
            before = dict(known)
            batch = c.Batch(tuple(_placed(known, item) for item in changes))
            outcome = await memory.commit(batch)
            assert await store.commit(batch) == outcome, batch
            if outcome != c.Committed():
                known = before
            for query in () if at_the_end else QUERIES:
                assert await store.fetch(query) == await memory.fetch(query), query
        for query in QUERIES if at_the_end else ():
            assert await store.fetch(query) == await memory.fetch(query), query


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches)
def test_the_stores_answer_alike(plan):
    with tempfile.TemporaryDirectory() as folder:
        trio.run(_alike, plan, open_sqlite(Path(folder, "t.db"), inline=True))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(plan=batches)
def test_postgres_answers_alike(plan, postgres_url):
    address = Address.of(emptied(postgres_url))
    trio.run(_alike, plan, open_postgres(address, inline=True))


@contextlib.asynccontextmanager
async def _of_one_node(url: str) -> AsyncIterator[Store]:
    async with node(url, inline=True) as it:
        yield it.store


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(plan=batches)
def test_a_node_answers_alike(plan, postgres_url):
    trio.run(_alike, plan, _of_one_node(emptied(postgres_url)))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches)
def test_the_store_of_another_node_answers_alike(plan):
    async def main() -> None:
        await _alike(plan, remote_in_memory(), at_the_end=True)

    trio.run(main)


@settings(max_examples=100, deadline=None)
@given(st.lists(change, max_size=4).map(tuple))
def test_changes_cross_the_wire(changes):
    commit = words.Commit(1, 2, changes, 3)
    assert words.unpack(words.pack(commit), words.Commit) == commit


def test_queries_cross_the_wire():
    for query in QUERIES:
        fetch = words.Fetch(1, query)
        assert words.unpack(words.pack(fetch), words.Fetch) == fetch
