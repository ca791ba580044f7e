"""Batches that share a transaction do not share their fate."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
import trio

from tests.store.made import (
    ANN,
    BOB,
    CAT,
    GROUP,
    OTHER,
    PAIR,
    append,
    people,
    put,
    seen,
    sub,
    topic,
    user,
)
from tinode_py.changes import (
    Batch,
    Committed,
    Conflict,
    PutLogin,
    PutSubscription,
    PutTopic,
    PutUser,
    SetMarks,
    Stale,
)
from tinode_py.errors import StoreError
from tinode_py.queries import SubscriptionOf, TopicByName, UserById
from tinode_py.records import Login
from tinode_py.store.hot_sqlite import prepare
from tinode_py.store.migrate import migrate, packaged
from tinode_py.store.read import answer
from tinode_py.store.sql import SqliteStatements, connect
from tinode_py.store.sqlite import open_sqlite
from tinode_py.store.transaction import Transactions

HOT = Batch((append(1), SetMarks(GROUP, ANN, 1, 1)))
NAMED = Batch((PutUser(user(CAT)), PutLogin(Login("basic", "ann", CAT, "s"))))
TAGGED = Batch((PutTopic(topic(OTHER, tags=("alias:ann",))),))
LATE = Batch((append(7, PAIR), SetMarks(PAIR, ANN, 7, 7)))
GOOD = Batch((PutSubscription(sub(GROUP, CAT)),))
BAD_TEXT = Batch((append(1, PAIR, content=b'"\xff"'),))
BAD_NUMBER = Batch((PutSubscription(sub(GROUP, BOB, read=2**70)),))


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "t.db"
    with contextlib.closing(connect(path, sqlite3.Connection)) as connection:
        migrate(connection, path, packaged())
        prepare(connection)
        yield SqliteStatements(connection)


@pytest.fixture
def writer(db):
    transactions = Transactions(db)
    setup = Batch(
        (
            PutUser(user(ANN, tags=("alias:ann",))),
            PutLogin(Login("basic", "ann", ANN, "s")),
            *(PutTopic(topic(name)) for name in (GROUP, PAIR)),
            *(PutSubscription(sub(name, ANN)) for name in (GROUP, PAIR)),
        )
    )
    assert transactions.write([setup]) == [Committed()]
    return transactions


def _kinds(results):
    return [StoreError if isinstance(r, StoreError) else r for r in results]


def test_each_batch_of_a_transaction_has_its_own_outcome(writer, db):
    before = writer.count
    results = writer.write([NAMED, HOT, TAGGED, GOOD])
    assert results == [Conflict("auth"), Committed(), Conflict("tags"), Committed()]
    assert writer.count == before + 1
    assert answer(db, UserById(CAT)) is None
    assert answer(db, TopicByName(OTHER)) is None
    assert answer(db, TopicByName(GROUP)).seq == 1
    assert answer(db, SubscriptionOf(GROUP, CAT)) == sub(GROUP, CAT)


def test_a_stale_batch_leaves_the_others_of_its_bulk(writer, db):
    assert writer.write([LATE, HOT, GOOD]) == [Stale(), Committed(), Committed()]
    assert answer(db, SubscriptionOf(PAIR, ANN)).read == 0
    assert answer(db, SubscriptionOf(GROUP, ANN)).read == 1


def test_two_batches_with_the_same_number(writer):
    assert writer.write([HOT, HOT]) == [Committed(), Stale()]


def test_two_batches_with_consecutive_numbers_share_the_bulk(writer, db):
    statements = db.count
    assert writer.write([HOT, Batch((append(2),))]) == [Committed(), Committed()]
    assert db.count - statements == 1


def test_a_value_that_cannot_be_stored_harms_only_its_batch(writer, db):
    results = writer.write([BAD_TEXT, HOT, BAD_NUMBER, GOOD])
    assert _kinds(results) == [StoreError, Committed(), StoreError, Committed()]
    assert answer(db, SubscriptionOf(GROUP, BOB)) is None


def test_a_hot_transaction_is_one_statement_whatever_its_size(writer, db):
    topics = [f"{GROUP}{n}" for n in range(100)]
    assert writer.write([Batch(tuple(PutTopic(topic(name)) for name in topics))])
    statements = db.count
    batches = [Batch((append(1, name), SetMarks(name, ANN, 1, 1))) for name in topics]
    assert writer.write(batches) == [Committed()] * 100
    assert db.count - statements == 1


async def test_batches_that_wait_together_are_committed_together(tmp_path):
    async with open_sqlite(tmp_path / "t.db") as store:
        await people(store)
        names = [f"{GROUP}{n}" for n in range(200)]
        await put(store, *(PutTopic(topic(name)) for name in names))
        before = store.statistics().transactions
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(put, store, append(1, name))
        assert store.statistics().transactions - before < 100
        assert store.statistics().batches == 202
        assert [await seen(store, where=name) for name in names] == [[1]] * 200


async def test_a_cancelled_commit_does_not_disturb_the_next(tmp_path):
    async with open_sqlite(tmp_path / "t.db") as store:
        await people(store)
        with trio.move_on_after(0):
            await store.commit(Batch((append(1),)))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.commit, Batch((append(1),)))
                await trio.lowlevel.checkpoint()
                scope.cancel()
        last = (await store.fetch(TopicByName(GROUP))).seq
        await store.commit(Batch((append(last + 1),)))
        assert len(await seen(store)) >= 1


async def test_a_closed_store_refuses(tmp_path):
    async with open_sqlite(tmp_path / "t.db") as store:
        pass
    with pytest.raises(StoreError):
        await store.commit(HOT)
    with pytest.raises(StoreError):
        await store.fetch(UserById(ANN))


async def test_an_error_nobody_foresaw_reaches_the_sender_and_the_store_lives_on(tmp_path):
    async with open_sqlite(tmp_path / "t.db") as store:
        await people(store)
        with pytest.raises(KeyError):
            await store.commit(Batch((object(),)))  # type: ignore[arg-type]
        await put(store, append(1))
        assert await seen(store) == [1]
