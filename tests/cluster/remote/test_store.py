"""A store over a connection: what becomes of a request when that breaks."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.remote.parts import IDENTITY, Two, two
from tests.store.made import ANN, BOB, GROUP, append, people, put, seen, topic, user
from tinode_py.changes import Batch, Committed, Conflict, PutTopic, PutUser, Stale
from tinode_py.cluster.remote.runs import WINDOW
from tinode_py.cluster.remote.store import open_remote
from tinode_py.errors import Fenced, StoreAway, StoreError
from tinode_py.queries import FindByTags, MembersOf, UserById
from tinode_py.store.coordination import FencedStore, MemoryCoordination

LEASE = 7.0  # longer than an attempt to connect


async def outcome_of(ask: Callable[[], Awaitable[Any]], into: list[Any]) -> None:
    """The answer, or the error."""
    try:
        into.append(await ask())
    except StoreError as error:
        into.append(error)


@contextlib.asynccontextmanager
async def committing(it: Two, *batches: Batch) -> AsyncIterator[list[Any]]:
    """Commits of that node, which are under way when the block begins and over when it ends; what
    is yielded takes their answers. Without a batch, one that appends a message.
    """
    found: list[Any] = []
    async with trio.open_nursery() as nursery:
        for batch in batches or (Batch((append(1),)),):
            nursery.start_soon(outcome_of, functools.partial(it.remote.commit, batch), found)
        await trio.sleep(0.1)
        yield found


async def is_back(it: Two) -> None:
    with trio.fail_after(60):
        while True:
            try:
                await it.remote.fetch(UserById(ANN))
            except StoreAway:
                await trio.sleep(0.01)
            else:
                return


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
