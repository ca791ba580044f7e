"""The connection that writes: lost, made again, in doubt; one server at a time."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import psycopg
import pytest
import trio

from tests.postgres import Cluster
from tests.store import made
from tests.store.made import ANN, BOB, GROUP, PAIR, append, people, put, sub, topic
from tinode_py.changes import Batch, Committed, PutSubscription, PutTopic, SetMarks, Stale
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries import SubscriptionOf, TopicByName
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.claim import TakenError
from tinode_py.store.postgres.statements import WRITING, connect
from tinode_py.store.postgres.store import PostgresStore, open_postgres

HOT = Batch((append(1), SetMarks(GROUP, ANN, 1, 1)))
COLD = Batch((PutSubscription(sub(GROUP, BOB, read=9)),))
LARGE = b'"' + b"x" * 30_000 + b'"'
PATIENCE = 30


@asynccontextmanager
async def opened(url: str, **more: object) -> AsyncIterator[PostgresStore]:
    async with open_postgres(Address.of(url), connections=2, **more) as store:  # type: ignore[arg-type]
        yield store


def backends(cluster: Cluster, url: str) -> list[int]:
    """Processes of PostgreSQL that serve a database."""
    name = url.partition("@/")[2].partition("?")[0]
    with cluster.connect() as db:
        rows = db.execute("SELECT pid FROM pg_stat_activity WHERE datname = $1", (name,))
        return [pid for (pid,) in rows.fetchall()]


def cut(cluster: Cluster, url: str) -> None:
    """End every connection to a database, and wait until they have ended."""
    with cluster.connect() as db:
        for pid in backends(cluster, url):
            db.execute("SELECT pg_terminate_backend($1::int, 30000)", (pid,))


async def seen(store: PostgresStore, **where: Any) -> list[int]:
    """The numbers of the messages, as soon as the readers are connected again."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return await made.seen(store, **where)
            except StoreAway:
                await trio.sleep(0.05)


