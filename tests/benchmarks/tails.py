"""The slowest of many: garbage collected, or the log written back, meanwhile."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .figures import Row, row, tail
from .held import comers, holding
from .machine import cpu_seconds
from .publishing import Talk, couples, raw_talk
from .setup import SILENT, Server, Setup, raw, serving
from .work import Figures, measured

# --- the garbage collector ---------------------------------------------------------------

_TUNED = {
    "as `serve` sets it": "tuned",
    "thresholds of Python": "frozen",
    "nothing frozen, thresholds of Python": "stock",
}
HELD = 5000


def collector(setup: Setup) -> Iterator[Row]:
    """Private messages, all with one in flight, on a server that holds many sessions. What the
    collector took: since the server listens, the coming of the sessions included.
    """
    held, pairs = setup.sized(HELD), setup.sized(50)
    for name, kind in _TUNED.items():
        folder, people = setup.settled(held + 2 * pairs, pairs=pairs)
        noted = setup.path("collections.json")
        program = ("tests.benchmarks.collecting", kind, str(noted))
        with serving(folder, *SILENT, program=program) as (pid, port):
            server = Server(pid, port, people, folder)
            with holding(comers(port, people.everybody[2 * pairs :])):
                figures, times = _timed(couples(server), 1, 8 * setup.seconds)
            spent = cpu_seconds(pid)
        milliseconds = [it for _, it in times]
        full, longest, total = json.loads(noted.read_text("utf-8"))
        yield row(
            f"{name}; {pairs} pairs beside {held:,} sessions",
            **tail(milliseconds),
            cost=figures.cost,
            rate=figures.rate,
            load=figures.load / figures.seconds,
            full=full,
            longest=longest * 1e3,
            collecting=total / spent,
        )


def _timed(talk: Talk, flight: int, seconds: float) -> tuple[Figures, list[tuple[float, float]]]:
    times: list[tuple[float, float]] = []
    measured(talk.pid, min(0.3, seconds), talk.exchange(flight))
    figures = measured(talk.pid, seconds, talk.exchange(flight, times))
    talk.close()
    return figures, times


# --- commits -----------------------------------------------------------------------------

_NEAR = 0.05  # seconds after the file was written to in which an answer is late because of it


def commits(setup: Setup) -> Iterator[Row]:
    """Durable private messages; those that were answered while the log was written into the
    database by themselves; the raw loop, which writes its log back as often.
    """
    count = setup.sized(100)
    with setup.serving(2 * count, pairs=count) as server:
        for flight in (1, 8):
            before = _written(server.port)
            talk = couples(server)
            database, frame = setup.path("raw.db"), len(talk.parts[0].frame)
            with raw("durable", database, 2, frame, talk.ack, talk.out) as (pid, port):
                theirs = raw_talk(pid, port, talk)
                with _watched(database) as raw_moments:
                    limit, raw_times = _timed(theirs, flight, 8 * setup.seconds)
            with _watched(server.folder / "tinode.db") as moments:
                ours, times = _timed(talk, flight, 8 * setup.seconds)
            batches, transactions = (
                now - then for now, then in zip(_written(server.port), before, strict=True)
            )
            work = f"{count} pairs, {flight} in flight"
            group = {"group": batches / max(1.0, transactions)}
            yield _row(work, ours, times, **group)
            yield from _late(f"{work}: while the log is written back", _near(times, moments))
            yield _row(f"{work}: the raw loop", limit, raw_times)
            late = _near(raw_times, raw_moments)
            yield from _late(f"{work}: the raw loop while the log is written back", late)


def _row(work: str, all_: Figures, times: Sequence[tuple[float, float]], **more: float) -> Row:
    shares = {"load": all_.load / all_.seconds, "server": all_.server / all_.seconds}
    milliseconds = [it for _, it in times]
    return row(work, **tail(milliseconds), count=len(times), rate=all_.rate, **shares, **more)


def _late(work: str, times: Sequence[tuple[float, float]]) -> Iterator[Row]:
    """Nothing where the log was not written back at all."""
    if times:
        yield row(work, **tail(it for _, it in times), count=len(times))


def _written(port: int) -> tuple[float, float]:
    """Batches and transactions so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    names = ("tinode_store_batches_total", "tinode_store_transactions_total")
    batches, transactions = (float(found[name]) for name in names)
    return batches, transactions


@contextmanager
def _watched(path: Path) -> Iterator[list[float]]:
    """When the database itself was written to, and not its log: at checkpoints only."""
    moments: list[float] = []
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(path, over, moments))
    thread.start()
    try:
        yield moments
    finally:
        over.set()
        thread.join()


def _watch(path: Path, over: threading.Event, moments: list[float]) -> None:
    last = path.stat().st_mtime_ns
    while not over.wait(0.002):
        if (now := path.stat().st_mtime_ns) != last:
            last = now
            moments.append(time.perf_counter())


def _near(
    times: Sequence[tuple[float, float]], moments: Sequence[float]
) -> list[tuple[float, float]]:
    """What was under way when the file was written to, or soon after."""
    found = []
    for when, took in times:
        place = bisect_left(moments, when - took / 1e3 - _NEAR)
        if place < len(moments) and moments[place] <= when:
            found.append((when, took))
    return found
