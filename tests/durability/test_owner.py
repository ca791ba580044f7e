"""Three nodes on the SQLite file of one of them, stopped at random under load: nothing lost.

As `test_cluster`, without PostgreSQL: nodes and the owner of the file are killed with `kill -9`,
told to end, and the owner is stopped for longer than a lease and goes on.

TINODE_TEST_KILLS and TINODE_TEST_LEASE as there.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.cluster.test_owner_processes import free_port
from tests.durability.fleet import Machine, Place
from tests.durability.test_cluster import KILLS, LEASE, Faults, ordeal
from tests.process import PATIENCE

SECRET = "cluster.secret=the secret of this fleet"


@attrs.define(eq=False)
class OwnedFleet:
    """The owner of the file, and the others."""

    machines: list[Machine] = attrs.field(factory=list)

    def urls(self) -> list[str]:
        return [machine.url for machine in self.machines]


class OwnerFaults(Faults):
    """What counts are all conversations, wherever they are."""

    async def kill_a_node(self) -> None:
        await self._signal("kill", self._a_node(), signal.SIGKILL)

    async def end_a_node(self) -> None:
        await self._signal("end", self._a_node(), signal.SIGTERM)

    async def kill_the_owner(self) -> None:
        await self._without_owner("kill of the owner", signal.SIGKILL)

    async def end_the_owner(self) -> None:
        await self._without_owner("end of the owner", signal.SIGTERM)

    async def _without_owner(self, kind: str, number: signal.Signals) -> None:
        """What counts is the time from when the next owner serves."""
        owner = self.fleet.machines[0]
        owner.rest = self.rng.uniform(0, LEASE / 2)
        await owner.signalled(number)
        await owner.ended()
        await owner.up()
        self.waiting.begin(kind, set(self.talks))
        await self.waiting.over()

    async def stop_the_owner(self) -> None:
        """Nobody is fenced for it: time stands still with the owner. What counts is the time
        from when it goes on.
        """
        owner, *others = self.fleet.machines
        before = [await other.times_joined() for other in others]
        await owner.signalled(signal.SIGSTOP)
        await trio.sleep(LEASE + 1)
        self.waiting.begin("stop of the owner", set(self.talks))
        await owner.signalled(signal.SIGCONT)
        await self.waiting.over()
        assert [await other.times_joined() for other in others] == before

    def _a_node(self) -> Machine:
        return self.rng.choice(self.fleet.machines[1:])

    async def _signal(self, kind: str, machine: Machine, number: signal.Signals) -> None:
        await machine.up()
        machine.rest = self.rng.uniform(0, LEASE / 2)
        self.waiting.begin(kind, set(self.talks))
        await machine.signalled(number)
        await machine.ended()
        await self.waiting.over()
        for each in self.fleet.machines:
            await each.up()

    def plan(self) -> list[Callable[[], Awaitable[None]]]:
        """So many kills, half of them of the owner, and everything else in between."""
        if KILLS == 1:
            return [self.kill_a_node, self.kill_the_owner]
        others = (self.stop_the_owner, self.end_a_node, self.end_the_owner)
        found: list[Callable[[], Awaitable[None]]] = []
        for number in range(KILLS):
            found.append(self.kill_the_owner if number % 2 else self.kill_a_node)
            if number % 3 == 2:
                found.append(others[number // 3 % 3])
        return found


@asynccontextmanager
async def running_owned(folder: Path) -> AsyncIterator[OwnedFleet]:
    fleet, port = OwnedFleet(), free_port()
    async with trio.open_nursery() as nursery:
        for number in range(3):
            name = f"n{number}"
            listen = f"cluster.listen=127.0.0.1:{0 if number else port}"
            own = (listen, SECRET, f"cluster.lease={LEASE}", f"cluster.name={name}")
            args = [word for setting in own for word in ("--set", setting)]
            store = ("--store", f"peer://127.0.0.1:{port}") if number else ()
            machine = Machine(name, folder / name, (*store, *args), Place())
            fleet.machines.append(machine)
            nursery.start_soon(machine.run)
            if not number:
                await machine.up()
        for machine in fleet.machines:
            await machine.up()
        for machine in fleet.machines:
            await _linked(machine)
        yield fleet
        nursery.cancel_scope.cancel()


async def _linked(machine: Machine) -> None:
    server = await machine.up()
    with trio.fail_after(PATIENCE):
        while sum("there is a link to node" in line for line in server.said) < 2:  # noqa: ASYNC110
            await trio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(180 + 60 * KILLS)
async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    async with running_owned(tmp_path) as fleet:
        await ordeal(fleet, OwnerFaults)  # type: ignore[arg-type]
