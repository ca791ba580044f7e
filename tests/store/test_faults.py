"""Disk full and I/O errors: nothing is written, everyone is told, the store lives on."""

from __future__ import annotations

import sqlite3

import pytest
import trio

from tests.store.made import GROUP, PAIR, append, people, put, seen
from tinode_py.changes import Batch
from tinode_py.errors import StoreError
from tinode_py.queries import TopicByName
from tinode_py.store.sqlite import open_sqlite

LARGE = (append(3, content=b'"' + b"x" * 300_000 + b'"'),)
LARGE_NEXT = (append(2, content=b'"' + b"x" * 30_000 + b'"'),)
MANY = tuple(append(seq, content=b'"' + b"x" * 10_000 + b'"') for seq in range(3, 40))


class Faulty(sqlite3.Connection):
    """Fails the statements that begin with a word of `faults`, as a broken disk would."""

    faults: tuple[str, ...] = ()

    def execute(self, sql, parameters=(), /):
        if self.faults and sql.lstrip().startswith(self.faults):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, parameters)


@pytest.fixture
def faulty():
    class Mine(Faulty):
        pass

    return Mine


@pytest.mark.parametrize("inline", [True, False])
async def test_disk_full(tmp_path, inline):
    async with open_sqlite(tmp_path / "t.db", inline=inline) as store:
        await people(store)
        await put(store, append(1))
        await put(store, append(1, PAIR))
        store._statements[0].connection.execute("PRAGMA max_page_count = 60")
        for content in (LARGE, MANY):
            with pytest.raises(StoreError, match="full"):
                await store.commit(Batch((append(2), *content)))
        assert await seen(store) == [1]
        await put(store, append(2))
        assert await seen(store) == [2, 1]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("fault", ["BEGIN", "COMMIT", "INSERT INTO hot", "INSERT INTO message"])
async def test_an_io_error_at_any_step(tmp_path, inline, fault, faulty):
    async with open_sqlite(tmp_path / "t.db", inline=inline, factory=faulty) as store:
        await people(store)
        faulty.faults = (fault,)
        with pytest.raises(StoreError, match="I/O"):
            await store.commit(Batch((append(1), *LARGE_NEXT)))
        faulty.faults = ()
        assert await seen(store) == []
        await put(store, append(1))
        assert (await store.fetch(TopicByName(GROUP))).seq == 1


async def test_a_rollback_that_fails_is_made_up_for(tmp_path, faulty):
    async with open_sqlite(tmp_path / "t.db", factory=faulty) as store:
        await people(store)
        faulty.faults = ("COMMIT", "ROLLBACK")
        for _ in range(2):
            with pytest.raises(StoreError):
                await store.commit(Batch((append(1), *LARGE_NEXT)))
        faulty.faults = ()
        assert await seen(store) == []
        await put(store, append(1))


async def test_everyone_who_waits_is_told(tmp_path, faulty):
    refused = []

    async def attempt(store, name):
        try:
            await store.commit(Batch((append(1, name),)))
        except StoreError:
            refused.append(name)

    async with open_sqlite(tmp_path / "t.db", factory=faulty) as store:
        await people(store)
        faulty.faults = ("INSERT INTO hot",)
        async with trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(attempt, store, f"{GROUP}{n}")
        assert len(refused) == 50


async def test_a_read_that_fails(tmp_path, faulty):
    async with open_sqlite(tmp_path / "t.db", factory=faulty) as store:
        faulty.faults = ("SELECT",)
        with pytest.raises(StoreError, match="I/O"):
            await seen(store)
        faulty.faults = ()
        assert await seen(store) == []


async def test_readers_cannot_write(tmp_path):
    async with open_sqlite(tmp_path / "t.db") as store:
        _, near, far = store._statements
        for reader in (near, far):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.run("DELETE FROM message")


async def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="missing"):
        async with open_sqlite(tmp_path / "missing" / "t.db"):
            raise AssertionError


async def test_an_error_of_ours_is_raised_in_everyone_who_waits(tmp_path, monkeypatch):
    """And the thread outlives it."""
    raised = []

    async def attempt(store, name):
        try:
            await store.commit(Batch((append(1, name),)))
        except Exception as error:
            raised.append(type(error))

    def broken(batches):
        raise ZeroDivisionError

    async with open_sqlite(tmp_path / "t.db") as store:
        await people(store)
        with monkeypatch.context() as patched:
            patched.setattr(store._writer._transactions, "write", broken)
            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(attempt, store, f"{GROUP}{n}")
        assert raised == [ZeroDivisionError] * 20
        await put(store, append(1))
