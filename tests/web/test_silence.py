"""The one task that looks after silent connections."""

from __future__ import annotations

from itertools import pairwise

import attrs
import pytest
import trio

from tinode_py.web.silence import Silences


@attrs.define(eq=False)
class Silent:
    """Is looked at every so many seconds, and notes when."""

    period: float
    due: int = 0
    looks: list[float] = attrs.field(factory=list)

    def check(self, now: float) -> float:
        self.looks.append(now)
        return now + self.period


async def test_each_is_looked_at_when_it_asked_for_it(nursery, autojump_clock):
    silences, began = Silences(), trio.current_time()
    nursery.start_soon(silences.run)
    await trio.sleep(1)
    slow, fast = Silent(50), Silent(10)
    silences.watch(slow, began + 51)
    silences.watch(fast, began + 52)
    await trio.sleep(115)
    assert [look - began for look in slow.looks] == pytest.approx([51, 101], abs=0.06)
    assert len(fast.looks) == 7
    assert all(look >= began + 52 for look in fast.looks)


async def test_who_is_forgotten_is_not_looked_at(nursery, autojump_clock):
    silences = Silences()
    nursery.start_soon(silences.run)
    gone, there = Silent(5), Silent(5)
    for one in (gone, there):
        silences.watch(one, trio.current_time() + 5)
    await trio.sleep(6)
    silences.forget(gone)
    silences.forget(gone)
    await trio.sleep(60)
    assert len(gone.looks) == 1
    assert len(there.looks) == 13


async def test_thousands_due_at_once_let_others_work(nursery, autojump_clock):
    silences = Silences()
    nursery.start_soon(silences.run)
    many = [Silent(5) for _ in range(5000)]
    for one in many:
        silences.watch(one, 5.0)
    await trio.sleep(5.0)
    looked = []
    for _ in range(50):
        await trio.lowlevel.checkpoint()
        looked.append(sum(bool(one.looks) for one in many))
    assert max(after - before for before, after in pairwise(looked)) <= 128
    assert looked[-1] > 1000


async def test_who_asks_for_the_past_is_looked_at_once_a_tick(nursery, autojump_clock):
    silences, eager = Silences(), Silent(-1)
    nursery.start_soon(silences.run)
    silences.watch(eager, 1.0)
    await trio.sleep(2.01)
    assert 19 <= len(eager.looks) <= 22
