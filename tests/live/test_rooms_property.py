"""Any schedule of joins, leaves, drops and messages: who is in a room hears what is said, nobody
else does; the count is exact; a room is gone when it is empty.

People come by themselves and are brought in and put out by a back end, over the same server, from
several devices. After each move the room is held against a plain set of devices.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinode_py.access import Level
from tinode_py.client import Client
from tinode_py.core.events import Brought, Caller
from tinode_py.live.asking import NAME, Asker, ask
from tinode_py.live.rules import Item
from tinode_py.testing import RunningServer, running_server
from tinode_py.wire.client_packets import Del

DEVICES = ("ann", "ann", "bob", "cat")  # the first two are of one user
ROOMS = ("tmp1", "tmp2")
DEVICE, ROOM = st.integers(0, len(DEVICES) - 1), st.sampled_from(ROOMS)
MOVES = st.one_of(
    st.tuples(st.just("join"), DEVICE, ROOM),
    st.tuples(st.just("join"), DEVICE, ROOM),
    st.tuples(st.just("leave"), DEVICE, ROOM),
    st.tuples(st.just("drop"), DEVICE),
    st.tuples(st.just("say"), DEVICE, ROOM),
    st.tuples(st.just("all_say"), ROOM),
    st.tuples(st.just("bring"), DEVICE, ROOM),
    st.tuples(st.just("put_out"), DEVICE, ROOM),
    st.tuples(st.just("hurry"), DEVICE, ROOM, st.lists(st.booleans(), max_size=6)),
    st.tuples(st.just("end"), ROOM),
)


@attrs.define(eq=False)
class World:
    """One schedule. `inside`: the devices in each room, as they ought to be."""

    server: RunningServer
    devices: list[Client]
    inside: dict[str, set[int]] = attrs.field(factory=lambda: {room: set() for room in ROOMS})
    expected: dict[int, list[Any]] = attrs.field(factory=dict)
    told: dict[tuple[int, str, str], str] = attrs.field(factory=dict)  # of whom, what was last
    numbers: dict[tuple[int, str], int] = attrs.field(factory=dict)  # the last that came
    _count: Any = attrs.field(factory=itertools.count)

    # --- moves ---------------------------------------------------------------------------

    async def join(self, at: int, room: str) -> None:
        reply = await self.devices[at].sub(room)
        assert reply.code == (304 if at in self.inside[room] else 200)
        self.inside[room].add(at)

    async def leave(self, at: int, room: str) -> None:
        reply = await self.devices[at].leave(room)
        assert reply.code == (200 if at in self.inside[room] else 304)
        self.inside[room].discard(at)

    async def hurry(self, at: int, room: str, comes: list[bool]) -> None:
        """In and out without waiting for answers."""
        for come in comes:
            await self.devices[at].send({"sub" if come else "leave": {"topic": room}})
            (self.inside[room].add if come else self.inside[room].discard)(at)

    async def drop(self, at: int) -> None:
        """The connection breaks, and a new one takes its place."""
        await self.devices[at].aclose()
        for devices in self.inside.values():
            devices.discard(at)
        self.devices[at] = await self.server.user(DEVICES[at])
        self.expected.pop(at, None)

    async def say(self, at: int, room: str) -> None:
        content = next(self._count)
        packet = {"pub": {"id": f"p{content}", "topic": room, "content": content}}
        await self.devices[at].send(packet)
        if at in self.inside[room]:
            for other in self.inside[room]:
                self.expected.setdefault(other, []).append((room, content))

    async def all_say(self, room: str) -> None:
        """All at once: the order is the server's, and the same for all."""
        await trio.testing.wait_all_tasks_blocked()
        self.check_heard()
        contents = {next(self._count) for _ in self.inside[room]}
        for at, content in zip(self.inside[room], contents, strict=True):
            await self.devices[at].send({"pub": {"topic": room, "content": content}})
        await trio.testing.wait_all_tasks_blocked()
        heard = [self.heard(at) for at in self.inside[room]]
        assert all(one == heard[0] for one in heard)
        assert not heard or {content for _, content in heard[0]} == contents

    async def bring(self, at: int, room: str) -> None:
        """All devices of the user that are there."""
        hub, user = self.server.server.hub, self.devices[at].user
        for link in hub.sessions_of(user):
            assert hub.submit(room, Item(Brought(Caller(link.sid, user, Level.AUTH, user)), link))
        self.inside[room] |= self.of_user(at)
        await trio.testing.wait_all_tasks_blocked()

    async def put_out(self, at: int, room: str) -> None:
        request = Del(id=NAME, topic=room, what="sub", user=self.devices[at].user)
        code = await self._as_back_end(room, request)
        assert code == (200 if self.of_user(at) & self.inside[room] else 404)
        self.inside[room] -= self.of_user(at)

    async def end(self, room: str) -> None:
        code = await self._as_back_end(room, Del(id=NAME, topic=room, what="topic"))
        assert code == (200 if self.inside[room] else 304)
        self.inside[room].clear()

    async def _as_back_end(self, room: str, request: Del) -> int:
        asker = Asker("", Level.ROOT, system=True)
        await trio.testing.wait_all_tasks_blocked()
        return (await ask(self.server.server.hub, asker, room, room, request)).code

    def of_user(self, at: int) -> set[int]:
        return {n for n, name in enumerate(DEVICES) if name == DEVICES[at]}

    # --- what must hold ------------------------------------------------------------------

    async def check(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        hub = self.server.server.hub
        for room, devices in self.inside.items():
            users = {self.devices[at].user for at in devices}
            assert hub.users_in(room) == users
            loaded = {runner.state.name for runner in hub.runners()}
            assert (room in loaded) is bool(devices)
            if devices:
                asking = self.devices[min(devices)]
                meta = (await asking.get(room, "desc sub")).meta
                assert meta["desc"]["subcnt"] == len(users)
                assert {row["user"] for row in meta["sub"]} == users
            else:  # a new one counts from 1
                self.numbers = {key: n for key, n in self.numbers.items() if key[1] != room}
        self.told = {key: what for key, what in self.told.items() if key[0] in self.inside[key[1]]}
        assert hub.rooms.count() == sum(bool(devices) for devices in self.inside.values())
        self.check_heard()

    def check_heard(self) -> None:
        for at in range(len(DEVICES)):
            assert self.heard(at) == self.expected.pop(at, []), DEVICES[at]

    def heard(self, at: int) -> list[Any]:
        """What a device has got; of each user it is told `on` and `off` in turns."""
        found = []
        for packet in self.devices[at].receive_all_nowait():
            if "data" in packet:
                data = packet["data"]
                found.append((data["topic"], data["content"]))
                assert data["seq"] > self.numbers.get((at, data["topic"]), 0)
                self.numbers[at, data["topic"]] = data["seq"]
            elif "pres" in packet:
                pres = packet["pres"]
                assert pres["what"] in ("on", "off")
                assert pres["src"] != self.devices[at].user
                told = (at, pres["topic"], pres["src"])
                assert pres["what"] != self.told.get(told), told  # once each
                self.told[told] = pres["what"]
        return found


async def play(schedule: Sequence[tuple[Any, ...]]) -> None:
    async with running_server(rooms={"clients": "create"}) as server:
        world = World(server, [await server.user(name) for name in DEVICES])
        for name, *arguments in schedule:
            await getattr(world, name)(*arguments)
            await world.check()
        for at in range(len(DEVICES)):
            await world.drop(at)
        await world.check()


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=12)
@given(st.lists(MOVES, min_size=4, max_size=16))
def test_any_schedule(schedule: list[tuple[Any, ...]]):
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(partial(play, schedule), clock=clock)
