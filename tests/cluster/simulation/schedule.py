"""One schedule: people talk, things go wrong, all is well again, and everything must be right."""

from __future__ import annotations

import contextlib
import random
from itertools import count

import attrs
import trio
import trio.testing

from tinode_py.store.coordination import MemoryCoordination
from tinode_py.store.memory import MemoryStore

from .devices import Device, Lost
from .faults import Faults
from .history import History, is_private
from .machine import LEASE, Machine, World
from .network import Network
from .people import Program

NAMES = ("a", "b", "c")
USERS = ("ann", "ben", "cat")
TROUBLE = 20.0  # seconds
WELL = LEASE + 2  # seconds after which all is well again
COMING = 6.0  # seconds for programs to come back, who are told to try again
AT_MOST = 300.0


@attrs.frozen
class Result:
    """What became of a schedule."""

    seed: int
    wrong: list[str]
    digest: str
    committed: int
    seen: int
    answers: dict[int, int]
    story: list[str]


def play(seed: int, *, trouble: float = TROUBLE, story: bool = False) -> Result:
    """Play a schedule, the same whenever it is played if PYTHONHASHSEED is."""
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.seed(seed)
    rng = random.Random(seed)
    store = MemoryStore()
    clock = trio.testing.MockClock(autojump_threshold=0)
    coordination = MemoryCoordination(trio.current_time)
    history = History(store, coordination, story=[] if story else None)
    trio.run(_Schedule(rng, store, coordination, history, trouble).run, clock=clock)
    return Result(
        seed,
        history.wrong,
        history.digest,
        history.committed,
        history.seen,
        dict(history.answers),
        history.story or [],
    )


