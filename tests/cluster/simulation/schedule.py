"""Schedules: people talk, things go wrong, all is well again, and everything must be right.

So many of them as `Scale.rounds` says are played one after the other on the same cluster, which
costs less than to start one for each, and lets faults meet what earlier ones have left behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations, count

import attrs
import trio

from tinode_py.store.coordination import MemoryCoordination
from tinode_py.store.memory import MemoryStore

from .clock import JumpingClock
from .devices import connected
from .ending import USERS, Ending
from .faults import Faults
from .history import History
from .machine import Machine, Run, World
from .network import Network
from .owned import OwnedRun
from .people import Calm, Program
from .scale import LONG, Scale

NAMES = ("a", "b", "c")
AT_MOST = 300.0


@attrs.frozen
class Result:
    """What became of a schedule. `digest`: of all that happened on its cluster so far."""

    seed: int
    wrong: list[str]
    digest: str
    committed: int
    seen: int
    answers: dict[int, int]
    counts: dict[str, int]  # of faults, and of what came of them
    story: list[str]


@attrs.frozen
class Course:
    """How a schedule is to be played. `owned`: without a database, the first machine has the
    store. `plant`: what is broken on purpose.
    """

    scale: Scale = LONG
    story: bool = False
    plant: str = ""
    owned: bool = False


def first_of(seed: int, scale: Scale) -> int:
    """The schedule with which the cluster of this one begins."""
    return seed - seed % scale.rounds


def play(seed: int, course: Course) -> Result:
    """Play a schedule, the same whenever it is played if PYTHONHASHSEED is."""
    results: list[Result] = []
    play_until(seed, course, results.append)
    return results[-1]


def play_until(seed: int, course: Course, tell: Callable[[Result], None]) -> None:
    """Play what comes before a schedule on the same cluster, and the schedule; tell what became
    of each. One after which anything is wrong is the last.
    """
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    rng = random.Random()

    def go_by(number: int | str) -> None:
        rng.seed(number)
        _run._r.seed(number)

    seeds = range(first_of(seed, course.scale), seed + 1)
    go_by(f"the cluster of {seeds[0]}")  # no seed's numbers: sessions would have them twice
    store = MemoryStore()
    coordination = MemoryCoordination(trio.current_time)
    history = History(store, coordination, story=[] if course.story else None)
    schedule = _Schedules(rng, store, coordination, history, course, seeds, go_by, tell)
    trio.run(schedule.run, clock=JumpingClock(course.scale.grain))


@attrs.define(eq=False)
class _Schedules:
    rng: random.Random
    store: MemoryStore
    coordination: MemoryCoordination
    history: History
    course: Course
    seeds: range
    go_by: Callable[[int | str], None]
    tell: Callable[[Result], None]
    network: Network = attrs.field(init=False)
    machines: list[Machine] = attrs.field(factory=list)
    programs: list[Program] = attrs.field(factory=list)
    users: dict[str, str] = attrs.field(factory=dict)  # by name
    calm: Calm = attrs.field(factory=Calm)

    @network.default
    def _network(self) -> Network:
        return Network(self.rng.random)

    @property
    def scale(self) -> Scale:
        return self.course.scale

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            await self._begin(nursery)
            for seed in self.seeds:
                self.go_by(seed)
                with trio.move_on_after(AT_MOST) as patience:
                    await self._round(nursery)
                if patience.cancelled_caught:
                    self.history.complain("it does not come to an end")
                result = self._result(seed)
                self.tell(result)
                if result.wrong:
                    break
                self.history.begin()
            for machine in self.machines:
                machine.crash(silent=True)
            nursery.cancel_scope.cancel()

    async def _begin(self, nursery: trio.Nursery) -> None:
        """Machines run, and people have come."""
        owned, plant = self.course.owned, self.course.plant
        owner = NAMES[0] if owned else ""
        shared = self.store, self.coordination, self.network
        world = World(self.rng, *shared, self.scale, self.history, plant, owner)
        kind = OwnedRun if owned else Run
        for name in NAMES:
            self.machines.append(Machine(name, world, nursery, kind))
            self.machines[-1].start()
        await trio.sleep(self.scale.first)
        while not all(map(self._is_ready, self.machines)):  # noqa: ASYNC110
            await trio.sleep(self.scale.first)
        await self._people(nursery)
        await trio.sleep(self.scale.talk)

    def _is_ready(self, machine: Machine) -> bool:
        """It runs, and has links to all others."""
        return machine.is_up and machine.node is not None and len(machine.node.others) == 2

    async def _round(self, nursery: trio.Nursery) -> None:
        for program in self.programs:
            program.has_left = False
        self.calm.end()
        faults = Faults(self.machines, self.network, self.rng, self.history, self.scale)
        nursery.start_soon(self._leaving, faults)
        await faults.run()
        self.history.note("all faults are over")
        await self._ending().check(self.calm)

    def _result(self, seed: int) -> Result:
        history = self.history
        return Result(
            seed,
            [*history.wrong],
            history.digest,
            history.committed,
            history.seen,
            dict(history.answers),
            dict(history.counts),
            [*(history.story or ())],
        )

    def _ending(self) -> Ending:
        return Ending(self.machines, self.programs, self.scale, self.rng, self.store, self.history)

    async def _people(self, nursery: trio.Nursery) -> None:
        users = self.users
        groups: list[str] = []
        for name in USERS:
            device = connected(name, self.rng.choice(self.machines), self.history)
            await device.log_in(name, new=True)
            users[name] = device.user
            if len(groups) < self.scale.groups:
                await device.ask("sub", "new", set={"desc": {"defacs": {"auth": "JRWPS"}}})
                groups.append(self._newest_group())
            device.close()
        pairs = tuple(combinations(USERS, 2))[: self.scale.pairs]
        for name, number in zip(USERS * self.scale.devices, count(), strict=False):
            contacts = tuple(users[b if a == name else a] for a, b in pairs if name in (a, b))
            program = Program(
                name,
                f"{name}{number // len(USERS) + 1}",
                (*groups, *contacts),
                self.machines,
                self.machines[(number + number // len(USERS)) % len(NAMES)],
                self.rng,
                self.history,
                self.scale,
                self.calm,
            )
            self.programs.append(program)
            nursery.start_soon(program.run)

    async def _leaving(self, faults: Faults) -> None:
        """Now and then somebody goes, and stays away: in good order, or as the machine crashes that
        has his `me`.
        """
        await trio.sleep(self.rng.random() * self.scale.trouble)
        if self.rng.random() >= self.scale.leaving:
            return
        name = self.rng.choice(USERS)
        for program in self.programs:
            program.has_left = program.name == name
        self.history.note(name, "leaves")
        self.history.count("left")
        owner = self.coordination._claims.get(self.users[name])
        for machine in self.machines:
            if machine.current and machine.current.cable.node == owner and self.rng.random() < 0.7:
                await faults.crashed(machine)
                return

    def _newest_group(self) -> str:
        return max(
            (name for name in self.store._tables.topics.rows if name.startswith("grp")),
            key=lambda name: self.store._tables.topics.rows[name].created,
        )
