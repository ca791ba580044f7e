"""Whom a node finds when it joins: the living, the dead, and those whom it cannot reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tinode_py.cluster.cluster import LEAVING, Cluster, Place, joined
from tinode_py.errors import StoreError
from tinode_py.store.coordination import Member, MemoryCoordination

OWN = "unix:/data/workers/link-1"


class NoLinks:
    async def run(self) -> None:
        await trio.sleep_forever()

    def members(self, members: tuple[Member, ...]) -> None:
        pass


def node(
    coordination: MemoryCoordination, is_past: Callable[[str], bool] = lambda address: False
) -> Cluster:
    return Cluster(
        *(coordination, Place("b", OWN, ""), 5.0),
        links=lambda node: NoLinks(),
        serve_as=lambda number: None,
        is_past=is_past,
    )


async def members(coordination: MemoryCoordination, number: int) -> list[str]:
    found = await coordination.beat(number, load=0, draining=False)
    return [member.address for member in found if member.id != number]


async def test_the_living_stay(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    coordination = MemoryCoordination(trio.current_time)
    (tmp_path / "link-2").touch()
    addresses = ["10.0.0.1:7000", f"unix:{tmp_path}/link-2"]
    for address in addresses:
        await coordination.join("a", address, "")
    cluster = node(coordination)
    await cluster.join()
    assert await members(coordination, cluster.number) == addresses
    assert not cluster.is_first


@pytest.mark.parametrize("address", [OWN, "unix:/nowhere/link-2"])
async def test_who_is_dead_is_no_member_any_more(
    autojump_clock: trio.abc.Clock, address: str
) -> None:
    """Also if the store notices a moment later that his connection is gone."""
    coordination = MemoryCoordination(trio.current_time)
    dead = await coordination.join("a", address, "")
    cluster = node(coordination, is_past=OWN.__eq__)

    async def notice() -> None:
        await trio.sleep(1)
        coordination.disconnected.add(dead)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(notice)
        await cluster.join()
    assert trio.current_time() < 2
    assert cluster.is_first
    assert cluster.membership.others == ()


@pytest.mark.parametrize("address", [OWN, "unix:/nowhere/link-2"])
async def test_who_lives_where_nobody_reaches_him_is_named(
    autojump_clock: trio.abc.Clock, address: str
) -> None:
    """Workers on two machines, say, of which neither has an address for the other."""
    coordination = MemoryCoordination(trio.current_time)
    other = await coordination.join("a", address, "")
    cluster = node(coordination, is_past=OWN.__eq__)
    with pytest.raises(StoreError, match=r"node 1 \(a\) is on another machine"):
        await cluster.join()
    assert await members(coordination, other) == []


async def test_who_has_left_does_not_join_again(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Though a beat finds out that it is no member, before the node has come to its end."""
    coordination = MemoryCoordination(trio.current_time)
    cluster, leave = node(coordination), coordination.leave

    async def slowly(number: int) -> None:
        await leave(number)
        await trio.sleep(LEAVING / 2)

    coordination.leave = slowly  # type: ignore[method-assign, assignment]
    async with joined(cluster):
        await trio.sleep(1)
        assert len(coordination.members()) == 1
    assert coordination.members() == ()
    assert caplog.text == ""
