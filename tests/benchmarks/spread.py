"""What it costs to fan out over some nodes, beside one: `python -m tests.benchmarks.spread`.

Two clusters on one PostgreSQL, of one node and of `--nodes`, in turns. All nodes are on one core,
the load on another: so what shows is the processor time of a delivery, all nodes together, and
not how much faster two cores are than one. Each node has as many of the readers; the author is on
one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from tests.postgres import Cluster, running_cluster
from tinode_py.changes import Batch
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.store import open_postgres

from .load import Client, session
from .machine import LOAD_CORE, cpu_seconds, pin, start, stop
from .people import People, _accounts, _groups, settle
from .publishing import audience
from .work import FanOut

_SETTINGS = (
    "cluster.listen=127.0.0.1:0",
    "cluster.lease=20",  # a busy machine fences nobody
    "limits.topic_subscribers=100000",
    "log.level=info",
    "server.ping_seconds=3600",  # the load answers no pings
    "server.read_timeout=3600",
)


@attrs.frozen(eq=False)
class Side:
    """A cluster with an author and readers. `processes` are its nodes."""

    processes: tuple[int, ...]
    work: FanOut

    def cost(self, seconds: float) -> tuple[float, float]:
        """Microseconds of all nodes for one delivery; deliveries a second."""
        before, began = self._spent(), time.perf_counter()
        units = self.work(began + seconds)
        took = time.perf_counter() - began
        return (self._spent() - before) / units * 1e6, units / took

    def _spent(self) -> float:
        return sum(map(cpu_seconds, self.processes))


async def _fill(url: str, people: People) -> None:
    now = time.time_ns() // 1_000_000
    async with open_postgres(Address.of(url), connections=1) as store:
        await store.commit(Batch(tuple(_accounts(people, now))))
        await store.commit(Batch(tuple(_groups(people, now))))


@contextlib.contextmanager
def _nodes(url: str, folder: Path, count: int) -> Iterator[list[tuple[int, int]]]:
    """Processes and ports. The first one's key signs the tokens of all."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            data = folder if not number else folder.with_name(f"{folder.name}-{number}")
            command = [sys.executable, "-m", "tinode_py", "serve", "--data", str(data)]
            command += ["--store", url, "--listen", "127.0.0.1:0"]
            for setting in _SETTINGS:
                command += ["--set", setting]
            process, line = start(command, "listening on")
            stack.callback(stop, process)
            found.append((process.pid, int(line.rpartition(":")[2])))
        time.sleep(6)  # for their beats, and links
        yield found


@contextlib.contextmanager
def _side(cluster: Cluster, scratch: Path, count: int, readers: int, flight: int) -> Iterator[Side]:
    folder = scratch / f"of{count}"
    people, url = settle(folder, count=readers + 1, pairs=0, rooms=0), cluster.database()
    trio.run(_fill, url, people)
    with _nodes(url, folder, count) as nodes:
        ports = [port for _, port in nodes]
        author, hall = session(ports[0], people.everybody[0], "me", people.hall), people.hall
        clients: list[Client] = []
        for number, person in enumerate(people.everybody[1:]):
            clients.append(session(ports[number % count], person, "me", hall))
        pids = tuple(pid for pid, _ in nodes)
        yield Side(pids, audience(pids[0], author, clients, hall).work(flight))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--nodes", type=int, default=2)
    asked.add_argument("--readers", type=int, default=400)
    asked.add_argument("--seconds", type=float, default=2.0)
    asked.add_argument("--rounds", type=int, default=7)
    given = asked.parse_args()
    pin(LOAD_CORE)
    for flight in (1, 16):
        with tempfile.TemporaryDirectory() as made, running_cluster(durable=True) as cluster:
            scratch = Path(made)
            with (
                _side(cluster, scratch, 1, given.readers, flight) as one,
                _side(cluster, scratch, given.nodes, given.readers, flight) as several,
            ):
                rounds = [
                    (one.cost(given.seconds), several.cost(given.seconds))
                    for _ in range(given.rounds)
                ]
        _report(f"{given.readers} readers, {flight} in flight", given.nodes, rounds)


def _report(
    work: str, nodes: int, rounds: list[tuple[tuple[float, float], tuple[float, float]]]
) -> None:
    for number, name in enumerate(("one node", f"{nodes} nodes")):
        costs, rates = zip(*(each[number] for each in rounds), strict=True)
        print(
            f"{work}, {name}: {statistics.median(costs):.2f} µs of processor time for a delivery, "
            f"{statistics.median(rates):,.0f} a second"
        )
    ratio = statistics.median(several[0] / one[0] for one, several in rounds)
    print(f"   {nodes} nodes beside one: {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
