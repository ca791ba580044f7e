"""Members and claims: whatever keeps them, the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.cluster.remote.parts import remotes
from tests.store.made import GROUP, append, people, seen
from tinode_py.changes import Batch, Committed
from tinode_py.errors import Fenced, StoreAway
from tinode_py.store.coordination import (
    Coordination,
    FencedStore,
    Member,
    MemoryCoordination,
)
from tinode_py.store.memory import MemoryStore
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.coordination import open_coordination
from tinode_py.store.sqlite import open_owned

LONG = 1000.0  # seconds: nobody is silent for so long here


@pytest.fixture(params=["memory", "owned", "remote", "postgres"])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Coordination]:
    if request.param == "memory":
        yield MemoryCoordination(trio.current_time)
    elif request.param == "owned":
        async with open_owned(tmp_path / "t.db") as store:
            yield store.coordination(trio.current_time)
    elif request.param == "remote":
        async with remotes() as found:
            yield found
    else:
        address = Address.of(request.getfixturevalue("postgres_url"))
        async with open_coordination(address) as opened:
            yield opened


async def joined(shared: Coordination, name: str) -> int:
    return await shared.join(name, f"{name}:6061", f"https://{name}.example")


async def members(shared: Coordination, node: int) -> list[int]:
    return [m.id for m in await shared.beat(node, load=0, draining=False)]


async def test_members_see_each_other(shared: Coordination) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    assert a < b
    await shared.beat(b, load=7, draining=True)
    found = await shared.beat(a, load=3, draining=False)
    assert [attrs.evolve(m, silent=0.0) for m in found] == [
        Member(a, "a", "a:6061", "https://a.example", False, 3),
        Member(b, "b", "b:6061", "https://b.example", True, 7),
    ]
    assert found[0].silent == 0
    assert 0 <= found[1].silent < 30


async def test_a_number_is_never_given_out_again(shared: Coordination) -> None:
    """The same machine comes back as another node; what it was before is gone for good."""
    a = await joined(shared, "a")
    await shared.leave(a)
    b = await joined(shared, "a")
    assert b > a
    with pytest.raises(Fenced):
        await shared.beat(a, load=0, draining=False)
    assert await members(shared, b) == [b]


async def test_silence_grows_until_the_next_beat(shared: Coordination) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    with trio.fail_after(30):
        while (await shared.beat(a, load=0, draining=False))[1].silent < 0.02:
            await trio.lowlevel.checkpoint()
    assert (await shared.beat(b, load=0, draining=False))[1].silent == 0


async def test_only_who_is_silent_is_fenced(shared: Coordination) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    assert not await shared.fence(b, LONG)
    assert await shared.fence(b, -1.0)
    assert await shared.fence(b, LONG), "it is gone already"
    assert await members(shared, a) == [a]
    with pytest.raises(Fenced, match=f"node {b} is no member"):
        await shared.beat(b, load=0, draining=False)


async def test_who_is_buried_is_gone() -> None:
    shared = MemoryCoordination(trio.current_time)
    a, b = await joined(shared, "a"), await joined(shared, "b")
    await shared.claim(b, ["x"])
    assert not await shared.bury(b), "it has a connection"
    shared.disconnected.add(b)
    assert await shared.bury(b)
    assert await shared.claim(a, ["x"]) == {"x": a}


async def test_who_was_never_there_is_gone(shared: Coordination) -> None:
    a = await joined(shared, "a")
    assert await shared.fence(a + 1000, LONG)
    await shared.leave(a + 1000)
    with pytest.raises(Fenced):
        await shared.claim(a + 1000, [GROUP])


async def test_a_topic_is_claimed_on_first_use(shared: Coordination) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    assert await shared.claim(a, ["x", "y"]) == {"x": a, "y": a}
    assert await shared.claim(b, ["z", "y", "x", "z"]) == {"x": a, "y": a, "z": b}
    assert await shared.claim(a, ["z"]) == {"z": b}
    assert await shared.claim(a, []) == {}


async def test_many_ask_at_once_and_one_gets_it(shared: Coordination) -> None:
    nodes = [await joined(shared, name) for name in "abc"]
    names = [f"t{n}" for n in range(20)]
    answers: list[dict[str, int]] = []

    async def ask(node: int, some: list[str]) -> None:
        answers.append(await shared.claim(node, some))

    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(ask, node, names)
            nursery.start_soon(ask, node, names[::-1])
            for name in names:
                nursery.start_soon(ask, node, [name])
    owners = await shared.claim(nodes[0], names)
    assert list(owners) == names
    assert set(owners.values()) <= set(nodes)
    for answer in answers:
        assert answer.items() <= owners.items()


async def test_only_the_owner_lets_go(shared: Coordination) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    await shared.claim(a, ["x", "y"])
    await shared.release(b, ["x", "nothing"])
    assert await shared.claim(b, ["x"]) == {"x": a}
    await shared.release(a, ["x", "nothing"])
    assert await shared.claim(b, ["x", "y"]) == {"x": b, "y": a}


async def test_a_gift(shared: Coordination) -> None:
    a, b, c = [await joined(shared, name) for name in "abc"]
    await shared.claim(a, ["x"])
    assert not await shared.give(b, "x", c), "it is not his"
    assert not await shared.give(a, "y", b), "nobody has it"
    assert await shared.give(a, "x", b)
    assert not await shared.give(a, "x", c), "it was given away"
    await shared.leave(c)
    assert not await shared.give(b, "x", c), "he is gone"
    assert await shared.claim(a, ["x"]) == {"x": b}


@pytest.mark.parametrize("way", ["fence", "leave"])
async def test_topics_of_who_is_gone_are_free(shared: Coordination, way: str) -> None:
    a, b = await joined(shared, "a"), await joined(shared, "b")
    await shared.claim(a, ["x", "y"])
    await shared.claim(b, ["z"])
    if way == "fence":
        assert await shared.fence(a, -1.0)
    else:
        await shared.leave(a)
    with pytest.raises(Fenced):
        await shared.claim(a, ["x"])
    assert not await shared.give(a, "x", b)
    assert await shared.claim(b, ["x", "z"]) == {"x": b, "z": b}
    await shared.release(a, ["x"])
    c = await joined(shared, "a")
    assert await shared.claim(c, ["x", "y"]) == {"x": b, "y": c}


async def test_a_fenced_node_writes_nothing() -> None:
    shared = MemoryCoordination(trio.current_time)
    a, b = await joined(shared, "a"), await joined(shared, "b")
    store = MemoryStore()
    mine, other = FencedStore(store, shared, a), FencedStore(store, shared, b)
    await people(mine)
    assert await mine.commit(Batch((append(1),))) == Committed()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            with pytest.raises(Fenced):
                await mine.commit(Batch((append(2),)))

        await shared.leave(a)  # before that commit is written
        mine.serve_as(await joined(shared, "a"))
    assert await seen(mine) == [1], "it may read"
    assert await other.commit(Batch((append(2),))) == Committed()
    assert issubclass(Fenced, StoreAway)
