"""The owner of a store, and who is a member there: begun anew, gone, back again, buried."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.remote.asked import committing, is_back, outcome_of
from tests.cluster.remote.parts import IDENTITY, two
from tests.store.made import ANN, append, people, seen
from tinode_py.changes import Batch, Committed
from tinode_py.cluster.remote.store import open_remote
from tinode_py.errors import Fenced, StoreAway, StoreError
from tinode_py.queries import UserById
from tinode_py.store.coordination import FencedStore, MemoryCoordination


async def test_the_owner_is_started_anew(autojump_clock: Clock) -> None:
    """Nobody knows what became of a commit, and nobody is a member any more, which is said."""
    async with two() as it:
        told: list[float] = []
        it.remote.on_new_owner(lambda: told.append(trio.current_time()))
        await it.place.cut()
        await is_back(it)
        await people(it.remote)
        assert told == [], "it is the same"
        it.gated.after = trio.Event()
        shared = MemoryCoordination(trio.current_time)
        async with it.place.owned(FencedStore(it.store, shared, 0), shared, seed=9):
            async with committing(it) as found:
                await it.place.cut()
            assert isinstance(found[0], StoreAway)
            assert "not known whether" in str(found[0])
            await is_back(it)
            assert len(told) == 1
            with pytest.raises(Fenced):
                await it.remote.beat(it.id, load=0, draining=False)
            with pytest.raises(Fenced):
                await it.remote.commit(Batch((append(2),)))
            it.remote.serve_as(await it.remote.join("n", "n:1", ""))
            assert await it.remote.commit(Batch((append(2),))) == Committed()


async def test_a_node_that_is_gone_writes_nothing(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        it.gated.before = trio.Event()
        async with committing(it) as found:
            assert await it.shared.fence(it.id, -1.0)
            it.remote.serve_as(await it.remote.join("n", "n:1", ""))
            it.gated.before.set()
        assert type(found[0]) is Fenced
        assert str(found[0]) == str(
            Fenced(f"node {it.id} is no member of the cluster: it was silent for too long, or left")
        )
        assert await seen(it.remote) == []
        assert await it.remote.commit(Batch((append(1),))) == Committed()


async def test_whoever_joins_again_is_no_member_as_what_he_was(autojump_clock: Clock) -> None:
    async with two() as it:
        await it.remote.claim(it.id, ["x"])
        again = await it.remote.join("n", "n:1", "")
        assert again > it.id
        assert [member.id for member in it.shared.members()] == [again]
        assert await it.remote.claim(again, ["x"]) == {"x": again}


@pytest.mark.parametrize("end", ["left", "drains", "lost"])
async def test_only_a_node_that_did_not_say_that_it_ends_is_missed(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    caplog.set_level(logging.INFO)
    async with two() as it:
        if end == "left":
            await it.remote.leave(it.id)
        elif end == "drains":
            await it.remote.beat(it.id, load=0, draining=True)
        await it.place.cut()
        await trio.sleep(0.1)
    (said,) = [line for line in caplog.records if "has no store any more" in line.getMessage()]
    assert said.levelno == (logging.WARNING if end == "lost" else logging.INFO)
    (said,) = [line for line in caplog.records if "lost the connection to" in line.getMessage()]
    assert said.levelno == (logging.INFO if end == "left" else logging.WARNING)


async def test_the_way_back_is_found_again_and_again(autojump_clock: Clock) -> None:
    """Connections break at any moment under load: all that was acknowledged is there, once, and
    what was refused as not done is not.
    """
    async with two(lease=1.0) as it:
        await people(it.remote)
        rng = random.Random(3)
        it.gated.pause = lambda: rng.random() * 0.05
        taken: list[int] = []

        async def publish() -> None:
            number = 1
            with trio.fail_after(600):
                while number <= 60:
                    found: list[Any] = []
                    ask = functools.partial(it.remote.commit, Batch((append(number),)))
                    await outcome_of(ask, found)
                    if found == [Committed()]:
                        taken.append(number)
                        number += 1
                    else:
                        assert isinstance(found[0], StoreAway), found
                        await is_back(it)
                        number = len(await read()) + 1
                    await trio.sleep(rng.random() * 0.02)

        async def read() -> list[int]:
            while True:
                try:
                    return await seen(it.remote)
                except StoreAway:
                    await trio.sleep(0.01)

        async def beat() -> None:
            while True:
                with contextlib.suppress(StoreAway):
                    await it.remote.beat(it.id, load=0, draining=False)
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat)

            async def breaking() -> None:
                while True:
                    await trio.sleep(rng.random() * 0.2)
                    near, far = it.place.wires[-1]
                    rng.choice((near, far)).cut = True
                    await trio.sleep(rng.random() * 0.05)
                    await it.place.cut()

            nursery.start_soon(breaking)
            await publish()
            nursery.cancel_scope.cancel()
        assert len(it.place.wires) > 20
        assert taken == list(range(1, 61)), "while the owner lives, what is in doubt is settled"
        assert sorted(await seen(it.store)) == list(range(1, 61))


async def test_the_owner_is_waited_for_at_first(autojump_clock: Clock) -> None:
    async with two() as it:
        owner, it.place.owner = it.place.owner, None
        with pytest.raises(StoreAway, match="peer://owner: refused"):
            async with open_remote(it.place.line(seed=5), patience=3):
                pass
        assert 3 <= trio.current_time() < 10

        async def later() -> None:
            await trio.sleep(3)
            it.place.owner = owner

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            async with open_remote(it.place.line(seed=6)) as found:
                assert await found.fetch(UserById(ANN)) is None


async def test_an_owner_with_another_secret_or_version_is_told_at_once(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with two() as it:
        stranger = attrs.evolve(IDENTITY, secret=b"another")
        with pytest.raises(StoreError, match=r"closed the connection: is cluster\.secret the same"):
            async with open_remote(it.place.line(stranger, seed=5)):
                pass
        assert "refused a connection to the store: it has another secret" in caplog.text
        newer = attrs.evolve(IDENTITY, schema=IDENTITY.schema + 1, version="2.0")
        told = r"the owner of the store is of version 1\.0 \(protocol 1, schema 21\), the node of "
        told += r"version 2\.0 \(protocol 1, schema 22\): they must be of the same"
        with pytest.raises(StoreError, match=told):
            async with open_remote(it.place.line(newer, seed=6)):
                pass
        assert "refused a node: the owner of the store is of version 1.0" in caplog.text
        assert trio.current_time() < 1


async def test_a_node_whose_connection_is_over_may_be_buried(autojump_clock: Clock) -> None:
    async with two() as it, open_remote(it.place.line(seed=5)) as other:
        own = await other.join("o", "o:1", "")
        assert not await other.bury(it.id)
        wire, owner = it.place.wires[0], it.place.owner
        it.place.owner = None
        for end in wire:
            await end.inner.aclose()
        await trio.sleep(0.5)
        assert not await other.bury(own)
        assert await other.bury(it.id)
        it.place.owner = owner
        await is_back(it)
        with pytest.raises(Fenced):
            await it.remote.beat(it.id, load=0, draining=False)
        it.remote.serve_as(await it.remote.join("n", "n:1", ""))
        await trio.sleep(0.1)
        await it.place.cut()
        await is_back(it)
        assert not await other.bury(it.id + 2), "it has a connection again"