@attrs.define(eq=False)
class _Schedule:
    rng: random.Random
    store: MemoryStore
    coordination: MemoryCoordination
    history: History
    trouble: float
    machines: list[Machine] = attrs.field(factory=list)
    programs: list[Program] = attrs.field(factory=list)
    calm: bool = False
    left: str = ""  # who has gone for good
    users: dict[str, str] = attrs.field(factory=dict)  # by name

    async def run(self) -> None:
        network = Network(self.rng.random)
        history = self.history
        watching = history.on_commit, history.note
        world = World(self.rng, self.store, self.coordination, network, *watching)
        with trio.move_on_after(AT_MOST) as patience:
            async with trio.open_nursery() as nursery:
                for name in NAMES:
                    self.machines.append(Machine(name, world, nursery))
                    self.machines[-1].start()
                await trio.sleep(LEASE + 1)
                await self._people(nursery)
                await trio.sleep(1)
                faults = Faults(self.machines, network, self.rng, history)
                nursery.start_soon(self._leaving, faults)
                await faults.run(self.trouble)
                self.history.note("all faults are over")
                await self._check()
                for machine in self.machines:
                    machine.crash(silent=True)
                nursery.cancel_scope.cancel()
        if patience.cancelled_caught:
            self.history.complain("it does not come to an end")

    async def _people(self, nursery: trio.Nursery) -> None:
        users, groups = self.users, []
        for name in USERS:
            device = self._device(name, self.rng.choice(self.machines))
            await device.log_in(name, new=True)
            users[name] = device.user
            if name != USERS[-1]:
                await device.ask("sub", "new", set={"desc": {"defacs": {"auth": "JRWPS"}}})
                groups.append(self._newest_group())
            device.close()
        for name, number in zip((*USERS, *USERS), count(), strict=False):
            contacts = tuple(users[other] for other in USERS if other != name)
            program = Program(
                name,
                f"{name}{number // len(USERS) + 1}",
                (*groups, *contacts),
                self.machines,
                self.machines[(number + number // len(USERS)) % len(NAMES)],
                self.rng,
                self.history,
                lambda: self.calm,
                lambda name=name: self.left == name,  # type: ignore[misc]
            )
            self.programs.append(program)
            nursery.start_soon(program.run)

    async def _leaving(self, faults: Faults) -> None:
        """Now and then somebody goes, and does not come back: in good order, or as the machine
        crashes that has his `me`.
        """
        await trio.sleep(self.rng.random() * self.trouble)
        if self.rng.random() < 0.3:
            return
        self.left = self.rng.choice(USERS)
        self.history.note(self.left, "leaves for good")
        owner = self.coordination._claims.get(self.users[self.left])
        for machine in self.machines:
            if machine.current and machine.current.cable.node == owner and self.rng.random() < 0.7:
                await faults.crashed(machine)
                return

    def _newest_group(self) -> str:
        return max(
            (name for name in self.store._tables.topics.rows if name.startswith("grp")),
            key=lambda name: self.store._tables.topics.rows[name].created,
        )

    def _device(self, label: str, machine: Machine) -> Device:
        assert machine.current is not None
        device = Device(label, machine.current, self.history, trio.CancelScope())
        device.open()
        return device

    # --- at the end ----------------------------------------------------------------------

    async def _check(self) -> None:
        await trio.sleep(WELL)
        self.history.note("all should be well")
        self.calm = True
        await trio.sleep(COMING)
        for program in self.programs:
            if not program.settled and program.name != self.left:
                self.history.complain(program.label, "has not come back")
        for machine in self.machines:
            with trio.CancelScope() as scope:
                await self._probe(machine, scope)
            if scope.cancelled_caught:
                self.history.complain("a session was ended on", machine.name)
        await trio.sleep(1)
        self._check_hearing()
        await self._check_presence()
        self.history.check_store()

    async def _probe(self, machine: Machine, scope: trio.CancelScope) -> None:
        """Somebody on each node publishes to every topic."""
        if not machine.is_up:
            self.history.complain(machine.name, "does not run")
            return
        for name in USERS:
            device = self._device(f"probe-{name}-{machine.name}", machine)
            device.scope = scope
            try:
                code = await device.log_in(name)
                if code >= 300:
                    self.history.complain("login on", machine.name, "is answered", code)
                    continue
                program = next(it for it in self.programs if it.name == name)
                for topic in program.topics:
                    await self._publish(device, topic)
            except Lost:
                pass
            finally:
                device.close()

    async def _publish(self, device: Device, topic: str) -> None:
        began = trio.current_time()
        joined = await device.ask("sub", topic, get={"what": "desc"})
        if joined.code >= 400:
            self.history.complain(device.label, "sub", topic, "is answered", joined.code)
            return
        content = f"{device.label}.{topic}"
        asked = await device.ask("pub", topic, content=content)
        if asked.code >= 300 or trio.current_time() - began > 1:
            took = trio.current_time() - began
            self.history.complain(device.label, "pub", topic, asked.code, f"{took:.2f} s")

    def _last(self, stored: str) -> int:
        return max((n for t, n in self.store._tables.messages.rows if t == stored), default=0)

    def _check_hearing(self) -> None:
        for program in self.programs:
            device = program.device
            if device is None or not program.settled:
                continue
            for topic, reading in device.readings.items():
                last = self._last(device.stored(topic))
                if reading.last != last:
                    found = f"has {topic} up to {reading.last} of {last}"
                    self.history.complain(device.label, found)
            page = self.store._tables.inboxes.rows.get(device.user)
            last = len(page.items) if page is not None else 0
            if (device.follows or 0) != last:
                found = f"has its inbox up to {device.follows} of {last}"
                self.history.complain(device.label, found)

    async def _check_presence(self) -> None:
        await trio.sleep(LEASE)  # who has left is told to be off after a while
        settled = [program for program in self.programs if program.settled]
        there = {program.device.user for program in settled if program.device is not None}
        for program in settled:
            assert program.device is not None
            with contextlib.suppress(Lost):  # which it complained of
                for topic in program.topics:
                    await self._check_topic(program.device, topic, there)

    async def _check_topic(self, device: Device, topic: str, there: set[str]) -> None:
        if is_private(topic):
            if device.online.get(topic, False) != (topic in there):
                is_on = device.online.get(topic, False)
                self.history.complain(device.label, "takes", topic, "for", "on" if is_on else "off")
            return
        if not device.online.get(topic, False):
            self.history.complain(device.label, "takes the group", topic, "for off")
        await device.ask("get", topic, what="sub")
        await trio.sleep(0.1)
        found = device.members.get(topic)
        if found != there:
            self.history.complain(device.label, topic, "has", found, "not", there)
