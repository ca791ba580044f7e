"""What waits, what is tried again, what is dropped: on a virtual clock."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from tests.push.fakes import FakePusher, pushing_server, settle
from tinode_py.core.effects import Addressee
from tinode_py.live.pushing import MEMORY, Pushing
from tinode_py.push.base import Follow, PushError
from tinode_py.push.lane import FIRST_PAUSE, Lane
from tinode_py.records import Message
from tinode_py.store.memory import MemoryStore

ONE, TWO = Follow("chnX", ("one",), True), Follow("chnX", ("two",), True)


def lane(pusher: FakePusher, size: int = 10, attempts: int = 4) -> Lane:
    gone, _ = trio.open_memory_channel[str](1)
    return Lane(pusher, size, attempts, gone)


@pytest.fixture
def pusher():
    return FakePusher()


async def test_what_waits_is_handed_over_together(pusher, autojump_clock, nursery):
    made = lane(pusher)
    made.put(ONE)
    made.put(TWO)
    nursery.start_soon(made.run)
    await made.wait_idle()
    assert (pusher.taken, pusher.batches) == ([ONE, TWO], 1)
    assert made.statistics().pushed == 2


async def test_a_full_lane_drops_and_counts(pusher):
    made = lane(pusher, size=1)
    made.put(ONE)
    made.put(TWO)
    assert (made.statistics().waiting, made.statistics().dropped) == (1, 1)


async def test_pauses_grow_from_attempt_to_attempt(pusher, autojump_clock, nursery):
    made = lane(pusher)
    pusher.errors += [PushError("busy", again=True)] * 3
    made.put(ONE)
    nursery.start_soon(made.run)
    start = trio.current_time()
    await made.wait_idle()
    assert trio.current_time() - start == pytest.approx(FIRST_PAUSE * (1 + 2 + 4))
    assert pusher.taken == [ONE]
    assert made.statistics().failed == 0


async def test_after_the_last_attempt_it_is_given_up(pusher, autojump_clock, nursery):
    made = lane(pusher, attempts=2)
    pusher.errors += [PushError("busy", again=True)] * 2
    made.put(ONE)
    nursery.start_soon(made.run)
    await made.wait_idle()
    made.put(TWO)
    await made.wait_idle()
    assert pusher.taken == [TWO]
    assert (made.statistics().failed, made.statistics().pushed) == (1, 1)


async def test_what_is_refused_is_not_tried_again(pusher, autojump_clock, nursery):
    made = lane(pusher)
    pusher.errors.append(PushError("no", again=False))
    made.put(ONE)
    nursery.start_soon(made.run)
    await made.wait_idle()
    assert (pusher.batches, made.statistics().failed) == (1, 1)


def pushing(size: int) -> Pushing:
    _, named = trio.open_memory_channel[str](1)
    return Pushing(MemoryStore(), [lane(FakePusher())], named, size, lambda: 0)


def told(made: Pushing, content: bytes = b"1") -> None:
    made.published(Message("grpX", 1, "usrA", 0, None, content), (Addressee("u", "t", False),), "")


async def test_more_than_may_wait_is_dropped_and_counted():
    made = pushing(2)
    for _ in range(3):
        told(made)
    assert (made.statistics().waiting, made.statistics().dropped) == (2, 1)


async def test_messages_that_wait_are_bounded_in_bytes():
    made = pushing(100)
    for _ in range(3):
        told(made, b"x" * (MEMORY // 2))
    assert (made.statistics().waiting, made.statistics().dropped) == (2, 1)


@attrs.define
class Stuck(FakePusher):
    """Never answers."""

    async def push(self, batch):
        return await trio.sleep_forever()


async def test_a_service_that_does_not_answer_holds_up_nobody(autojump_clock):
    settings = {"queue": 2}
    async with pushing_server(Stuck(), push=settings) as server:
        ann, bob = await server.user("ann"), await server.user("bob")
        await ann.sub(bob.user)
        for n in range(110):
            await ann.pub(bob.user, n)
            await settle()
        statistics = server.server.hub.pushing.statistics()
        assert statistics.lanes["fake"].waiting == 2
        assert statistics.lanes["fake"].dropped > 100


async def test_what_waits_at_the_end_goes_out(autojump_clock):
    pusher = FakePusher()
    async with pushing_server(pusher) as server:
        ann, bob = await server.user("ann"), await server.user("bob")
        await ann.sub(bob.user)
        await ann.pub(bob.user, "last")
    assert pusher.pushes()[-1].payload["content"] == "last"
