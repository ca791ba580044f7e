"""Disk full and I/O errors: nothing is written, everyone is told, the store lives on."""

from __future__ import annotations

import sqlite3

import pytest
import trio

from tests.store.made import GROUP, append, people, put, seen
from tinode_py.changes import Batch
from tinode_py.errors import StoreError
from tinode_py.queries import TopicByName
from tinode_py.store.sqlite import open_sqlite

LARGE = b'"' + b"x" * 100_000 + b'"'


class Faulty(sqlite3.Connection):
    """Fails the statements that begin with a word of `faults`, as a broken disk would."""

    faults: tuple[str, ...] = ()

    def execute(self, sql, parameters=(), /):
        if self.faults and sql.lstrip().startswith(self.faults):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, parameters)


class Small(sqlite3.Connection):
    """A database that may not grow much: SQLite's own 'database or disk is full'."""

    def execute(self, sql, parameters=(), /):
        if sql.startswith("BEGIN") and self.in_transaction is False:
            super().execute("PRAGMA max_page_count = 60")
        return super().execute(sql, parameters)


@pytest.fixture
def faulty():
    class Mine(Faulty):
        pass

    return Mine


@pytest.mark.parametrize("inline", [True, False])
async def test_disk_full(tmp_path, inline):
    async with open_sqlite(tmp_path / "t.db", inline=inline, factory=Small) as store:
        await people(store)
        await put(store, append(1))
        with pytest.raises(StoreError, match="full"):
            await store.commit(Batch((append(2), append(3, content=LARGE * 3))))
        assert await seen(store) == [1]
        await put(store, append(2))
        assert await seen(store) == [2, 1]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("fault", ["BEGIN", "COMMIT", "\nUPDATE", "INSERT", "UPDATE"])
async def test_an_io_error_at_any_step(tmp_path, inline, fault, faulty):
    async with open_sqlite(tmp_path / "t.db", inline=inline, factory=faulty) as store:
        await people(store)
        faulty.faults = (fault.strip(),)
        with pytest.raises(StoreError, match="I/O"):
            await store.commit(Batch((append(1),)))
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
                await store.commit(Batch((append(1),)))
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
        faulty.faults = ("COMMIT",)
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
