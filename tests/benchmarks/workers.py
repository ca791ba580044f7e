"""One process beside several that are one server: `python -m tests.benchmarks.workers`.

Two servers, `serve` and `serve --workers N`, each with a store of its own, take turns at the same
work; medians of the rounds, and of their ratios.

- Fan-out: one author and readers of one group, 1 and 16 messages in flight. A unit is a delivery.
- Publications: conversations of two, one of whom writes, 8 in flight. A unit is a publication.

Told are the processor time of all processes together for a unit, and that of the busiest one;
the rate; how the connections are spread over the workers; and the bytes that went from worker to
worker for a publication. The busiest process is full first: where each has a core, the rate of
several is that of one times the cost of one process over that of the busiest of several.
`--store sqlite`: one file, which the first worker has, in place of PostgreSQL.

The load is on one core. The servers have one other (`--cores`), so that with two cores what shows
is what several processes cost, and not how much faster they are; with more cores, give them as
many as there are workers (`--cores 0,2,3`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import trio

from tests.postgres import Cluster, running_cluster
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.store import open_postgres
from tinode_py.store.sqlite import open_sqlite

from .load import Client, Sockets, close, publication, session
from .machine import LOAD_CORE, SERVER_CORE, cpu_seconds, pin, stop
from .people import People, fill, settle
from .publishing import audience, sizes
from .setup import SILENT
from .work import Exchange, Part

_SETTINGS = (
    *SILENT,
    "cluster.lease=20",  # a busy machine fences nobody
    "limits.topic_subscribers=100000",
    "log.level=warning",
)
_SESSIONS = re.compile(r'tinode_sessions\{transport="websocket"(?:,worker="(\d+)")?\} (\S+)')
_SENT = re.compile(r'tinode_node_bytes_total\{way="sent"(?:,worker="\d+")?\} (\S+)')
FLIGHT = 8  # publications of a pair


@attrs.frozen(eq=False)
class Side:
    """A server. `processes` are all of it."""

    processes: tuple[int, ...]
    port: int
    people: People

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def spread(self) -> list[int]:
        """Sessions of each worker."""
        return [int(float(count)) for _, count in sorted(_SESSIONS.findall(self.metrics()))]

    def sent(self) -> float:
        """Bytes from worker to worker so far."""
        return sum(map(float, _SENT.findall(self.metrics())))


@attrs.frozen
class Round:
    """Of one stretch of work."""

    cost: float  # µs of processor time for a unit, of all processes
    busiest: float  # that of the process with most of it
    rate: float  # units a second
    bytes: float  # from worker to worker for a unit


def measured(side: Side, work: Callable[[float], int], seconds: float) -> Round:
    sent, before, began = side.sent(), _spent(side), time.perf_counter()
    units = work(began + seconds)
    took = time.perf_counter() - began
    costs = [(now - then) / units * 1e6 for now, then in zip(_spent(side), before, strict=True)]
    return Round(sum(costs), max(costs), units / took, (side.sent() - sent) / units)


def _spent(side: Side) -> list[float]:
    return [cpu_seconds(process) for process in side.processes]


@contextlib.contextmanager
def serving(
    cluster: Cluster | None, folder: Path, workers: int, people: People, cores: Sequence[int]
) -> Iterator[Side]:
    """`cluster`: of PostgreSQL; None for an SQLite file."""
    command = [sys.executable, "-m", "tinode_py", "serve", "--data", str(folder)]
    command += ["--listen", "127.0.0.1:0", "--workers", str(workers)]
    if cluster is None:
        trio.run(_fill_file, folder / "tinode.db", people)
    else:
        url = cluster.database()
        trio.run(_fill, url, people)
        command += ["--store", url]
    for setting in _SETTINGS:
        command += ["--set", setting]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "listening on" in line)
        port = int(line.rpartition(":")[2])
        yield Side((process.pid, *_children(process.pid)), port, people)
    finally:
        stop(process)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(it) for task in tasks for it in (task / "children").read_text().split()]


async def _fill(url: str, people: People) -> None:
    async with open_postgres(Address.of(url), connections=2) as store:
        await fill(store, people)


async def _fill_file(path: Path, people: People) -> None:
    async with open_sqlite(path, inline=True) as store:
        await fill(store, people)


@contextlib.contextmanager
def fan_out(side: Side, readers: int, flight: int) -> Iterator[Callable[[float], int]]:
    hall, (first, *others) = side.people.hall, side.people.everybody
    author = session(side.port, first, "me", hall)
    clients = [session(side.port, person, "me", hall) for person in others[:readers]]
    crowd = audience(side.processes[0], author, clients, hall)
    print(f"   sessions of each worker: {side.spread()}")
    yield crowd.work(flight)
    close([author, *clients], crowd.sockets)


@contextlib.contextmanager
def pairs(side: Side) -> Iterator[Callable[[float], int]]:
    parts: list[Part] = []
    clients: list[Client] = []
    for one, other in side.people.pairs:
        writer = session(side.port, one, "me", other.user)
        reader = session(side.port, other, "me", one.user)
        clients += [writer, reader]
        for client in clients:
            client.quiet()
        frame = publication(other.user)
        answer, _ = sizes(writer, reader, frame)
        parts.append(Part(writer, frame, answer))
    sockets = Sockets([part.client for part in parts])
    sockets.drain()
    print(f"   sessions of each worker: {side.spread()}")
    yield _Answered(Exchange(parts, sockets, FLIGHT), clients)
    close(clients, sockets)


@attrs.frozen
class _Answered:
    """An exchange whose readers are not looked at before it is over."""

    exchange: Exchange
    clients: Sequence[Client]

    def __call__(self, deadline: float) -> int:
        units = self.exchange(deadline)
        for client in self.clients:
            client.quiet()
            client.socket.setblocking(False)
        return units


def main() -> None:
    given = _options()
    pin(LOAD_CORE)
    cores = [int(core) for core in given.cores.split(",")]
    with (
        tempfile.TemporaryDirectory(dir=given.data) as made,
        contextlib.ExitStack() as stack,
    ):
        shared = given.store == "postgres"
        cluster = stack.enter_context(running_cluster(durable=True)) if shared else None
        sides = []
        for count in (1, given.workers):
            folder = Path(made) / f"of{count}"
            most = max(given.readers + 1, 2 * given.pairs)
            people = settle(folder, count=most, pairs=given.pairs, rooms=0, history=0)
            sides.append(stack.enter_context(serving(cluster, folder, count, people, cores)))
        for flight in (1, 16):
            name = f"{given.readers} readers, {flight} in flight"
            work = [fan_out(side, given.readers, flight) for side in sides]
            _compare(name, "a delivery", sides, work, given)
        _compare(
            f"{given.pairs} pairs, {FLIGHT} in flight",
            "a publication",
            sides,
            [pairs(side) for side in sides],
            given,
        )


def _compare(
    name: str,
    unit: str,
    sides: Sequence[Side],
    work: Sequence[contextlib.AbstractContextManager[Callable[[float], int]]],
    given: argparse.Namespace,
) -> None:
    with contextlib.ExitStack() as stack:
        begun = [stack.enter_context(each) for each in work]
        rounds = [
            [measured(side, each, given.seconds) for side, each in zip(sides, begun, strict=True)]
            for _ in range(given.rounds)
        ]
    for n, server in enumerate(("one process", f"{given.workers} workers")):
        cost = statistics.median(each[n].cost for each in rounds)
        busiest = statistics.median(each[n].busiest for each in rounds)
        rate = statistics.median(each[n].rate for each in rounds)
        wire = statistics.median(each[n].bytes for each in rounds)
        print(
            f"{name}, {server}: {cost:.2f} µs for {unit}, {busiest:.2f} of the busiest process,"
            f" {rate:,.0f} a second, {wire:.1f} bytes"
        )
    cost = statistics.median(several.cost / one.cost for one, several in rounds)
    rate = statistics.median(several.rate / one.rate for one, several in rounds)
    full = statistics.median(one.busiest / several.busiest for one, several in rounds)
    print(
        f"   beside one process: cost {cost:.2f}, rate {rate:.2f}, with a core each {full:.2f}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--store", choices=("postgres", "sqlite"), default="postgres")
    asked.add_argument("--readers", type=int, default=2000)
    asked.add_argument("--pairs", type=int, default=100)
    asked.add_argument("--seconds", type=float, default=2.0)
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--cores", default=str(SERVER_CORE), help="of the servers, as 0,2,3")
    asked.add_argument("--data", type=Path, help="a folder on a real disk")
    return asked.parse_args()


if __name__ == "__main__":
    main()
