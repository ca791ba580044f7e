"""One file for all nodes: who is no member writes nothing, and numbers are given out once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.store.made import ANN, BOB, GROUP, append, people, put, seen, user
from tinode_py.changes import Batch, Committed, Outcome, PutUser
from tinode_py.errors import Fenced
from tinode_py.queries import UserById
from tinode_py.store.fenced import OwnedStore
from tinode_py.store.sqlite import open_owned

LONG = 1000.0


async def test_numbers_are_not_given_out_again(tmp_path: Path) -> None:
    """Not at the same time, and not by the next owner of the file."""
    given: list[int] = []
    for _ in range(2):
        async with open_owned(tmp_path / "t.db") as store:
            shared = store.coordination(trio.current_time)

            async def join(shared=shared) -> None:
                given.append(await shared.join("n", "n:1", ""))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(join)
    assert sorted(given) == list(range(1, 11))
    assert max(given[:5]) < min(given[5:])


@pytest.mark.parametrize("inline", [True, False])
async def test_only_members_write(tmp_path: Path, inline: bool) -> None:
    async with open_owned(tmp_path / "t.db", inline=inline) as store:
        with pytest.raises(Fenced, match="has not joined"):
            await store.commit(Batch(()))
        shared = store.coordination(trio.current_time)
        a, b = await shared.join("a", "a:1", ""), await shared.join("b", "b:1", "")
        with pytest.raises(Fenced, match="has not joined"):
            await store.commit(Batch(()))
        store.serve_as(a)
        await people(store)
        assert await store.commit_as(b, Batch((append(1),))) == Committed()
        await shared.leave(b)
        with pytest.raises(Fenced, match=f"node {b} is no member"):
            await store.commit_as(b, Batch((append(2),)))
        assert await store.commit(Batch((append(2),))) == Committed()
        assert await seen(store) == [2, 1]


@pytest.mark.parametrize("way", ["fence", "leave"])
async def test_a_commit_under_way_is_waited_for(tmp_path: Path, way: str) -> None:
    """Nobody has the topics of a node while something of it is still being written, and what
    comes to the writer after it is no member is refused, though it was handed in before.
    """
    async with open_owned(tmp_path / "t.db") as store:
        shared = store.coordination(trio.current_time)
        a, b = await shared.join("a", "a:1", ""), await shared.join("b", "b:1", "")
        store.serve_as(b)
        await people(store)
        await shared.claim(a, [GROUP])
        begun, go_on = threading.Event(), threading.Event()

        def is_member(node: int) -> bool:
            found = shared.is_member(node)
            begun.set()
            go_on.wait(30)
            return found

        store._transactions.is_member = is_member
        outcomes: dict[int, Outcome | Fenced] = {}
        ended: list[bool] = []

        async def commit(seq: int) -> None:
            try:
                outcomes[seq] = await store.commit_as(a, Batch((append(seq),)))
            except Fenced as error:
                outcomes[seq] = error

        async def end() -> None:
            if way == "fence":
                assert await shared.fence(a, -1.0)
            else:
                await shared.leave(a)
            ended.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit, 1)
            await trio.to_thread.run_sync(begun.wait, 30)
            nursery.start_soon(commit, 2)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.start_soon(end)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not shared.is_member(a)
            assert not ended
            assert await shared.claim(b, [GROUP]) == {GROUP: a}
            go_on.set()
        assert outcomes[1] == Committed()
        assert isinstance(outcomes[2], Fenced)
        assert await seen(store) == [1]
        assert await shared.claim(b, [GROUP]) == {GROUP: b}


async def test_rows_that_are_kept_are_those_of_all_nodes(tmp_path: Path) -> None:
    """Every node's commits pass the one store that keeps rows."""
    async with open_owned(tmp_path / "t.db") as store:
        shared = store.coordination(trio.current_time)
        a, b = await shared.join("a", "a:1", ""), await shared.join("b", "b:1", "")
        store.serve_as(a)
        await put(store, PutUser(user(ANN)), PutUser(user(BOB)))
        assert await store.fetch(UserById(ANN)) == user(ANN)
        changed = user(ANN, last_seen=9)
        assert await store.commit_as(b, Batch((PutUser(changed),))) == Committed()
        assert await store.fetch(UserById(ANN)) == changed
        assert isinstance(store, OwnedStore)
        assert store.statistics().batches >= 2
