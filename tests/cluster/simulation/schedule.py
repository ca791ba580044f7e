"""One schedule: people talk, things go wrong, all is well again, and everything must be right."""

from __future__ import annotations

import random
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
from .people import Program
from .scale import LONG, Scale

NAMES = ("a", "b", "c")
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
    counts: dict[str, int]  # of faults, and of what came of them
    story: list[str]


def play(
    seed: int,
    scale: Scale = LONG,
    *,
    story: bool = False,
    plant: str = "",
    owned: bool = False,
) -> Result:
    """Play a schedule, the same whenever it is played if PYTHONHASHSEED is. `owned`: without a
    database, the first machine has the store.
    """
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.seed(seed)
    rng = random.Random(seed)
    store = MemoryStore()
    coordination = MemoryCoordination(trio.current_time)
    history = History(store, coordination, story=[] if story else None)
    trio.run(
        _Schedule(rng, store, coordination, history, scale, plant, owned).run,
        clock=JumpingClock(scale.grain),
    )
    return Result(
        seed,
        history.wrong,
        history.digest,
        history.committed,
        history.seen,
        dict(history.answers),
        dict(history.counts),
        history.story or [],
    )


@attrs.define(eq=False)
class _Schedule:
    rng: random.Random
    store: MemoryStore
    coordination: MemoryCoordination
    history: History
    scale: Scale
    plant: str
    owned: bool
    machines: list[Machine] = attrs.field(factory=list)
    programs: list[Program] = attrs.field(factory=list)
    users: dict[str, str] = attrs.field(factory=dict)  # by name
    calm: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        network = Network(self.rng.random)
        shared = self.store, self.coordination, network
        owner = NAMES[0] if self.owned else ""
        world = World(self.rng, *shared, self.scale, self.history, self.plant, owner)
        kind = OwnedRun if self.owned else Run
        with trio.move_on_after(AT_MOST) as patience:
            async with trio.open_nursery() as nursery:
                for name in NAMES:
                    self.machines.append(Machine(name, world, nursery, kind))
                    self.machines[-1].start()
                await trio.sleep(self.scale.first)
                while not all(machine.is_up for machine in self.machines):  # noqa: ASYNC110
                    await trio.sleep(self.scale.first)
                await self._people(nursery)
                await trio.sleep(self.scale.talk)
                faults = Faults(self.machines, network, self.rng, self.history, self.scale)
                if self.scale.whole:
                    nursery.start_soon(self._leaving, faults)
                await faults.run()
                self.history.note("all faults are over")
                await self._ending().check(self.calm)
                for machine in self.machines:
                    machine.crash(silent=True)
                nursery.cancel_scope.cancel()
        if patience.cancelled_caught:
            self.history.complain("it does not come to an end")

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
        """Now and then somebody goes, and does not come back: in good order, or as the machine
        crashes that has his `me`.
        """
        await trio.sleep(self.rng.random() * self.scale.trouble)
        if self.rng.random() < 0.3:
            return
        name = self.rng.choice(USERS)
        for program in self.programs:
            program.has_left = program.name == name
        self.history.note(name, "leaves for good")
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
