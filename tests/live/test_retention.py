"""Messages that are kept for so many days."""

from __future__ import annotations

import os
from functools import partial

import attrs
import pytest
import trio.testing

from tests.store.made import put
from tinode_py.changes import PutRetention
from tinode_py.core.retention import AT_ONCE
from tinode_py.live.asking import settle
from tinode_py.live.retention import Retention
from tinode_py.queries import DeletionsIn, OldestIn, RetentionOf
from tinode_py.server import Parts
from tinode_py.testing import CheapHasher, RunningServer, running_server, trio_clock

DAY = 86_400_000  # ms


@attrs.define
class World:
    server: RunningServer
    ahead: int = 0

    async def pass_by(self, days: float) -> None:
        """Go on, and let the server look through its topics."""
        self.ahead += int(days * DAY)
        inside = self.server.server
        done = partial(settle, inside.hub)
        rounds = Retention(inside.settings, inside.store, inside.hub.now, done)
        await rounds.sweep()
        await trio.testing.wait_all_tasks_blocked()

    async def keep(self, topic: str, days: int | None) -> None:
        await put(self.server.server.store, PutRetention(topic, days))

    async def left(self, topic: str) -> list[int]:
        found = await self.server.server.store.fetch(OldestIn(topic, 10_000))
        return [seq for seq, _ in found]


@pytest.fixture
async def world(autojump_clock):
    clock = trio_clock()
    made: list[World] = []

    def now() -> int:
        return clock() + (made[0].ahead if made else 0)

    parts = Parts(now, os.urandom, CheapHasher(), inline=True)
    async with running_server(parts=parts, messages={"retention_days": 0}) as server:
        made.append(World(server))
        yield made[0]


async def test_old_messages_go_and_members_hear_of_it(world: World):
    alice, bobby = await world.server.user("alice"), await world.server.user("bobby")
    group = (await alice.sub("new1")).topic
    await bobby.sub(group)
    for n in (1, 2, 3):
        await alice.pub(group, n)
    await world.keep(group, 2)
    await world.pass_by(1.5)
    await alice.pub(group, 4)
    assert await world.left(group) == [1, 2, 3, 4]
    await world.pass_by(1)
    assert await world.left(group) == [4]
    told = await _deletion(bobby)
    assert (told["topic"], told["delseq"]) == (group, [{"low": 1, "hi": 4}])
    deleted = (await bobby.get(group, "del")).meta["del"]
    assert deleted == {"clear": told["clear"], "delseq": [{"low": 1, "hi": 4}]}
    assert await alice.pub(group, 5) == 5


async def test_who_is_away_finds_it_in_his_inbox(world: World):
    alice, bobby = await world.server.user("alice"), await world.server.user("bobby")
    await alice.sub(bobby.user)
    await alice.pub(bobby.user, "old")
    (name,) = [it for it in world.server.server.hub._runners if it.startswith("p2p")]
    await world.keep(name, 1)
    await world.pass_by(1.1)
    assert await world.left(name) == []
    what = {"get": {"topic": "me", "what": "inbox", "inbox": {"since": 1}}}
    await bobby.sub("me")
    items = (await bobby.request(what)).meta["inbox"]["items"]
    assert [item.get("kind") for item in items][-1] == "del"
    assert items[-1]["detail"]["delseq"] == [{"low": 1}]
    assert "act" not in items[-1]["detail"]


async def test_many_go_by_and_by_also_where_nobody_is(world: World):
    alice = await world.server.user("alice")
    group = (await alice.sub("new1")).topic
    for n in range(2 * AT_ONCE + 5):
        await alice.pub(group, n)
    await alice.leave(group)
    await world.keep(group, 1)
    await world.pass_by(1.1)
    assert await world.left(group) == []
    log = await world.server.server.store.fetch(DeletionsIn(group, alice.user, 0, 0, 50))
    assert log is not None
    assert [(r.low, r.hi) for r in log.ranges] == [(1, 2 * AT_ONCE + 6)]
    assert log.clear == 3


async def test_the_settings_count_where_nothing_is_said(world: World):
    alice = await world.server.user("alice")
    one, other = (await alice.sub("new1")).topic, (await alice.sub("new2")).topic
    for group in (one, other):
        await alice.pub(group, "old")
    await world.keep(one, 0)
    await world.server.server.standing.set(["messages.retention_days=3"])
    await world.pass_by(3.1)
    assert (await world.left(one), await world.left(other)) == ([1], [])
    await world.keep(one, None)
    await world.pass_by(0)
    assert await world.left(one) == []


async def test_what_fails_is_left_for_the_next_round(world: World):
    alice = await world.server.user("alice")
    group = (await alice.sub("new1")).topic
    await alice.pub(group, "old")
    await world.keep(group, 1)
    with world.server.fail_commits():
        await world.pass_by(1.1)
    assert await world.left(group) == [1]
    await world.pass_by(0)
    assert await world.left(group) == []


async def test_a_topic_takes_its_word_with_it(world: World):
    alice = await world.server.user("alice")
    group = (await alice.sub("new1")).topic
    await world.keep(group, 1)
    await alice.request({"del": {"topic": group, "what": "topic", "hard": True}})
    assert await world.server.server.store.fetch(RetentionOf(group)) is None


async def _deletion(client):
    with trio.fail_after(5):
        while True:
            packet = await client.receive()
            if packet.get("pres", {}).get("what") == "del":
                return packet["pres"]
