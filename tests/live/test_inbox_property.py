"""Whatever happens, each side gets every private message and notice once, in the order of `n`.

A schedule of publications (both sides of three pairs), attaching, detaching, lost connections,
followers that do not read, crashes of the server and pages of any size. Every user follows his
inbox the way a client does: from the number after the last that he has. At the end all catch
up; then what each has got is held against what was acknowledged.

Design, section 9. A crash here is what is left when nothing is drained: all tasks of the server
are cancelled, and another server opens the same file.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.parts import bare_client
from tinode_py.client import Client
from tinode_py.testing import RunningServer, password_of, running_server

NAMES = ("ann", "bob", "cat")
MOVES = st.one_of(
    st.tuples(st.just("pub"), st.integers(0, 2), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("burst"), st.integers(0, 2), st.integers(0, 2), st.integers(2, 12)),
    st.tuples(st.just("notice"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("follow"), st.integers(0, 2), st.integers(1, 5)),
    st.tuples(st.just("page"), st.integers(0, 2), st.integers(1, 5)),
    st.tuples(st.just("detach"), st.integers(0, 2)),
    st.tuples(st.just("lose"), st.integers(0, 2)),
    st.tuples(st.just("rest"), st.integers(1, 20)),
    st.tuples(st.just("slow"), st.integers(0, 2), st.integers(1, 5)),
)
CRASH = st.tuples(st.just("crash"), st.integers(0, 2), st.integers(0, 2), st.integers(0, 5))


@attrs.define(eq=False)
class Person:
    """Somebody with two devices: one follows the inbox, the other writes."""

    name: str
    follower: Client | None = None
    writer: Client | None = None
    items: dict[int, Any] = attrs.field(factory=dict)
    order: list[int] = attrs.field(factory=list)
    on_me: bool = False
    token: str = ""

    @property
    def reached(self) -> int:
        return self.order[-1] if self.order else 0

    def take(self, inbox: dict[str, Any]) -> None:
        for item in inbox["items"]:
            assert item["n"] == self.reached + 1, (self.name, item, self.reached)
            self.order.append(item["n"])
            self.items[item["n"]] = item

    def take_live(self) -> None:
        """What came unasked while nobody looked: a follower may read as late as he likes."""
        if self.follower is None:
            return
        for packet in self.follower.receive_all_nowait():
            inbox = packet.get("meta", {}).get("inbox")
            if inbox is not None:
                self.take(inbox)


@attrs.define(eq=False)
class World:
    """One schedule. `said`: what was acknowledged, by the two who share it, in order."""

    people: tuple[Person, ...]
    server: RunningServer = attrs.field(init=False)
    said: dict[frozenset[str], list[Any]] = attrs.field(factory=dict)
    told: dict[str, int] = attrs.field(factory=dict)  # notices acknowledged, by user
    doubtful: set[Any] = attrs.field(factory=set)
    users: dict[str, str] = attrs.field(factory=dict)
    group: str = ""
    _count: Any = attrs.field(factory=itertools.count)

    async def writer(self, person: Person) -> Client:
        if person.writer is None or person.writer.closed:
            person.writer = await self.device(person)
        return person.writer

    async def device(self, person: Person) -> Client:
        if person.name not in self.users:
            found = await self.server.user(person.name)
        else:
            found = await self.server.open()
            await found.hi()
            await found.login(person.name, password_of(person.name))
        self.users[person.name], person.token = found.user, found.token
        return found

    def moved(self, server: RunningServer) -> None:
        """Everything begins anew but what the clients remember."""
        self.server = server
        for person in self.people:
            person.follower, person.writer, person.on_me = None, None, False

    # --- moves ---------------------------------------------------------------------------

    async def pub(self, one: int, other: int, count: int) -> None:
        """One after the other, each answered before the next."""
        pair = self._pair(one, other)
        if pair is None:
            return
        writer = await self._in_topic(*pair)
        for _ in range(count):
            content = next(self._count)
            await writer.pub(self.users[pair[1].name], content, noecho=True)
            self._said(pair, content)

    async def burst(self, one: int, other: int, count: int) -> None:
        """Both sides at once, without waiting for answers in between."""
        pair = self._pair(one, other)
        if pair is None:
            return
        await self._in_topic(*reversed(pair))
        await self._in_topic(*pair)
        async with trio.open_nursery() as nursery:
            for n in range(count):
                nursery.start_soon(self._publish, pair[:: -1 if n % 2 else 1], next(self._count))

    async def _publish(self, pair: tuple[Person, ...], content: int) -> None:
        writer = pair[0].writer
        assert writer is not None
        await writer.pub(self.users[pair[1].name], content, noecho=True)
        self._said(pair, content)

    def _said(self, pair: tuple[Person, ...], content: Any) -> None:
        self.said.setdefault(frozenset((pair[0].name, pair[1].name)), []).append(content)

    def _pair(self, one: int, other: int) -> tuple[Person, Person] | None:
        return None if one == other else (self.people[one], self.people[other])

    async def _in_topic(self, person: Person, peer: Person) -> Client:
        await self.writer(peer)  # so that the name is known
        writer = await self.writer(person)
        await writer.sub(self.users[peer.name])  # 304 if he is there already
        return writer

    async def notice(self, one: int, other: int) -> None:
        """The owner of the group puts somebody out, or invites him again."""
        owner, who = self.people[0], self.people[one]
        if who is owner:
            return
        await self.writer(who)
        device = await self.writer(owner)
        if not self.group:
            self.group = (await device.sub("new1")).topic
        await device.sub(self.group)
        if other:
            reply = await device.set(self.group, sub={"user": self.users[who.name]})
        else:
            reply = await device.del_("sub", topic=self.group, user=self.users[who.name])
        if reply.code == 200:
            self.told[who.name] = self.told.get(who.name, 0) + 1

    async def page(self, one: int, limit: int) -> bool:
        """One page from where he is. Whether that was the last, and he follows now."""
        person = self.people[one]
        if person.follower is None or person.follower.closed:
            person.follower, person.on_me = await self.device(person), False
        if not person.on_me:
            await person.follower.sub("me")
            person.on_me = True
        await trio.testing.wait_all_tasks_blocked()
        person.take_live()
        query = {"since": person.reached + 1, "limit": limit}
        reply = await person.follower.get("me", "inbox", inbox=query)
        person.take(reply.meta["inbox"])
        return not reply.meta["inbox"].get("more")

    async def follow(self, one: int, limit: int) -> None:
        while not await self.page(one, limit):
            pass

    async def detach(self, one: int) -> None:
        person = self.people[one]
        if person.follower is not None and person.on_me and not person.follower.closed:
            await person.follower.leave("me")
            person.take_live()
            person.on_me = False

    async def lose(self, one: int) -> None:
        """The connection breaks; what was on its way is not looked at."""
        person = self.people[one]
        if person.follower is not None:
            await person.follower.aclose()
            person.follower, person.on_me = None, False

    async def rest(self, seconds: int) -> None:
        """Long enough, sometimes, for topics to be unloaded, or slow readers to be cut off."""
        await trio.sleep(seconds)

    async def slow(self, one: int, limit: int) -> None:
        """A follower who reads his page, and nothing after it."""
        await self.lose(one)
        person = self.people[one]
        await self.writer(person)
        device = await bare_client(self.server, person.token, narrow=True)
        query = {"since": person.reached + 1, "limit": limit}
        await device.send(
            {"sub": {"id": "s", "topic": "me", "get": {"what": "inbox", "inbox": query}}}
        )
        while "meta" not in (packet := await device.receive()):
            pass
        person.take(packet["meta"]["inbox"])

    async def leave_in_flight(self, one: int, other: int, count: int) -> None:
        """Publications that nobody waits for: some are stored, some are not."""
        pair = self._pair(one, other)
        if pair is None:
            return
        writer = await self._in_topic(*pair)
        for _ in range(count):
            content = next(self._count)
            self.doubtful.add(content)
            topic = self.users[pair[1].name]
            await writer.send({"pub": {"topic": topic, "content": content}})

    # --- the end -------------------------------------------------------------------------

    async def check(self) -> None:
        """All catch up; then each has got what was acknowledged, once, in order."""
        for n, person in enumerate(self.people):
            await self.writer(person)
            await self.follow(n, 3)
        await trio.testing.wait_all_tasks_blocked()
        for person in self.people:
            person.take_live()
            assert person.order == [*range(1, len(person.order) + 1)]
            kinds = [item["kind"] for item in person.items.values() if "kind" in item]
            assert len(kinds) == self.told.get(person.name, 0), kinds
        for one, other in itertools.combinations(self.people, 2):
            mine, theirs = self._talk(one, other), self._talk(other, one)
            assert mine == theirs
            assert [seq for seq, _ in mine] == [*range(1, len(mine) + 1)]
            contents = [content for _, content in mine]
            said = self.said.get(frozenset((one.name, other.name)), [])
            assert len(contents) == len(set(contents))
            assert set(said) <= set(contents) <= {*said, *self.doubtful}

    def _talk(self, person: Person, peer: Person) -> list[tuple[int, Any]]:
        """Messages of one conversation as his inbox has them, in the order of `n`."""
        topic = self.users[peer.name]
        found = (item for item in person.items.values() if item["topic"] == topic)
        return [(item["seq"], item["content"]) for item in found]


async def play(schedule: Sequence[tuple[Any, ...]], **server: str) -> None:
    world, waiting = World(tuple(map(Person, NAMES))), deque(schedule)
    ended = False
    while not ended:
        with trio.CancelScope() as power:
            async with running_server(server=server) as running:
                world.moved(running)
                while waiting:
                    name, *arguments = waiting.popleft()
                    if name == "crash":
                        await world.leave_in_flight(*arguments)
                        power.cancel()
                    await trio.lowlevel.checkpoint()
                    await getattr(world, name)(*arguments)
                await world.check()
                ended = True


def run(schedule: Sequence[tuple[Any, ...]], **server: str) -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(partial(play, schedule, **server), clock=clock)


EXAMPLES = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(EXAMPLES, max_examples=25)
@given(st.lists(MOVES, max_size=16))
def test_any_schedule(schedule: list[tuple[Any, ...]]):
    run(schedule)


@settings(EXAMPLES, max_examples=25)
@given(st.lists(st.one_of(MOVES, CRASH), max_size=16))
def test_any_schedule_with_crashes(schedule: list[tuple[Any, ...]]):
    with tempfile.TemporaryDirectory() as folder:
        run(schedule, store="", data=folder)


@pytest.mark.slow
@settings(EXAMPLES, max_examples=80)
@given(st.lists(st.one_of(MOVES, CRASH), max_size=30))
def test_any_long_schedule_with_crashes(schedule: list[tuple[Any, ...]]):
    with tempfile.TemporaryDirectory() as folder:
        run(schedule, store="", data=folder)


async def test_an_inbox_is_asked_for_inside_a_sub(autojump_clock):
    async with running_server() as server:
        ann, bob = await server.user("ann"), await server.user("bob")
        await ann.sub(bob.user)
        await ann.pub(bob.user, "hello")
        reply = await bob.sub("me", get={"what": "inbox", "inbox": {"since": 1}})
        assert [item["content"] for item in reply.meta["inbox"]["items"]] == ["hello"]
