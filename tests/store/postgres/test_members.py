"""Members and claims in PostgreSQL: what the suite for all of them does not see."""

from __future__ import annotations

import pytest
import trio

from tests.postgres import Cluster
from tests.store.postgres.nodes import PATIENCE, Node, by_hand, node, nodes, until_beating
from tests.store.postgres.test_writer import cut
from tinode_py.errors import StoreAway, StoreError


async def test_two_nodes_take_over_the_same_topics(postgres_url: str) -> None:
    """Each topic once; nobody waits for the other in a circle."""
    names = [f"grp{n}" for n in range(500)]
    async with nodes(postgres_url, 3) as (a, b, c):
        await c.shared.claim(c.id, names)
        await a.shared.fence(c.id, -1.0)
        found: dict[int, dict[str, int]] = {}

        async def take(it: Node, some: list[str]) -> None:
            found[it.id] = await it.shared.claim(it.id, some)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, a, names)
            nursery.start_soon(take, b, names[::-1])
        assert found[a.id] == found[b.id]
        assert set(found[a.id].values()) <= {a.id, b.id}


async def test_a_name_that_nothing_can_hold_is_its_senders_fault(postgres_url: str) -> None:
    async with node(postgres_url) as a:
        outcomes: list[object] = []

        async def claim(name: str) -> None:
            try:
                outcomes.append(await a.shared.claim(a.id, [name]))
            except StoreError as error:
                outcomes.append(type(error))

        async with trio.open_nursery() as nursery:
            for name in ("x", "y\0", "\ud800", "z"):
                nursery.start_soon(claim, name)
        assert outcomes.count(StoreError) == 2
        assert {"x": a.id} in outcomes
        assert {"z": a.id} in outcomes


async def test_a_lost_connection_of_the_coordination(cluster: Cluster, postgres_url: str) -> None:
    async with node(postgres_url) as a:
        cut(cluster, postgres_url)
        with trio.fail_after(PATIENCE):
            with pytest.raises(StoreAway):
                await a.shared.beat(a.id, load=0, draining=False)
            assert await until_beating(a) == [a.id]


async def test_a_closed_coordination_refuses(postgres_url: str) -> None:
    async with node(postgres_url) as a:
        pass
    with pytest.raises(StoreError, match="closed"):
        await a.shared.beat(a.id, load=0, draining=False)


async def test_claims_of_who_is_gone_are_cleared_away(cluster: Cluster, postgres_url: str) -> None:
    """By who fenced him; and by who joins later, for the others may have gone themselves."""
    names = [f"grp{n}" for n in range(2500)]
    async with nodes(postgres_url, 3) as (a, b, c):
        await a.shared.claim(a.id, names)
        await b.shared.claim(b.id, ["x"])
        assert await b.shared.fence(a.id, -1.0)
        with by_hand(cluster, postgres_url) as db, trio.fail_after(PATIENCE):
            while db.execute("SELECT topic, node FROM claim").fetchall() != [("x", b.id)]:
                await c.shared.beat(c.id, load=0, draining=False)
            db.execute(
                "INSERT INTO claim SELECT 'y' || n, $1 FROM generate_series(1, 9) n", (a.id,)
            )
            await c.shared.join("d", "d:1", "https://d")
            while db.execute("SELECT topic, node FROM claim").fetchall() != [("x", b.id)]:
                await c.shared.beat(c.id, load=0, draining=False)


async def test_the_same_is_asked_twice_at_once(postgres_url: str) -> None:
    """Each gets an answer of its own."""
    async with node(postgres_url) as a:
        found: set[int] = set()

        async def join() -> None:
            found.add(await a.shared.join("same", "x:1", "https://x"))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(join)
        assert len(found) == 20


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_jumps_fences_nobody_and_saves_nobody(
    cluster: Cluster, postgres_url: str, hours: int
) -> None:
    """The database's, between two beats."""
    async with nodes(postgres_url) as (a, b):
        assert await until_beating(a) == [a.id, b.id]
        with by_hand(cluster, postgres_url) as db:
            db.execute("UPDATE node_beat SET at = at + $1 * 3600000", (hours,))
        (_, seen) = await a.shared.beat(a.id, load=0, draining=False)
        assert seen.silent < 1800
        assert not await a.shared.fence(b.id, 1800.0)
        assert await a.shared.fence(b.id, -1.0)


async def test_who_has_beaten_since_is_not_fenced(postgres_url: str) -> None:
    """However long nobody looked."""
    async with nodes(postgres_url) as (a, b):
        assert await until_beating(a) == [a.id, b.id]
        assert await until_beating(b) == [a.id, b.id]
        assert not await a.shared.fence(b.id, -1.0)
        assert await until_beating(b) == [a.id, b.id]
        await until_beating(a)
        assert await a.shared.fence(b.id, -1.0)


async def test_leaving_and_being_fenced_at_once(postgres_url: str) -> None:
    """Either way; neither waits for the other in a circle."""
    async with nodes(postgres_url) as (a, b):
        ends = [await a.shared.join("brief", "x:1", "https://x") for _ in range(40)]
        async with trio.open_nursery() as nursery:
            for number in ends:
                nursery.start_soon(a.shared.leave, number)
                nursery.start_soon(b.shared.fence, number, -1.0)
        assert await until_beating(a) == [a.id, b.id]
