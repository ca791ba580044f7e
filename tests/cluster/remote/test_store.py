"""A store over a connection: what becomes of a request when that breaks."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.remote.asked import committing, is_back, outcome_of
from tests.cluster.remote.parts import two
from tests.store.made import ANN, BOB, GROUP, append, people, put, seen, topic, user
from tinode_py.changes import Batch, Committed, Conflict, PutTopic, PutUser, Stale
from tinode_py.cluster.remote.runs import WINDOW
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries import FindByTags, MembersOf, UserById

LEASE = 7.0  # longer than an attempt to connect


async def test_reads_and_writes(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        assert await it.remote.fetch(UserById(ANN)) == user(ANN)
        members = await it.remote.fetch(MembersOf(GROUP))
        assert [it.user for it in members] == [ANN, BOB]
        assert await it.remote.commit(Batch((append(1),))) == Committed()
        assert await it.remote.commit(Batch((append(1),))) == Stale()
        await put(it.remote, PutUser(attrs_with(user(ANN), ("alias:x",))))
        other = PutTopic(topic(GROUP, tags=("alias:x",)))
        assert await it.remote.commit(Batch((other,))) == Conflict("tags")
        assert await seen(it.remote) == [1]
        assert it.remote.statistics().batches == 5


def attrs_with(it: Any, tags: tuple[str, ...]) -> Any:
    return type(it)(it.id, it.created, it.updated, tags=tags)


async def test_a_value_that_no_store_holds_costs_that_request_alone(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        for wrong in ("\ud800", "x" * 10):
            batch = Batch((PutUser(user("usr" + wrong, last_seen=2**70)),))
            with pytest.raises(StoreError):
                await it.remote.commit(batch)
        assert len(it.place.wires) == 1
        assert await it.remote.commit(Batch((append(1),))) == Committed()


async def test_requests_are_answered_in_any_order(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        it.gated.before = trio.Event()
        async with committing(it) as found:
            assert await it.remote.fetch(UserById(ANN)) is not None
            assert found == []
            it.gated.before.set()
        assert found == [Committed()]


async def test_many_share_a_write(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        near, far = it.place.wires[0]
        before = len(near.writes), len(far.writes)
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(it.remote.fetch, UserById(ANN))
        assert len(near.writes) - before[0] <= 3
        assert len(far.writes) - before[1] <= 6


@pytest.mark.parametrize("when", ["written", "not written", "not there"])
async def test_a_commit_in_doubt_is_settled(autojump_clock: Clock, when: str) -> None:
    """The connection breaks when it was written and not answered, when it waits to be written,
    and before it has come: its sender is told what is true.
    """
    async with two() as it:
        await people(it.remote)
        gate = trio.Event()
        if when == "written":
            it.gated.after = gate
        elif when == "not written":
            it.gated.before = gate
        else:
            it.place.wires[-1][0].cut = True
        async with committing(it) as found:
            await it.place.cut()
            await trio.sleep(0.5)
            if when != "not there":  # nothing is asked before it is known
                assert found == []
                with pytest.raises(StoreAway):
                    await it.remote.fetch(UserById(ANN))
            gate.set()
            await is_back(it)
        if when == "not there":
            assert isinstance(found[0], StoreAway)
            assert "nothing was changed" in str(found[0])
            assert await seen(it.remote) == []
        else:
            assert found == [Committed()]
            assert await seen(it.remote) == [1]
        it.gated.after = it.gated.before = None
        assert await it.remote.commit(Batch((append(len(await seen(it.remote)) + 1),)))


async def test_a_conflict_in_doubt_is_settled(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        it.gated.after = trio.Event()
        async with committing(it, Batch((append(7),))) as found:
            await it.place.cut()
            it.gated.after.set()
        assert found == [Stale()]


async def test_what_breaks_is_refused_at_once(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        owner, it.place.owner = it.place.owner, None
        it.place.wires[-1][0].cut = True
        found: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, lambda: it.remote.fetch(UserById(ANN)), found)
            nursery.start_soon(outcome_of, lambda: it.remote.claim(it.id, ["x"]), found)
            await trio.sleep(0.1)
            await it.place.cut()
        assert [type(it) for it in found] == [StoreAway, StoreAway]
        assert "not known whether" in str(found[0])
        began = trio.current_time()
        with pytest.raises(StoreAway, match="peer://owner"):
            await it.remote.commit(Batch((append(1),)))
        assert trio.current_time() == began
        it.place.owner = owner
        await is_back(it)
        assert trio.current_time() - began < 3


async def test_nobody_waits_longer_than_a_lease_for_what_is_in_doubt(
    autojump_clock: Clock,
) -> None:
    async with two(lease=LEASE) as it:
        await people(it.remote)
        it.gated.after = trio.Event()
        began = trio.current_time()
        async with committing(it) as found:
            it.place.deaf = True  # as a machine without power: nothing is refused
            await it.place.cut()
        assert isinstance(found[0], StoreAway)
        assert "not known whether" in str(found[0])
        assert LEASE < trio.current_time() - began < LEASE + 0.5
        it.place.deaf = False
        await trio.sleep(10)
        with pytest.raises(StoreAway):  # what was given up may still come
            await it.remote.fetch(UserById(ANN))
        it.gated.after.set()
        await is_back(it)
        assert await seen(it.remote) == [1]


async def test_who_cancels_gets_nothing_and_does_no_harm(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        it.gated.after = trio.Event()
        with trio.move_on_after(1):
            await it.remote.commit(Batch((append(1),)))
        it.gated.after.set()
        assert await it.remote.commit(Batch((append(2),))) == Committed()
        assert len(it.place.wires) == 1


async def test_more_than_may_be_under_way_waits(autojump_clock: Clock) -> None:
    async with two() as it:
        await people(it.remote)
        it.gated.before = trio.Event()
        async with committing(it, *[Batch(())] * (WINDOW + 10)) as found:
            assert it.gated.come == WINDOW + 2 - 1
            it.gated.before.set()
        assert found == [Committed()] * (WINDOW + 10)
        assert await it.remote.fetch(FindByTags((), ("x",), "", False, 1)) == ()


async def test_more_than_may_wait_to_be_sent_is_refused(autojump_clock: Clock) -> None:
    async with two(queue=65536) as it:
        await people(it.remote)
        it.place.wires[-1][0].stuck = True
        found: list[Any] = []
        large = Batch((append(1, content=b'"' + b"x" * 30_000 + b'"'),))
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                for _ in range(9):
                    nursery.start_soon(outcome_of, lambda: it.remote.commit(large), found)
        assert 5 <= len(found) < 9
        assert {str(error) for error in found} == {"peer://owner: too much waits to be sent"}
