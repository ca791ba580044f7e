"""A node that is no member any more writes nothing, whatever it had begun."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
import trio

from tests.postgres import Cluster
from tests.store.made import (
    BOB,
    GROUP,
    PAIR,
    append,
    people,
    put,
    sub,
)
from tests.store.postgres.nodes import (
    PATIENCE,
    TURN,
    by_hand,
    fenced,
    node,
    nodes,
    until_beating,
    waits_for_its_turn,
)
from tests.store.postgres.test_writer import COLD, HOT, Cut, cut, seen, until_stored
from tinode_py.changes import (
    Batch,
    Committed,
    Stale,
)
from tinode_py.errors import Fenced, StoreError
from tinode_py.queries import SubscriptionOf
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.shared import SHARED
from tinode_py.store.postgres.statements import WRITING, connect
from tinode_py.store.postgres.store import open_postgres


async def test_who_has_not_joined_writes_nothing(postgres_url: str) -> None:
    async with open_postgres(Address.of(postgres_url), connections=2, shared=True) as store:
        for batch in (HOT, COLD):
            with pytest.raises(Fenced, match="not joined"):
                await store.commit(batch)
        assert await seen(store) == []
        store.serve_as(10**6)
        with pytest.raises(Fenced, match="node 1000000 is no member"):
            await store.commit(COLD)


@pytest.mark.parametrize("batch", [HOT, COLD], ids=["hot", "cold"])
@pytest.mark.parametrize("way", ["fence", "leave"])
async def test_a_node_that_is_gone_writes_nothing(
    postgres_url: str, way: str, batch: Batch
) -> None:
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        await (b.shared.fence(a.id, -1.0) if way == "fence" else a.shared.leave(a.id))
        await fenced(a.store, batch)
        assert await seen(b.store) == []
        assert await seen(a.store) == [], "it may read"
        assert (await a.store.fetch(SubscriptionOf(GROUP, BOB))) == sub(GROUP, BOB)
        assert await b.store.commit(batch) == Committed()
        again = await a.rejoin()
        assert await again.store.commit(Batch((append(7, PAIR),))) == Stale()
        assert await again.store.commit(Batch((append(1, PAIR),))) == Committed()


@pytest.mark.parametrize("batch", [HOT, COLD], ids=["hot", "cold"])
@pytest.mark.parametrize("way", ["fence", "leave"])
async def test_a_commit_that_was_begun_before_the_fence_comes_too_late(
    cluster: Cluster, postgres_url: str, way: str, batch: Batch
) -> None:
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        with by_hand(cluster, postgres_url) as db:
            async with trio.open_nursery() as nursery:
                with db.transaction():
                    db.execute(TURN)
                    nursery.start_soon(fenced, a.store, batch)
                    await waits_for_its_turn(db)
                    await (b.shared.fence(a.id, -1.0) if way == "fence" else a.shared.leave(a.id))
        assert await seen(b.store) == []
        assert await b.store.commit(batch) == Committed()


async def test_a_fence_waits_for_a_commit_that_is_nearly_done(
    cluster: Cluster, postgres_url: str
) -> None:
    async with nodes(postgres_url) as (a, b):
        with by_hand(cluster, postgres_url) as db:
            with db.transaction():
                db.execute("SELECT written($1, 77)", (a.id,))
                assert not await b.shared.fence(a.id, -1.0)
                assert await a.shared.beat(a.id, load=0, draining=False), "a beat waits for none"
            assert await until_beating(b) == [a.id, b.id]
            assert await b.shared.fence(a.id, -1.0)
            rows = db.execute("SELECT id, batch FROM node_gone").fetchall()
            assert rows == [(a.id, 77)]


async def test_a_node_that_stopped_with_the_turn_is_ended(postgres_url: str) -> None:
    """It does not answer any more, and everybody waits for it."""
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        writer = a.store._transactions._writer
        writer.connection.execute("SET idle_in_transaction_session_timeout = 0")
        writer.begin()
        async with trio.open_nursery() as nursery:
            outcomes: list[object] = []

            @nursery.start_soon
            async def _() -> None:
                outcomes.append(await b.store.commit(HOT))

            await trio.testing.wait_all_tasks_blocked()
            assert outcomes == []
            assert await b.shared.fence(a.id, -1.0)
        assert outcomes == [Committed()]
        await fenced(a.store, COLD)


def test_who_forgets_his_turn_loses_it(postgres_url: str) -> None:
    """Should nobody fence him."""
    with connect(Address.of(postgres_url), SHARED) as db:
        assert db.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("3s",)
        assert db.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


async def test_what_waits_is_not_written_under_a_later_number(
    cluster: Cluster, postgres_url: str
) -> None:
    """It was decided upon by who owned the topic then."""
    async with node(postgres_url) as a:
        await people(a.store)
        with by_hand(cluster, postgres_url) as db:
            refused: list[str] = []

            async def commit(name: str, batch: Batch) -> None:
                with pytest.raises(Fenced, match=f"node {a.id} is no member"):
                    await a.store.commit(batch)
                refused.append(name)

            async with trio.open_nursery() as nursery:
                with db.transaction():
                    db.execute(TURN)
                    nursery.start_soon(commit, "under way", HOT)
                    await waits_for_its_turn(db)
                    nursery.start_soon(commit, "waiting", COLD)
                    await trio.testing.wait_all_tasks_blocked()
                    await a.shared.leave(a.id)
                    again = await a.rejoin()
                    nursery.start_soon(put, again.store, append(1, PAIR))
        assert sorted(refused) == ["under way", "waiting"]
        assert await seen(a.store) == []
        assert await seen(a.store, where=PAIR) == [1]


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    ("batch", "step"), [(HOT, "write_hot"), (COLD, "commit")], ids=["hot", "cold"]
)
async def test_a_commit_in_doubt_is_settled_among_others(
    cluster: Cluster, postgres_url: str, batch: Batch, step: str, done: bool
) -> None:
    """By the number of the node itself, whatever the others have written since."""
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        for seq in range(1, 4):
            await put(b.store, append(seq, PAIR))
        around = Cut(a.store, lambda: cut(cluster, postgres_url), done)
        around.around(step)
        if done:
            assert await a.store.commit(batch) == Committed()
        else:
            with pytest.raises(StoreError):
                await a.store.commit(batch)
        expected = sub(GROUP, BOB, read=9 if done and batch is COLD else 0)
        assert await seen(a.store) == ([1] if done and batch is HOT else [])
        assert await a.store.fetch(SubscriptionOf(GROUP, BOB)) == expected
        if not done:
            await until_stored(a.store, batch)
        await until_stored(b.store, Batch((append(4, PAIR),)))


async def test_a_former_connection_of_a_node_is_ended(postgres_url: str) -> None:
    """Else what it still does would come after it was looked for."""
    async with nodes(postgres_url) as (a, b):
        await people(a.store)
        writer = a.store._transactions._writer
        former = writer.connection
        writer.connection = connect(Address.of(postgres_url), WRITING)
        writer.connection.close()
        await until_stored(a.store, HOT)
        with pytest.raises(psycopg.OperationalError):
            former.execute("SELECT 1")
        await put(b.store, append(2))


@pytest.mark.parametrize("done", [True, False])
async def test_fenced_while_in_doubt(cluster: Cluster, postgres_url: str, done: bool) -> None:
    """What took place before the fence is acknowledged; else it never will take place."""
    async with nodes(postgres_url) as (a, b):
        await people(a.store)

        def fenced() -> None:
            trio.from_thread.run(b.shared.fence, a.id, -1.0)

        Cut(a.store, _in_thread_of(fenced), done).around("write_hot")
        if done:
            assert await a.store.commit(HOT) == Committed()
        else:
            with pytest.raises(Fenced):
                await a.store.commit(HOT)
        assert await seen(b.store) == ([1] if done else [])
        with pytest.raises(Fenced):
            await a.store.commit(COLD)


def _in_thread_of(act: Callable[[], None]) -> Callable[[], None]:
    """The store's thread is none of Trio's: ask the loop by its token."""
    token = trio.lowlevel.current_trio_token()

    def asked() -> None:
        done = trio.from_thread.run(trio.to_thread.run_sync, act, trio_token=token)
        assert done is None

    return asked


async def test_a_server_by_itself_leaves_no_members(cluster: Cluster, postgres_url: str) -> None:
    """A node that had lost its connection meanwhile must not go on as if nothing had been."""
    async with node(postgres_url) as a:
        await people(a.store)
        await a.shared.claim(a.id, [GROUP])
        cut(cluster, postgres_url)
        async with open_postgres(Address.of(postgres_url), connections=2) as alone:
            await put(alone, append(1))
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    await a.store.commit(Batch((append(2),)))
                except Fenced:
                    break
                except StoreError:
                    await trio.sleep(0.05)
                else:
                    raise AssertionError
        assert await seen(a.store) == [1]


async def test_a_node_is_buried_once_its_connection_is_gone(postgres_url: str) -> None:
    """Not while it writes, however often it is asked for; a number that nobody has is no harm."""
    async with node(postgres_url) as b:
        async with node(postgres_url) as a:
            await people(a.store)
            await b.shared.claim(a.id, [GROUP])
            for _ in range(3):
                assert not await b.shared.bury(a.id)
            assert await a.store.commit(COLD) == Committed()
        with trio.fail_after(PATIENCE):
            while not await b.shared.bury(a.id):  # noqa: ASYNC110 - until its backend has ended
                await trio.sleep(0.01)
        assert await b.shared.bury(a.id)
        assert await b.shared.claim(b.id, [GROUP]) == {GROUP: b.id}
        assert await b.shared.bury(10**9)
        with pytest.raises(Fenced):
            await b.shared.beat(a.id, load=0, draining=False)
