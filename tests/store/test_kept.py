"""Accounts, logins and keys that SQLite's store keeps in memory are those on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.store.made import ANN, BOB, append, people, put, user
from tests.store.test_plans import CHANGES
from tinode_py.access import Level
from tinode_py.changes import (
    Batch,
    Change,
    Conflict,
    DeleteUser,
    DropLogin,
    PutLogin,
    PutUser,
    SetSeen,
)
from tinode_py.changes_backend import PutKey
from tinode_py.errors import StoreError
from tinode_py.queries import LoginByName, Query, UserById
from tinode_py.queries_backend import KeyById
from tinode_py.records import ApiKey, Login
from tinode_py.store.base import Store
from tinode_py.store.kept import ELSEWHERE, MOST, SMALL, Kept
from tinode_py.store.sqlite import SqliteStore, open_sqlite

KEY = ApiKey("a", "name", "digest", (), (), (), 0, 7)
LOGIN = Login("ext:shop", "ann", ANN, "", Level.AUTH)
OTHER = Login("ext:shop", "anna", ANN, "", Level.AUTH)


def statements(store: Store) -> int:
    return store.statistics().statements


async def reads(store: Store, query: Query[Any]) -> int:
    """How many statements an answer takes."""
    before = statements(store)
    await store.fetch(query)
    return statements(store) - before


@pytest.fixture
async def kept(tmp_path: Path):
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        await people(store)
        await put(store, PutKey(KEY), PutLogin(LOGIN))
        yield store


QUERIES: list[Query[Any]] = [UserById(ANN), KeyById("a"), LoginByName("ext:shop", "ann")]


async def test_a_row_is_read_once(kept: SqliteStore):
    for query in QUERIES:
        assert [await reads(kept, query) for _ in range(3)] == [1, 0, 0]
    await put(kept, append(1))
    assert [await reads(kept, query) for query in QUERIES] == [0, 0, 0]


REVOKED = ApiKey("a", "x", "y", (), (), (), 0, 7, revoked=8)
BY_NAME, BY_OTHER_NAME = QUERIES[2], LoginByName("ext:shop", "anna")
CHANGES_IN_TURN: list[tuple[Change, Query[Any], object]] = [
    (PutUser(user(last_seen=9)), UserById(ANN), user(last_seen=9)),
    (SetSeen(ANN, 10, "ua"), UserById(ANN), user(last_seen=10, user_agent="ua")),
    (PutKey(REVOKED), KeyById("a"), REVOKED),
    (PutLogin(OTHER), BY_NAME, None),  # another name in place of this one
    (DropLogin("ext:shop", "anna"), BY_OTHER_NAME, None),
    (PutLogin(LOGIN), BY_NAME, LOGIN),
    (DeleteUser(ANN, False, 5), BY_NAME, None),
    (PutUser(user()), UserById(ANN), user()),
    (DeleteUser(ANN, True, 5), UserById(ANN), None),
]


async def test_a_change_is_seen_at_once(kept: SqliteStore):
    for change, query, row in CHANGES_IN_TURN:
        for known in (*QUERIES, BY_OTHER_NAME):
            await kept.fetch(known)
        await put(kept, change)
        assert await kept.fetch(query) == row, change


async def test_another_user_stays(kept: SqliteStore):
    await kept.fetch(UserById(BOB))
    await put(kept, PutUser(user(last_seen=9)))
    assert await reads(kept, UserById(BOB)) == 0


async def test_nothing_is_older_than_what_was_acknowledged(tmp_path: Path):
    """Commits in a thread, reads beside them: never less than the latest acknowledged one."""
    acknowledged = 0
    async with open_sqlite(tmp_path / "t.db") as store, trio.open_nursery() as nursery:
        await put(store, PutUser(user(last_seen=0)))

        async def read() -> None:
            while True:
                least = acknowledged
                found = await store.fetch(UserById(ANN))
                assert found is not None
                assert found.last_seen >= least
                await trio.lowlevel.checkpoint()

        nursery.start_soon(read)
        for number in range(1, 60):
            await put(store, PutUser(user(last_seen=number)))
            acknowledged = number
            found = await store.fetch(UserById(ANN))
            assert found is not None
            assert found.last_seen == number
        nursery.cancel_scope.cancel()


def test_nothing_is_taken_in_while_it_may_change():
    rows, batch = Kept(), Batch((PutUser(user()),))
    for touched in (rows.announce(batch), rows.announce(batch)):
        rows.keep(UserById(ANN), user())
        assert rows.get(UserById(ANN)) is None
        rows.over(touched)
    rows.keep(UserById(ANN), user())
    assert rows.get(UserById(ANN)) == user()
    assert not rows.announce(Batch((append(1),)))


def test_others_are_taken_in_while_somebody_changes():
    rows = Kept()
    rows.announce(Batch((PutUser(user()),)))
    rows.keep(KeyById("a"), KEY)
    assert rows.get(KeyById("a")) == KEY
    dropped = rows.announce(Batch((DropLogin("ext:shop", "ann"),)))  # of somebody
    rows.keep(UserById(BOB), user(BOB))
    assert rows.get(KeyById("a")) is rows.get(UserById(BOB)) is None
    rows.over(dropped)
    rows.keep(UserById(BOB), user(BOB))
    assert rows.get(UserById(BOB)) == user(BOB)


async def test_what_was_refused_is_over(kept: SqliteStore):
    taken = PutLogin(Login("ext:shop", "ann", BOB, "", Level.AUTH))
    assert await kept.commit(Batch((taken,))) == Conflict("auth")
    assert [await reads(kept, UserById(ANN)) for _ in range(2)] == [1, 0]
    with pytest.raises(StoreError):
        await kept.commit(Batch((PutUser(user(user_agent="\ud800")),)))
    assert [await reads(kept, UserById(ANN)) for _ in range(2)] == [1, 0]


async def test_after_a_commit_of_which_nobody_knows_all_is_read(kept: SqliteStore):
    with trio.CancelScope() as scope:
        scope.cancel()
        await kept.commit(Batch((PutUser(user(last_seen=9)),)))
    assert [await reads(kept, UserById(ANN)) for _ in range(2)] == [1, 1]


def test_what_is_kept_is_bounded():
    rows = Kept()
    rows.keep(UserById(ANN), user(public=b'"%b"' % (b"x" * SMALL)))
    assert rows.get(UserById(ANN)) is None
    for number in range(MOST + 1):
        rows.keep(UserById(str(number)), user(str(number)))
    assert rows.get(UserById("0")) is None
    assert rows.get(UserById("1")) is not None
    assert rows.get(UserById(str(MOST))) is not None


async def test_nobody_is_remembered_who_is_not_there(kept: SqliteStore):
    assert [await reads(kept, UserById("usrNobody")) for _ in range(2)] == [1, 1]


async def test_what_counts_as_elsewhere_writes_no_such_table(kept: SqliteStore):
    """Triggers included: SQLite is asked what each statement would write."""
    await put(kept, append(1))
    written: set[str] = set()

    def note(action: int, table: str | None, *_: object) -> int:
        if action in (9, 18, 23):  # SQLITE_DELETE, SQLITE_INSERT, SQLITE_UPDATE
            written.add(table or "")
        return 0

    kept._statements[0].connection.set_authorizer(note)
    for change in CHANGES:
        if type(change) in ELSEWHERE:
            await kept.commit(Batch((change,)))
    assert "message" in written
    assert not written & {"account", "login", "api_key"}
    assert {type(change) for change in CHANGES} >= ELSEWHERE
