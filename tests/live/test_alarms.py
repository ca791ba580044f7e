"""Calls to come: in the order of their times, never early, however they were asked for."""

from __future__ import annotations

import trio
import trio.testing

from tinode_py.live.alarms import Alarms


class Notes(list[tuple[str, float]]):
    """What rang when."""

    def of(self, name: str):
        return lambda: self.append((name, trio.current_time()))


async def test_alarms_ring_in_the_order_of_their_times(autojump_clock, nursery):
    alarms, notes = Alarms(nursery), Notes()
    begun = trio.current_time()
    for name, after in (("c", 3), ("a", 1), ("b", 2), ("d", 3)):
        alarms.at(begun + after, notes.of(name))
    await trio.sleep(10)
    assert notes == [("a", begun + 1), ("b", begun + 2), ("c", begun + 3), ("d", begun + 3)]


async def test_an_earlier_one_is_heard_while_a_later_is_waited_for(autojump_clock, nursery):
    alarms, notes = Alarms(nursery), Notes()
    begun = trio.current_time()
    alarms.at(begun + 5, notes.of("late"))
    await trio.sleep(1)
    alarms.at(begun + 2, notes.of("early"))
    alarms.at(begun, notes.of("past"))
    await trio.sleep(10)
    assert notes == [("past", begun + 1), ("early", begun + 2), ("late", begun + 5)]


async def test_one_alarm_sets_another(autojump_clock, nursery):
    alarms, notes = Alarms(nursery), Notes()
    begun = trio.current_time()
    alarms.at(begun + 1, lambda: alarms.at(begun + 2, notes.of("next")))
    await trio.sleep(10)
    alarms.at(begun + 11, notes.of("last"))
    await trio.sleep(10)
    assert notes == [("next", begun + 2), ("last", begun + 11)]


async def test_there_is_a_task_only_while_something_is_to_come(autojump_clock, nursery):
    alarms = Alarms(nursery)
    assert not nursery.child_tasks
    alarms.at(trio.current_time() + 1, lambda: None)
    alarms.at(trio.current_time() + 2, lambda: None)
    assert len(nursery.child_tasks) == 1
    await trio.sleep(3)
    assert not nursery.child_tasks