async def until_stored(store: PostgresStore, batch: Batch) -> None:
    """Commit again and again until it succeeds, as clients do that are answered 503."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                assert await store.commit(batch) == Committed()
            except StoreError:
                await trio.sleep(0.05)
            else:
                return


async def test_a_lost_connection_is_made_again(cluster: Cluster, postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        assert await seen(store) == []
        cut(cluster, postgres_url)
        assert await seen(store) == []  # reading twice does no harm
        with pytest.raises(StoreError, match="connection"):
            await store.commit(HOT)  # it was lost before: nothing was written
        await until_stored(store, HOT)
        assert await seen(store) == [1]


@attrs.define
class Cut:
    """Lets a commit happen, or not, and takes the answer away."""

    store: PostgresStore
    cut: Callable[[], None]
    done: bool

    def around(self, name: str) -> None:
        writer = self.store._transactions._writer
        plain = getattr(writer, name)

        def broken(*args: object) -> object:
            setattr(writer, name, plain)
            if self.done:
                plain(*args)
                writer.in_doubt = True
            else:
                writer.in_doubt = True
            self.cut()
            writer.connection.close()
            raise psycopg.OperationalError("the connection went away")

        setattr(writer, name, broken)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(("batch", "step"), [(HOT, "write_hot"), (COLD, "commit")])
async def test_a_commit_in_doubt_is_settled(
    cluster: Cluster, postgres_url: str, batch: Batch, step: str, done: bool
) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        Cut(store, lambda: cut(cluster, postgres_url), done).around(step)
        if done:
            assert await store.commit(batch) == Committed()
        else:
            with pytest.raises(StoreError):
                await store.commit(batch)
        written = (
            (await seen(store)) == [1]
            if batch is HOT
            else (await store.fetch(SubscriptionOf(GROUP, BOB))) == sub(GROUP, BOB, read=9)
        )
        assert written is done
        if not done:
            await until_stored(store, batch)


async def test_what_was_promised_in_a_mixed_group_is_kept(
    cluster: Cluster, postgres_url: str
) -> None:
    """The outcome of each batch is known before the commit, and told once it is settled."""
    async with opened(postgres_url) as store:
        await people(store)
        await put(store, append(1))
        transactions = store._transactions
        Cut(store, lambda: cut(cluster, postgres_url), True).around("commit")
        late = Batch((append(7, PAIR),))
        results = await trio.to_thread.run_sync(
            transactions.write, [late, Batch((append(2),)), COLD]
        )
        assert results == [Stale(), Committed(), Committed()]
        assert await seen(store) == [2, 1]


async def test_while_in_doubt_others_are_refused_and_it_is_acknowledged_in_the_end(
    postgres_own: Cluster,
) -> None:
    url = postgres_own.database()
    async with opened(url) as store, trio.open_nursery() as nursery:
        await people(store)
        await put(store, PutTopic(topic("grpX")))
        stopped = threading.Event()

        def stop() -> None:
            postgres_own.stop("immediate")
            stopped.set()

        Cut(store, stop, True).around("write_hot")
        outcomes: list[object] = []

        async def doubtful() -> None:
            outcomes.append(await store.commit(HOT))

        nursery.start_soon(doubtful)
        await trio.to_thread.run_sync(stopped.wait)
        with trio.fail_after(PATIENCE):
            with pytest.raises(StoreError):
                await store.commit(Batch((append(1, "grpX"),)))
            with pytest.raises(StoreError):
                await store.fetch(TopicByName(GROUP))
        assert outcomes == []
        await trio.to_thread.run_sync(postgres_own.start)
        await until_stored(store, Batch((append(1, "grpX"),)))
        with trio.fail_after(PATIENCE):
            while not outcomes:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert outcomes == [Committed()]
        assert await seen(store) == [1]


async def test_a_server_that_ends_while_in_doubt_does_not_hang(postgres_own: Cluster) -> None:
    url = postgres_own.database()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery, opened(url) as store:
            await people(store)
            Cut(store, lambda: postgres_own.stop("immediate"), True).around("write_hot")
            refused = trio.Event()

            async def doubtful() -> None:
                with pytest.raises(StoreError):
                    await store.commit(HOT)
                refused.set()

            nursery.start_soon(doubtful)
            await trio.sleep(0.1)
    assert refused.is_set()
    postgres_own.start()
    async with opened(url) as store:
        assert await seen(store) == [1]


async def test_two_servers_are_refused(postgres_url: str) -> None:
    async with opened(postgres_url):
        with pytest.raises(TakenError, match="another server works on this database") as caught:
            async with opened(postgres_url, patience=0.2):
                raise AssertionError
        assert "tinode-py" in caught.value.holder
    async with opened(postgres_url):
        pass


async def test_a_server_whose_place_was_taken_never_writes_again(
    cluster: Cluster, postgres_url: str
) -> None:
    """It lost its connection; another server came, and went. What it knows is worth nothing."""
    async with opened(postgres_url) as store:
        await people(store)
        cut(cluster, postgres_url)
        async with opened(postgres_url) as other:
            await put(other, append(1))
        for _ in range(3):
            with pytest.raises(StoreError):
                await store.commit(Batch((append(2),)))
            await trio.sleep(0.6)
        with pytest.raises(StoreError, match="another server has worked"):
            await store.commit(Batch((append(2),)))
    async with opened(postgres_url) as store:
        assert await seen(store) == [1]


async def test_a_former_connection_that_lives_on_is_ended(postgres_url: str) -> None:
    """A network that was cut: PostgreSQL has not noticed yet, and the lock is still held."""
    async with opened(postgres_url) as store:
        await people(store)
        writer = store._transactions._writer
        former = writer.connection
        writer.connection = connect(Address.of(postgres_url), WRITING)
        writer.connection.close()
        await until_stored(store, HOT)
        with pytest.raises(psycopg.OperationalError):
            former.execute("SELECT 1")


async def test_numbers_of_events_go_on_after_a_lost_connection(
    cluster: Cluster, postgres_url: str
) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        before = store._transactions._writer.last_event
        cut(cluster, postgres_url)
        await until_stored(store, HOT)
        assert store._transactions._writer.last_event == before + 1


async def test_a_cancelled_fetch_disturbs_nobody(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        for _ in range(20):
            with trio.move_on_after(0):
                await store.fetch(TopicByName(GROUP))
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.fetch, TopicByName(PAIR))
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
        assert (await store.fetch(TopicByName(GROUP))).name == GROUP


async def test_batches_that_wait_together_are_committed_together(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        names = [f"{GROUP}{n}" for n in range(100)]
        await put(store, *(PutTopic(topic(name)) for name in names))
        before = store.statistics()
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(put, store, append(1, name))
        after = store.statistics()
        assert after.transactions - before.transactions < 50
        assert after.statements - before.statements == after.transactions - before.transactions
        assert [await seen(store, where=name) for name in names] == [[1]] * 100


async def test_large_content_among_small(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        await people(store)
        await put(store, append(1), append(2, content=LARGE), append(3))
        assert await seen(store) == [3, 2, 1]
        with pytest.raises(StoreError):
            await store.commit(Batch((append(4, content=b'"\xff"'),)))
        with pytest.raises(StoreError):
            await store.commit(Batch((PutSubscription(sub(GROUP, BOB, read=2**70)),)))
        await put(store, append(4))


async def test_readers_cannot_write(postgres_url: str) -> None:
    async with opened(postgres_url, inline=True) as store:
        await seen(store)
        statements = store._readers[0]._statements
        assert statements is not None
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            statements.run("DELETE FROM message")


async def test_as_many_connections_as_the_settings_say(cluster: Cluster, postgres_url: str) -> None:
    async with open_postgres(Address.of(postgres_url), connections=4) as store:
        await people(store)
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(seen, store)
        assert len(backends(cluster, postgres_url)) <= 4


async def test_a_closed_store_refuses(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        pass
    with pytest.raises(StoreError):
        await store.commit(HOT)
    with pytest.raises(StoreError):
        await store.fetch(TopicByName(GROUP))
