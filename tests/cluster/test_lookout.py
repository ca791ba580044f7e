"""Members that nobody has met: whether they have ended is found out all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.nodes import Network
from tests.cluster.parts import LEASE, Cable
from tinode_py.cluster.lookout import PROBES, QUIET
from tinode_py.cluster.membership import BEATS, Membership
from tinode_py.store.coordination import FencedStore, Member, MemoryCoordination
from tinode_py.store.memory import MemoryStore

ALL = sum(PROBES) + 1  # seconds for all looks
UNMET = Member(1, "n1", "node1:7070", "")
SILENT = attrs.evolve(UNMET, silent=LEASE * QUIET + 0.1)


@attrs.define
class Graves:
    """Whom the store was asked to bury, and when; it agrees to the attempt numbered `agrees`."""

    agrees: int = 1
    asked: list[tuple[int, float]] = attrs.field(factory=list)

    async def bury(self, node: int) -> bool:
        self.asked.append((node, trio.current_time()))
        return len(self.asked) == self.agrees

    def numbers(self) -> list[int]:
        return [node for node, _ in self.asked]


async def test_one_that_ended_before_there_was_a_link(
    autojump_clock: Clock, network: Network
) -> None:
    """As soon as it is silent, whichever of the two should have connected."""
    graves = Graves()
    node = network.start(2, bury=graves.bury)
    for number in (1, 3):
        node.links.members([attrs.evolve(UNMET, id=number, silent=LEASE * QUIET)])
        await trio.sleep(ALL)
        assert graves.asked == [], "it has just beaten"
        began = trio.current_time()
        node.links.members([attrs.evolve(SILENT, id=number)])
        await trio.sleep(ALL)
        assert graves.numbers() == [number]
        assert graves.asked.pop()[1] - began < 0.1


async def test_the_store_is_asked_again_while_it_is_silent(
    autojump_clock: Clock, network: Network
) -> None:
    """PostgreSQL may see late that a connection is gone. One task is at it."""
    graves = Graves(agrees=2 * len(PROBES) + 1)
    node = network.start(2, bury=graves.bury)
    for _ in range(3):
        for _ in range(5):
            node.links.members([SILENT])
        await trio.sleep(ALL)
    assert graves.numbers() == [1] * (2 * len(PROBES) + 1)


@pytest.mark.parametrize("deaf", [False, True])
async def test_one_that_listens_is_left_alone(
    autojump_clock: Clock, network: Network, deaf: bool
) -> None:
    """It may be stopped, or busy: it has its lease."""
    graves = Graves()
    network.start(1)
    network.deaf = deaf
    node = network.start(2, bury=graves.bury)
    for _ in range(5):
        node.links.members([SILENT])
        await trio.sleep(ALL)
    assert graves.asked == []


async def test_one_that_is_gone_meanwhile(autojump_clock: Clock, network: Network) -> None:
    graves = Graves(agrees=0)
    node = network.start(2, bury=graves.bury)
    node.links.members([SILENT])
    await trio.sleep(0.1)
    node.links.members([])
    asked = len(graves.asked)
    await trio.sleep(ALL)
    assert len(graves.asked) == asked > 0


@pytest.mark.parametrize("heir", ["another", "this node"])
async def test_one_whose_address_another_has(
    autojump_clock: Clock, network: Network, heir: str
) -> None:
    """It was started again, as services are, before anybody had seen the end of the former."""
    graves = Graves()
    there = UNMET.address
    later = network.start(3, address=there, bury=graves.bury)
    node = network.start(2, bury=graves.bury) if heir == "another" else later
    node.links.members([SILENT, later.member])
    await trio.sleep(ALL)
    assert graves.numbers() == [1]


async def test_who_came_later_is_not_taken_for_dead(
    autojump_clock: Clock, network: Network
) -> None:
    """It has an address of which another one says that it is its own."""
    graves = Graves()
    node = network.start(2, address="same:1", bury=graves.bury)
    network.start(4, address="there:1")
    there = attrs.evolve(SILENT, id=4, address="there:1")
    former = attrs.evolve(UNMET, id=3, address="there:1")
    node.links.members([attrs.evolve(SILENT, id=5, address="same:1"), there, former])
    await trio.sleep(ALL)
    assert graves.asked == []


# --- silence -----------------------------------------------------------------------------


@attrs.define
class Listener:
    """A member that hears of another one, which beats no more."""

    cable: Cable
    membership: Membership
    seen: list[float] = attrs.field(factory=list)  # how long that one was silent, as of each beat


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    coordination = MemoryCoordination(trio.current_time)
    await coordination.join("a", "a:1", "")
    await trio.sleep(LEASE / 2)
    me = await coordination.join("b", "b:1", "")
    cable = Cable(coordination, FencedStore(MemoryStore(), coordination, me))
    found = Listener(cable, Membership(cable, me, LEASE, lambda: 0, lambda members: None))
    found.membership.seen = lambda members: found.seen.extend(it.silent for it in members)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.membership.run)
        yield found
        nursery.cancel_scope.cancel()


async def test_silence_is_what_was_listened_to(autojump_clock: Clock, listener: Listener) -> None:
    """Not the time before one was there, nor that in which nobody could be heard."""
    beat = LEASE / BEATS
    await trio.sleep(3.5 * beat)
    assert listener.seen == pytest.approx([0, beat, 2 * beat, 3 * beat])
    listener.cable.is_cut = True
    await trio.sleep(LEASE)
    del listener.seen[:]
    listener.cable.is_cut = False
    await trio.sleep(2 * beat)
    assert listener.seen == pytest.approx([0, beat])
