"""Nodes as processes on one database, which are stopped in all ways there are, and come back."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.postgres import Cluster
from tests.process import PATIENCE, ServerProcess, serving

OWNED = """SELECT topic FROM claim WHERE node = (SELECT max(id) FROM node WHERE name = $1)"""
BUG = re.compile("Traceback|(Type|Key|Index|Value|Attribute|Assertion|Runtime)Error")
AFTER = 60  # lines of a traceback
JOINED = "joined the cluster"


@attrs.frozen
class Place:
    """Where a node runs: its address, and the command that gets it there."""

    host: str = "127.0.0.1"
    within: tuple[str, ...] = ()


@attrs.define(eq=False)
class Machine:
    """Runs a node, and another one after it. `url`: of the last one that was there."""

    name: str
    folder: Path
    args: tuple[str, ...]
    place: Place
    url: str = ""
    environ: dict[str, str] = attrs.field(factory=dict)  # of those that start from now on
    rest: float = 0.0  # seconds between the end of a node and the start of the next
    said: list[str] = attrs.field(factory=list)  # by those that have ended
    since: float = 0.0  # when the node that runs was ready
    code: int | None = None  # with which the last one ended
    _server: ServerProcess | None = None
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        while True:
            async with serving(
                self.folder,
                *self.args,
                listen=f"{self.place.host}:0",
                environ=self.environ,
                within=self.place.within,
            ) as server:
                self.url, self.since = server.url, trio.current_time()
                self._is(server)
                self.code = await server.process.wait()
            self.said += server.said
            self._is(None)
            await trio.sleep(self.rest)

    def _is(self, server: ServerProcess | None) -> None:
        self._server = server
        self._changed.set()
        self._changed = trio.Event()

    async def up(self) -> ServerProcess:
        """The node that runs, as soon as one does."""
        with trio.fail_after(PATIENCE):
            while self._server is None:
                await self._changed.wait()
        return self._server

    def where(self) -> tuple[str, ...]:
        """The arguments by which commands find its data."""
        return ("--data", str(self.folder), *self.args[:2])

    def has_run(self, seconds: float) -> bool:
        """Whether the node has been ready for so long."""
        return self._server is not None and trio.current_time() - self.since >= seconds

    async def signalled(self, number: signal.Signals) -> None:
        (await self.up()).process.send_signal(number)

    async def ended(self) -> None:
        """Return when the node that runs has ended."""
        with trio.fail_after(PATIENCE):
            await (await self.up()).process.wait()
            while self._server is not None:
                await self._changed.wait()

    async def end(self) -> None:
        """Ask the node that runs to end; returns when it has."""
        await self.signalled(signal.SIGTERM)
        await self.ended()

    async def times_joined(self) -> int:
        """How often the node that runs has become a member."""
        return sum(JOINED in line for line in (await self.up()).said)

    async def joined(self, times: int) -> None:
        """Return when the node that runs has become a member so often."""
        with trio.fail_after(PATIENCE):
            while await self.times_joined() < times:  # noqa: ASYNC110
                await trio.sleep(0.02)

    def complaints(self) -> list[str]:
        """What no node should ever have to say, and what it said then."""
        lines = self.said + (self._server.said if self._server else [])
        places = [place for place, line in enumerate(lines) if BUG.search(line)]
        return ["\n".join(lines[place : place + AFTER]) for place in places]


@attrs.define(eq=False)
class Fleet:
    """The nodes, and the name of the database they share."""

    cluster: Cluster
    database: str
    machines: list[Machine]

    def owned(self, machine: Machine) -> set[str]:
        """The topics that the node of a machine owns, as the store says."""
        with self.cluster.connect(self.database) as asked:
            rows = asked.execute(OWNED, (machine.name,)).fetchall()
        return {topic for (topic,) in rows}

    async def any_of_several(self, rng: random.Random) -> Machine:
        """One whose node runs, as soon as there are two such."""
        with trio.fail_after(PATIENCE):
            while len(up := [each for each in self.machines if each.has_run(0)]) < 2:  # noqa: ASYNC110
                await trio.sleep(0.02)
        return rng.choice(up)

    async def settled(self, lease: float) -> None:
        """Return when all nodes have run for a lease and a second."""
        with trio.fail_after(2 * PATIENCE):
            while not all(machine.has_run(lease + 1) for machine in self.machines):  # noqa: ASYNC110
                await trio.sleep(0.05)

    def urls(self) -> list[str]:
        return [machine.url for machine in self.machines]


@asynccontextmanager
async def running_fleet(
    cluster: Cluster,
    folder: Path,
    lease: float,
    places: Sequence[Place] = (Place(),) * 3,
    reached: Callable[[str], str] = str,
    settings: Sequence[str] = (),
) -> AsyncIterator[Fleet]:
    """A node at each place. `reached`: the address at which they find a database of `cluster`.
    `settings`: more of them, for all nodes.
    """
    url = cluster.database()
    fleet = Fleet(cluster, url.partition("@/")[2].partition("?")[0], [])
    async with trio.open_nursery() as nursery:
        for number, place in enumerate(places):
            name = f"n{number}"
            listen = f"cluster.listen={place.host}:0"
            own = (listen, f"cluster.lease={lease}", f"cluster.name={name}", *settings)
            args = [word for setting in own for word in ("--set", setting)]
            machine = Machine(name, folder / name, ("--store", reached(url), *args), place)
            fleet.machines.append(machine)
            nursery.start_soon(machine.run)
        for machine in fleet.machines:
            await machine.up()
        yield fleet
        nursery.cancel_scope.cancel()
