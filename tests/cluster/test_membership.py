"""What a node says of others that end."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.parts import LEASE, nodes
from tinode_py.cluster.membership import Membership
from tinode_py.store.coordination import Member, MemoryCoordination


@pytest.mark.parametrize("draining", [True, False])
async def test_only_the_end_of_a_node_that_did_not_say_so_is_a_warning(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture, draining: bool
) -> None:
    caplog.set_level(logging.INFO)
    coordination = MemoryCoordination(trio.current_time)
    mine, other = [await coordination.join(name, f"{name}:1", "") for name in "ab"]
    seen: list[tuple[Member, ...]] = []
    membership = Membership(coordination, mine, LEASE, lambda: 0, seen.append)
    await coordination.beat(other, load=0, draining=draining)
    await membership.beat()
    coordination.disconnected.add(other)
    assert await membership.bury(other)
    (said,) = [it for it in caplog.records if "has ended" in it.getMessage()]
    assert said.levelno == (logging.INFO if draining else logging.WARNING)
    await membership.beat()
    assert membership.ending == set()


async def test_who_drains_says_so_before_he_has_gone(autojump_clock: Clock) -> None:
    async with nodes("a", "b") as (machines, _):
        await trio.sleep(1)
        others = machines.clusters["b"].membership.ending
        assert others == set()
        machines.clusters["a"].begin_drain()
        await trio.sleep(0.01)
        assert others == {machines.number("a")}
