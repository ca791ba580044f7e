"""The audit: entries at its end, and none lost before its time."""

from __future__ import annotations

import sqlite3

import attrs
import pytest

from tests.store.made import ANN, put
from tinode_py.audit import Actor, AuditEntry
from tinode_py.changes import Batch, ClaimTags, Conflict, PutUser
from tinode_py.changes_backend import PurgeAudit, PutAudit
from tinode_py.queries_backend import AuditBefore
from tinode_py.records import User
from tinode_py.store.sqlite import open_sqlite

BY = Actor("key", "AAAAAAAAAAE", "192.0.2.7")


def entry(ts: int) -> AuditEntry:
    return AuditEntry(ts, BY, "user.change", ANN, b'{"changed":["public"]}')


async def test_entries_come_back_the_latest_first(store):
    for ts in (5, 9, 7):
        await put(store, PutAudit(entry(ts)))
    rows = await store.fetch(AuditBefore(100, 2))
    assert rows == (attrs.evolve(entry(7), n=3), attrs.evolve(entry(9), n=2))
    assert await store.fetch(AuditBefore(2, 9)) == (attrs.evolve(entry(5), n=1),)


async def test_what_is_old_goes_and_its_number_is_not_given_again(store):
    for ts in (5, 6):
        await put(store, PutAudit(entry(ts)))
    await put(store, PurgeAudit(6))
    assert [row.n for row in await store.fetch(AuditBefore(100, 9))] == [2]
    await put(store, PurgeAudit(9))
    await put(store, PutAudit(entry(12)))
    assert [row.n for row in await store.fetch(AuditBefore(100, 9))] == [3]


async def test_an_entry_shares_the_fate_of_its_change(store):
    await put(store, PutUser(User(ANN, 1, 1, tags=("alias:a",))))
    refused = Batch((PutAudit(entry(5)), ClaimTags("usrX", ("alias:a",))))
    assert await store.commit(refused) == Conflict("tags")
    assert await store.fetch(AuditBefore(100, 9)) == ()


async def test_the_table_lets_nobody_change_it(tmp_path):
    path = tmp_path / "t.db"
    async with open_sqlite(path, inline=True) as store:
        await put(store, PutAudit(entry(5)))
    with sqlite3.connect(path) as database:
        for statement in ("UPDATE audit SET target = 'x'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="an entry of the audit"):
                database.execute(statement)
