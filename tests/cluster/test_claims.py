"""Who asks for a topic's owner is answered whatever becomes of the node."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from tinode_py.cluster.claims import Claims
from tinode_py.errors import UNAVAILABLE, Fenced, StoreAway, StoreError
from tinode_py.store.coordination import MemoryCoordination


async def _asked(claims: Claims, answers: list[object]) -> None:
    try:
        await claims.owner("grpA")
    except StoreError as error:
        answers.append(error.answer)


async def test_a_fenced_node_owns_nothing_and_says_try_again(autojump_clock):
    shared = MemoryCoordination(trio.current_time)
    claims = Claims(shared, await shared.join("a", "a:1", ""))
    answers: list[object] = []
    await shared.leave(claims.node)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_asked, claims, answers)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Fenced):
            await claims.run()
    assert answers == [UNAVAILABLE]


async def test_who_waits_when_the_node_ends_is_told_to_try_again(autojump_clock):
    shared = MemoryCoordination(trio.current_time)
    claims = Claims(shared, await shared.join("a", "a:1", ""))
    answers: list[object] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_asked, claims, answers)
        await trio.testing.wait_all_tasks_blocked()
        claims.release("grpB")
        with trio.CancelScope() as scope:
            scope.cancel()
            await claims.run()
    assert answers == [UNAVAILABLE]


class _Failing(MemoryCoordination):
    """The store cannot be asked to release anything, once."""

    failures = 1

    async def release(self, node: int, topics: Sequence[str]) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreAway("the store cannot be reached")
        await super().release(node, topics)


async def test_a_topic_that_is_needed_again_before_it_was_let_go_of_is_kept(autojump_clock):
    shared = _Failing(trio.current_time)
    claims = Claims(shared, await shared.join("a", "a:1", ""))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(claims.run)
        assert await claims.owner("grpA") == claims.node
        claims.release("grpA")
        assert await claims.owner("grpA") == claims.node
        await trio.sleep(1)
        assert shared._claims == {"grpA": claims.node}
        await claims.wait_released()
        nursery.cancel_scope.cancel()
