"""What a benchmark is given: a store filled with people, servers on it, and how long to measure."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from .machine import start, stop
from .people import HISTORY, People, settle

# The load answers no pings, unless it says so.
SILENT = ("server.ping_seconds=3600", "server.read_timeout=3600")
_LARGE = "limits.topic_subscribers=100000"


@attrs.frozen
class Server:
    """A server that runs, and who is in its store."""

    pid: int
    port: int
    people: People
    folder: Path


@attrs.frozen
class Setup:
    """`size` is by what numbers are multiplied: 1 gives the rows that have goals."""

    scratch: Path
    cache: Path  # what takes minutes to make is kept here
    seconds: float = 1.0  # of each stretch of work
    rounds: int = 1  # in turns, within a run
    size: float = 1.0
    _folders: Iterator[int] = attrs.field(factory=itertools.count, init=False)

    def sized(self, count: int, least: int = 4) -> int:
        return max(least, int(count * self.size))

    def settled(
        self, count: int, pairs: int = 0, rooms: int = 0, history: int = HISTORY
    ) -> tuple[Path, People]:
        """A new data folder with so many people."""
        folder = self.path("data")
        return folder, settle(folder, max(count, 2 * pairs + 5 * rooms), pairs, rooms, history)

    @contextmanager
    def serving(
        self, count: int, *settings: str, pairs: int = 0, rooms: int = 0
    ) -> Iterator[Server]:
        """A server with people of its own. Silent sessions are left alone."""
        folder, people = self.settled(count, pairs, rooms)
        with serving(folder, *SILENT, *settings) as (pid, port):
            yield Server(pid, port, people, folder)

    def path(self, name: str) -> Path:
        """A file that is not there yet."""
        return self.scratch / f"{next(self._folders)}-{name}"


@contextmanager
def serving(
    folder: Path, *settings: str, program: Sequence[str] = ("tinode_py",)
) -> Iterator[tuple[int, int]]:
    """A server on a data folder: its process and its port."""
    command = [sys.executable, "-m", *program, "serve", "--data", str(folder)]
    command += ["--listen", "127.0.0.1:0"]
    for setting in ("log.level=warning", _LARGE, *settings):
        command += ["--set", setting]
    with _process(command, "listening on") as (pid, line):
        yield pid, int(line.rpartition(":")[2])


@contextmanager
def raw(*arguments: str | int | Path) -> Iterator[tuple[int, int]]:
    """A raw process: its number and its port."""
    command = [sys.executable, "-m", "tests.benchmarks.raw", *map(str, arguments)]
    with _process(command, "raw on") as (pid, line):
        yield pid, int(line.split()[-1])


@contextmanager
def naive(*arguments: str | int | Path) -> Iterator[tuple[int, int]]:
    """A naive server: its process and its port."""
    command = [sys.executable, "-m", "tests.benchmarks.naive", *map(str, arguments)]
    with _process(command, "naive on") as (pid, line):
        yield pid, int(line.split()[-1])


@contextmanager
def _process(command: list[str], ready: str) -> Iterator[tuple[int, str]]:
    process, line = start(command, ready)
    try:
        yield process.pid, line
    finally:
        stop(process)
