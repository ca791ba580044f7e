"""What goes wrong, one after the other and at the same time; each of it ends again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import attrs
import trio

from .history import History
from .machine import Machine
from .network import Network
from .scale import Scale

KINDS = {  # how often, one beside the others
    "broken_links": 4,
    "blocked_way": 3,
    "blocked_link": 3,
    "slow_machine": 2,
    "lost_store": 3,
    "isolated": 3,
    "frozen": 2,
    "drained": 2,
    "crashed": 3,
    "wrong_clock": 1,
    "slow_store": 2,
    "moves": 4,
}


@attrs.define(eq=False)
class Faults:
    """All of them, by chance."""

    machines: list[Machine]
    network: Network
    rng: random.Random
    history: History
    scale: Scale
    _busy: set[str] = attrs.field(factory=set)  # machines that stop or start
    _going: int = 0
    _idle: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        """Let things go wrong for a while; return when all is well again."""
        kinds = [getattr(self, kind) for kind in KINDS]
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(self.scale.trouble):
                while True:
                    await trio.sleep(self.rng.expovariate(1 / self.scale.every))
                    if self._going < 3:
                        (kind,) = self.rng.choices(kinds, tuple(KINDS.values()))
                        nursery.start_soon(self._one, kind)

    async def _one(self, kind: Callable[[], Awaitable[bool]]) -> None:
        self._going += 1
        if await kind():
            self.history.count(kind.__name__)
        self._going -= 1

    def _some(self) -> Machine:
        return self.rng.choice(self.machines)

    def _pair(self) -> tuple[str, str]:
        one, other = self.rng.sample(self.machines, 2)
        return one.name, other.name

    async def _for(self, *words: object) -> None:
        """A while: mostly shorter than a lease, and some longer."""
        seconds = self.rng.choice(self.scale.lengths) * (0.5 + self.rng.random())
        self.history.note("FAULT", *words, f"for {seconds:.2f} s")
        await trio.sleep(seconds)
        self.history.note("FAULT OVER", *words)

    # --- the network ---------------------------------------------------------------------

    async def broken_links(self) -> bool:
        one, other = self._pair()
        for _ in range(self.rng.randrange(1, 4)):
            self.history.note("FAULT the link breaks between", one, other)
            self.network.cut(one, other)
            await trio.sleep(self.rng.random())
        return True

    async def blocked_way(self) -> bool:
        one, other = self._pair()
        self.network.block(one, other)
        await self._for("nothing comes from", one, "to", other)
        self.network.free(one, other)
        return True

    async def blocked_link(self) -> bool:
        one, other = self._pair()
        self.network.block(one, other)
        self.network.block(other, one)
        await self._for("nothing goes between", one, other)
        self.network.free(one, other)
        self.network.free(other, one)
        return True

    async def slow_machine(self) -> bool:
        name = self._some().name
        self.network.slow[name] = self.rng.random()
        await self._for("all is slow to and from", name, self.network.slow[name])
        self.network.slow.pop(name, None)
        return True

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

    async def lost_store(self) -> bool:
        run = self._some().current
        if run is not None:
            run.cable.cut = True
            await self._for(run.name, "has no store")
            run.cable.cut = run.crashed
            run.cable.bell.ring()
        return run is not None

    async def slow_store(self) -> bool:
        run = self._some().current
        if run is not None:
            run.cable.slow = self.rng.random()
            await self._for(run.name, "has a slow store", run.cable.slow)
            run.cable.slow = 0.0
        return run is not None

    # --- topics --------------------------------------------------------------------------

    async def moves(self) -> bool:
        """Topics go to other nodes, one after the other; not a fault, but it meets some."""
        for _ in range(self.rng.randrange(1, 8)):
            machine = self._some()
            if machine.is_up and (node := machine.node) is not None:
                topic = self.rng.choice([*sorted(node.serving.topics()), "none"])
                to = self.rng.choice([*(other.peer.id for other in node.others), 0])
                if node.serving.begin_to_give(topic, to):
                    self.history.note(machine.name, "is to give", topic, "to node", to)
            await trio.sleep(self.rng.random() * 0.5)
        return True

    # --- machines ------------------------------------------------------------------------

    async def isolated(self) -> bool:
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
        return run is not None

    async def frozen(self) -> bool:
        """It gets nothing and says nothing, and does not know it."""
        run = self._some().current
        if run is not None:
            run.cable.held = True
            self._cut_off(run.name)
            await self._for(run.name, "is frozen")
            run.cable.held = False
            run.cable.bell.ring()
            self._back(run.name)
        return run is not None

    async def drained(self) -> bool:
        machine = self._some()
        if machine.name in self._busy:
            return False
        self._busy.add(machine.name)
        self.history.note("FAULT", machine.name, "is told to stop")
        await machine.drain()
        await self._for(machine.name, "has stopped")
        machine.start()
        self._busy.discard(machine.name)
        return True

    async def crashed(self, machine: Machine | None = None) -> bool:
        machine = machine or self._some()
        if machine.name in self._busy:
            return False
        self._busy.add(machine.name)
        silent = self.rng.random() < 0.5
        machine.crash(silent=silent)
        await self._for(machine.name, "has crashed", "silently" if silent else "")
        machine.start()
        self._busy.discard(machine.name)
        return True

    async def wrong_clock(self) -> bool:
        machine = self._some()
        machine.ahead = self.rng.choice((-3_600_000, -2000, 1500, 60_000, 3_600_000))
        await self._for("the clock of", machine.name, "is wrong by", machine.ahead)
        machine.ahead = 0
        return True
