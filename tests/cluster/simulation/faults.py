"""What goes wrong, one after the other and at the same time; each of it ends again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import attrs
import trio

from .history import History
from .machine import Machine
from .network import Network


@attrs.define(eq=False)
class Faults:
    """All of them, by chance."""

    machines: list[Machine]
    network: Network
    rng: random.Random
    history: History
    _busy: set[str] = attrs.field(factory=set)  # machines that stop or start
    _going: int = 0
    _idle: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, seconds: float) -> None:
        """Let things go wrong for so long; return when all is well again."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            *(self.broken_links, self.blocked_way, self.blocked_link, self.slow_machine),
            *(self.lost_store, self.isolated, self.frozen, self.drained, self.crashed),
            *(self.wrong_clock, self.slow_store),
        ]
        weights = [4, 3, 3, 2, 3, 3, 2, 2, 3, 1, 2]
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(seconds):
                while True:
                    await trio.sleep(self.rng.expovariate(0.5))
                    if self._going < 3:
                        (kind,) = self.rng.choices(kinds, weights)
                        nursery.start_soon(self._one, kind)

    async def _one(self, kind: Callable[[], Awaitable[None]]) -> None:
        self._going += 1
        await kind()
        self._going -= 1

    def _some(self) -> Machine:
        return self.rng.choice(self.machines)

    def _pair(self) -> tuple[str, str]:
        one, other = self.rng.sample(self.machines, 2)
        return one.name, other.name

    async def _for(self, *words: object) -> None:
        """A while: mostly shorter than a lease, and some longer."""
        seconds = self.rng.choice((0.1, 0.5, 2.0, 4.0, 6.0, 9.0)) * (0.5 + self.rng.random())
        self.history.note("FAULT", *words, f"for {seconds:.2f} s")
        await trio.sleep(seconds)
        self.history.note("FAULT OVER", *words)

    # --- the network ---------------------------------------------------------------------

    async def broken_links(self) -> None:
        one, other = self._pair()
        for _ in range(self.rng.randrange(1, 4)):
            self.history.note("FAULT the link breaks between", one, other)
            self.network.cut(one, other)
            await trio.sleep(self.rng.random())

    async def blocked_way(self) -> None:
        one, other = self._pair()
        self.network.block(one, other)
        await self._for("nothing comes from", one, "to", other)
        self.network.free(one, other)

    async def blocked_link(self) -> None:
        one, other = self._pair()
        self.network.block(one, other)
        self.network.block(other, one)
        await self._for("nothing goes between", one, other)
        self.network.free(one, other)
        self.network.free(other, one)

    async def slow_machine(self) -> None:
        name = self._some().name
        self.network.slow[name] = self.rng.random()
        await self._for("all is slow to and from", name, self.network.slow[name])
        self.network.slow.pop(name, None)

    def _others(self, name: str) -> list[str]:
        return [machine.name for machine in self.machines if machine.name != name]

    def _cut_off(self, name: str) -> None:
        for other in self._others(name):
            self.network.block(name, other)
            self.network.block(other, name)

    def _back(self, name: str) -> None:
        for other in self._others(name):
            self.network.free(name, other)
            self.network.free(other, name)

    # --- the store -----------------------------------------------------------------------

    async def lost_store(self) -> None:
        run = self._some().current
        if run is not None:
            run.cable.cut = True
            await self._for(run.name, "has no store")
            run.cable.cut = run.crashed
            run.cable.bell.ring()

    async def slow_store(self) -> None:
        run = self._some().current
        if run is not None:
            run.cable.slow = self.rng.random()
            await self._for(run.name, "has a slow store", run.cable.slow)
            run.cable.slow = 0.0

    # --- machines ------------------------------------------------------------------------

    async def isolated(self) -> None:
        """It refuses to be alone: the store is out of reach, too."""
        machine = self._some()
        run = machine.current
        if run is not None:
            run.cable.cut = True
            self._cut_off(run.name)
            await self._for(run.name, "is isolated")
            run.cable.cut = run.crashed
            run.cable.bell.ring()
            self._back(run.name)

    async def frozen(self) -> None:
        """It gets nothing and says nothing, and does not know it."""
        run = self._some().current
        if run is not None:
            run.cable.held = True
            self._cut_off(run.name)
            await self._for(run.name, "is frozen")
            run.cable.held = False
            run.cable.bell.ring()
            self._back(run.name)

    async def drained(self) -> None:
        machine = self._some()
        if machine.name not in self._busy:
            self._busy.add(machine.name)
            self.history.note("FAULT", machine.name, "is told to stop")
            await machine.drain()
            await self._for(machine.name, "has stopped")
            machine.start()
            self._busy.discard(machine.name)

    async def crashed(self, machine: Machine | None = None) -> None:
        machine = machine or self._some()
        if machine.name not in self._busy:
            self._busy.add(machine.name)
            silent = self.rng.random() < 0.5
            machine.crash(silent=silent)
            await self._for(machine.name, "has crashed", "silently" if silent else "")
            machine.start()
            self._busy.discard(machine.name)

    async def wrong_clock(self) -> None:
        machine = self._some()
        machine.ahead = self.rng.choice((-3_600_000, -2000, 1500, 60_000, 3_600_000))
        await self._for("the clock of", machine.name, "is wrong by", machine.ahead)
        machine.ahead = 0
