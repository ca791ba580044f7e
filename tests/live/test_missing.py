"""What a `me` could not deal with while the store was away is made up for."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import trio
import trio.testing

from tests.live.parts import TrickyStore, inbox_items, topic_names, trick
from tinode_py.client import Client
from tinode_py.live.alarms import Alarms
from tinode_py.live.missing import FIRST, LONGEST, Missing
from tinode_py.testing import RunningServer

OUTAGE = 100.0  # seconds
FOLLOWING = {"what": "inbox", "inbox": {"since": 1}}


async def missed(server: RunningServer) -> tuple[TrickyStore, Client]:
    """A store that cannot be read, and one whose inbox has grown since."""
    store = trick(server)
    alice, bob = await server.user("alice"), await server.user("bob")
    await alice.sub("me", get=FOLLOWING)
    await bob.sub(alice.user)
    await trio.testing.wait_all_tasks_blocked()
    alice.receive_all_nowait()
    store.unreadable = True
    await bob.pub(alice.user, "hello")
    await trio.testing.wait_all_tasks_blocked()
    return store, alice


async def test_an_inbox_that_grew_while_it_could_not_be_read(
    tinode_server: RunningServer, autojump_clock
):
    store, alice = await missed(tinode_server)
    await trio.sleep(OUTAGE)
    assert inbox_items(alice.receive_all_nowait()) == []
    store.unreadable = False
    await trio.sleep(1.5 * LONGEST)
    assert [item["n"] for item in inbox_items(alice.receive_all_nowait())] == [1]


async def test_nobody_looks_for_one_who_has_gone_meanwhile(
    tinode_server: RunningServer, autojump_clock
):
    store, alice = await missed(tinode_server)
    await alice.aclose()
    await trio.sleep(OUTAGE)
    assert alice.user not in topic_names(tinode_server)
    store.unreadable = False
    await trio.sleep(1.5 * LONGEST)
    assert alice.user not in topic_names(tinode_server)


async def test_looks_grow_apart_while_they_fail_and_are_not_those_of_others(autojump_clock):
    looks: list[tuple[str, float]] = []
    async with trio.open_nursery() as nursery:
        alarms = Alarms(nursery)
        began = trio.current_time()
        missing: dict[str, Missing] = {}

        def look(name: str) -> None:
            looks.append((name, trio.current_time() - began))
            if trio.current_time() - began < OUTAGE:
                missing[name].note()

        for name in ("usrA", "usrB"):
            missing[name] = Missing(name, partial(look, name), alarms)
            for _ in range(3):
                missing[name].note()
    for name in missing:
        times = [at for whose, at in looks if whose == name]
        gaps = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
        assert FIRST / 2 <= gaps[0] <= 1.5 * FIRST
        assert all(later >= earlier for earlier, later in pairwise(gaps))
        assert LONGEST / 2 <= gaps[-1] <= 1.5 * LONGEST
        assert len(times) < 12
    assert len({at for _, at in looks}) == len(looks)
