"""`serve --workers 2`, whose workers are killed at random under load: nothing lost or doubled.

As `test_cluster`, in an SQLite file and on PostgreSQL: a worker is killed with `kill -9`, either of
the two, and another one takes its place; now and then all that there is is killed at once, and
started again. TINODE_TEST_KILLS=20 is the long run, TINODE_TEST_LEASE the lease in seconds.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from tinode_cli.workers import SETTLED

from tests.durability.fleet import Machine, Place
from tests.durability.test_cluster import KILLS, LEASE, Faults, ordeal
from tests.postgres import running_cluster
from tests.process import PATIENCE, ServerProcess
from tests.test_workers import Processes

WORKERS = (1, 2)
EVERY = 6  # kills of one, then of all


@attrs.define(eq=False)
class Crew:
    """The one server that they are."""

    machines: list[Machine]

    def urls(self) -> list[str]:
        return [machine.url for machine in self.machines]


class WorkerFaults(Faults):
    """What counts are all conversations, wherever they are."""

    async def kill_the_first(self) -> None:
        await self._kill_one(1, "kill of the first worker")

    async def kill_the_second(self) -> None:
        await self._kill_one(2, "kill of the second worker")

    async def _kill_one(self, number: int, kind: str) -> None:
        """In the long run it has been there for so long that its place is filled at once."""
        (machine,) = self.fleet.machines
        server, again = await machine.up(), f"worker {number} serves again"
        before = _times(server, again)
        if KILLS > 1:
            await trio.sleep(SETTLED / len(WORKERS) + 1)
        self.waiting.begin(kind, set(self.talks))
        os.kill(Processes(server)[number], signal.SIGKILL)
        await self.waiting.over()
        with trio.fail_after(PATIENCE):
            while _times(server, again) == before:  # noqa: ASYNC110
                await trio.sleep(0.02)

    async def kill_all(self) -> None:
        """Nobody is left who could see to anything. What counts is the time from when the next
        ones serve.
        """
        (machine,) = self.fleet.machines
        server = await machine.up()
        workers = [Processes(server)[number] for number in WORKERS]
        server.process.send_signal(signal.SIGSTOP)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        with trio.fail_after(PATIENCE):
            while not all(map(_is_dead, workers)):  # noqa: ASYNC110
                await trio.sleep(0.01)
        await machine.signalled(signal.SIGKILL)
        await machine.ended()
        await machine.up()
        self.waiting.begin("kill of all", set(self.talks))
        await self.waiting.over()

    def plan(self) -> list[Callable[[], Awaitable[None]]]:
        """So many kills of one worker, in turn, and of all in between."""
        if KILLS == 1:
            return [self.kill_the_first]
        found: list[Callable[[], Awaitable[None]]] = []
        for number in range(KILLS):
            found.append(self.kill_the_second if number % 2 else self.kill_the_first)
            if number % EVERY == EVERY - 1:
                found.append(self.kill_all)
        return found


def _times(server: ServerProcess, text: str) -> int:
    return sum(text in line for line in server.said)


def _is_dead(process: int) -> bool:
    """Whether nothing of it is left but its number."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


@asynccontextmanager
async def running_crew(folder: Path, *store: str) -> AsyncIterator[Crew]:
    args = ("--workers", str(len(WORKERS)), "--set", f"cluster.lease={LEASE}", *store)
    crew = Crew([Machine("crew", folder / "data", args, Place())])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crew.machines[0].run)
        await crew.machines[0].up()
        yield crew
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.timeout(180 + 60 * KILLS)
async def test_workers_on_a_file(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew:
        await ordeal(crew, WorkerFaults)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(180 + 60 * KILLS)
@pytest.mark.skipif(KILLS == 1, reason="TINODE_TEST_KILLS is not set")
async def test_workers_on_postgresql(tmp_path: Path) -> None:
    with running_cluster(durable=True) as cluster:
        async with running_crew(tmp_path, "--store", cluster.database()) as crew:
            await ordeal(crew, WorkerFaults)  # type: ignore[arg-type]
