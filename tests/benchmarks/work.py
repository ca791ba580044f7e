"""Work for a server to do, and what a stretch of it came to.

The load must never be what limits a measurement: `Figures` tell how much of its core it used.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from .figures import LOAD_BOUND
from .load import Client, Sockets
from .machine import Meter

BUSY = 0.85  # share of its core above which the load may have been the limit
FULL = 0.95  # share of its core at which the server is the limit, whatever the load does
WARM = 0.3  # seconds, before anything is measured


@attrs.frozen
class Figures:
    """What a stretch of work came to. A unit is what the work counts."""

    units: int
    seconds: float
    server: float  # seconds of CPU
    load: float

    @property
    def rate(self) -> float:
        return self.units / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's CPU for one unit."""
        return self.server / self.units * 1e6

    @property
    def load_bound(self) -> bool:
        """Whether the load may have been the limit."""
        return self.load / self.seconds > BUSY and self.server / self.seconds < FULL


def measured(pid: int, seconds: float, work: Callable[[float], int]) -> Figures:
    """Run `work` until its deadline; it answers how many units were done."""
    meter, load, began = Meter.of(pid), time.process_time(), time.perf_counter()
    units = work(began + seconds)
    spent = time.perf_counter() - began
    return Figures(units, spent, meter.spent(), time.process_time() - load)


@attrs.frozen
class Way:
    """One of the servers that do the same work."""

    pid: int
    work: Callable[[float], int]


def in_turns(seconds: float, rounds: int, *ways: Way) -> list[Sum]:
    """All ways in turns, so that they meet the same machine."""
    for way in ways:
        measured(way.pid, min(WARM, seconds), way.work)
    kept: list[list[Figures]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, those in zip(ways, kept, strict=True):
            those.append(measured(way.pid, seconds, way.work))
    return [Sum(tuple(those)) for those in kept]


@attrs.frozen
class Sum:
    """Medians of some rounds."""

    rounds: tuple[Figures, ...]

    @property
    def rate(self) -> float:
        return statistics.median(it.rate for it in self.rounds)

    @property
    def cost(self) -> float:
        return statistics.median(it.cost for it in self.rounds)

    @property
    def load(self) -> float:
        """Share of its core that the load used."""
        return statistics.median(it.load / it.seconds for it in self.rounds)

    @property
    def server(self) -> float:
        return statistics.median(it.server / it.seconds for it in self.rounds)

    @property
    def notes(self) -> tuple[str, ...]:
        return (LOAD_BOUND,) if any(it.load_bound for it in self.rounds) else ()


def alone(ours: Sum) -> dict[str, float]:
    """Figures of a row with nothing to compare with."""
    return {"cost": ours.cost, "rate": ours.rate, "server": ours.server, "load": ours.load}


def beside(ours: Sum, raw: Sum, naive: Sum | None = None) -> dict[str, float]:
    """Figures of a row: ours, the raw limit's, the naive way's."""
    figures = alone(ours) | {
        "rate_share": ours.rate / raw.rate,
        "cost_share": raw.cost / ours.cost,
        "raw_cost": raw.cost,
        "raw_rate": raw.rate,
    }
    if naive is not None:
        figures |= {"naive_cost": naive.cost, "naive_rate": naive.rate}
    return figures


# --- kinds of work -----------------------------------------------------------------------


@attrs.frozen
class FanOut:
    """One author, many readers: a message goes when the one `flight` before it was read by all.

    A unit is a delivery. `each`: bytes that all readers get together for one message. What the
    author is answered is thrown away at the end.
    """

    author: Client
    readers: Sockets
    count: int
    frame: bytes
    each: int
    flight: int

    def __call__(self, deadline: float) -> int:
        send, each, sent, total = self.author.socket.send, self.each, self.flight, 0
        send(self.frame * sent)
        while time.perf_counter() < deadline:
            total += self.readers.arrived(1.0)
            if (more := total // each + self.flight - sent) > 0:
                sent += more
                send(self.frame * more)
        while total < sent * each:
            total += self.readers.arrived(10.0)
        self.author.quiet()
        return sent * self.count


@attrs.frozen
class Part:
    """What a client does in an exchange: send `frame` (if any), and get `size` bytes for it."""

    client: Client
    frame: bytes
    size: int


@attrs.frozen
class Exchange:
    """Every sender keeps `flight` requests unanswered. A unit is a request answered in full.

    `times` takes milliseconds from sending to the answer, and when that was; None: not wanted.
    """

    parts: Sequence[Part]
    sockets: Sockets
    flight: int
    times: list[tuple[float, float]] | None = None

    def __call__(self, deadline: float) -> int:
        parts, place, flight, times = self.parts, self.sockets.place, self.flight, self.times
        got = [0] * len(parts)
        sent = [flight if part.frame else 0 for part in parts]
        began = [deque([time.perf_counter()] * flight) for _ in parts]
        for part in parts:
            if part.frame:
                part.client.socket.send(part.frame * flight)
        while (running := time.perf_counter() < deadline) or _unanswered(parts, sent, got):
            for fd, count in self.sockets.arrivals(10.0):
                n = place[fd]
                got[n] += count
                part = parts[n]
                if not part.frame:
                    continue
                answered = got[n] // part.size
                if times is not None:
                    _note(times, began[n], len(began[n]) - (sent[n] - answered))
                if running and (more := answered + flight - sent[n]):
                    sent[n] += more
                    part.client.socket.send(part.frame * more)
                    if times is not None:
                        began[n] += [time.perf_counter()] * more
        return sum(sent)


def _note(times: list[tuple[float, float]], began: deque[float], answers: int) -> None:
    now = time.perf_counter()
    for _ in range(answers):
        times.append((now, (now - began.popleft()) * 1e3))


def _unanswered(parts: Sequence[Part], sent: Sequence[int], got: Sequence[int]) -> bool:
    return any(n * part.size > have for part, n, have in zip(parts, sent, got, strict=True))
