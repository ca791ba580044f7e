"""Small answers are read on the loop's thread, large ones in another."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.store.made import ANN, BOB, GROUP, PAIR, put, sub, topic, user
from tinode_py import ids
from tinode_py import queries as q
from tinode_py.changes import PutSubscription, PutTopic, PutUser
from tinode_py.store.near import FEW, is_small
from tinode_py.store.sqlite import open_sqlite


@pytest.mark.parametrize(
    ("members", "contacts", "small"), [(FEW, FEW, True), (FEW + 1, FEW + 1, False)]
)
async def test_few_rows_are_counted_before_they_are_read(
    members: int, contacts: int, small: bool, tmp_path: Path
) -> None:
    async with open_sqlite(tmp_path / "t.db") as store:
        there = [sub(GROUP, ids.user_name(100 + n)) for n in range(members)]
        there += [sub("grp" + ids.user_name(200 + n)[3:], ANN) for n in range(contacts)]
        await put(store, PutUser(user(ANN)), PutTopic(topic(GROUP)), *map(PutSubscription, there))
        _, near, _ = store._statements
        assert is_small(near, q.MembersOf(GROUP)) is small
        assert is_small(near, q.ContactsOf(ANN)) is small
        found = await store.fetch(q.MembersOf(GROUP))
        assert len(found) == members


async def test_what_is_small_by_its_nature_is_not_counted(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "t.db") as store:
        _, near, _ = store._statements
        before = near.count
        assert is_small(near, q.MembersOf(PAIR, former=True))
        assert is_small(near, q.ContactsOf(ANN, 0, GROUP))
        assert not is_small(near, q.GroupsOwnedBy(ANN))
        assert near.count == before


async def test_a_small_answer_needs_no_other_thread(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "t.db") as store:
        both = (sub(PAIR, ANN), sub(PAIR, BOB))
        await put(store, PutTopic(topic(PAIR)), *map(PutSubscription, both))
        with trio.CancelScope() as scope:
            scope.cancel()  # a hop to another thread would end here
            found = await store.fetch(q.MembersOf(PAIR, former=True))
        assert {row.user for row in found} == {ANN, BOB}
