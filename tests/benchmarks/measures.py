"""What is measured, each beside the raw limit, in turns so that both meet the same machine."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from .load import Client, Exchange, FanOut, Figures, Part, Sockets, masked, measured, session
from .machine import resident, start, stop
from .people import People, Person

TEXT = "x" * 100  # content of a message


@attrs.frozen
class Bench:
    """A server that runs, who is in its store, and how long and how often to measure."""

    pid: int
    port: int
    people: People
    scratch: Path
    seconds: float
    rounds: int


@attrs.frozen
class Result:
    """One row of the report. Ratios are ours to raw: of rates where `of_rates`, else of cost."""

    name: str
    unit: str
    ours: tuple[Figures, ...]
    raw: tuple[Figures, ...]
    goal: str = ""

    def rate(self) -> float:
        return statistics.median(figures.rate for figures in self.ours)

    def cost(self) -> float:
        return statistics.median(figures.cost for figures in self.ours)

    def raw_rate(self) -> float:
        return statistics.median(figures.rate for figures in self.raw) if self.raw else 0.0

    def raw_cost(self) -> float:
        return statistics.median(figures.cost for figures in self.raw) if self.raw else 0.0

    @property
    def rate_ratio(self) -> float:
        """Our rate as a part of the raw one."""
        return self.rate() / self.raw_rate() if self.raw else 0.0

    @property
    def cost_ratio(self) -> float:
        """The raw cost as a part of ours."""
        return self.raw_cost() / self.cost() if self.raw else 0.0

    @property
    def load_was_busy(self) -> bool:
        return any(figures.load_was_busy for figures in (*self.ours, *self.raw))


@contextmanager
def raw(*arguments: str | int | Path) -> Iterator[tuple[int, int]]:
    """A raw process: its number and its port."""
    command = [sys.executable, "-m", "tests.benchmarks.raw", *map(str, arguments)]
    process, line = start(command, "raw on")
    try:
        yield process.pid, int(line.split()[-1])
    finally:
        stop(process)


def _publication(topic: str) -> bytes:
    return masked({"pub": {"id": "1", "topic": topic, "noecho": True, "content": TEXT}})


def _in_turns(
    bench: Bench, pid: int, ours: Callable[[float], int], theirs: Callable[[float], int]
) -> tuple[tuple[Figures, ...], tuple[Figures, ...]]:
    mine, raws = [], []
    measured(bench.pid, 0.3, ours)  # to warm both up
    measured(pid, 0.3, theirs)
    for _ in range(bench.rounds):
        raws.append(measured(pid, bench.seconds, theirs))
        mine.append(measured(bench.pid, bench.seconds, ours))
    return tuple(mine), tuple(raws)


# --- publishing --------------------------------------------------------------------------


def _sizes(author: Client, reader: Client, topic: str) -> tuple[int, int]:
    """Bytes of the answer to a publication, and of what a reader gets."""
    author.socket.sendall(_publication(topic))
    return _size(author.wait(b'"ctrl"')), _size(reader.wait(b'"data"'))


def _size(payload: bytes) -> int:
    return len(payload) + _head(payload)


def _head(payload: bytes) -> int:
    return 2 if len(payload) < 126 else 4


def fan_out(bench: Bench, count: int) -> Iterator[Result]:
    """One group, everybody in it and on `me`, one of them writes."""
    people, hall = bench.people.everybody, bench.people.hall
    author = session(bench.port, people[0], "me", hall)
    readers = [session(bench.port, person, "me", hall) for person in people[1 : count + 1]]
    for client in (author, *readers):
        _quiet(client)
    frame = _publication(hall)
    _, out = _sizes(author, readers[0], hall)
    sockets = Sockets(readers)
    sockets.drain()
    with raw("fan-out", len(frame), out) as (pid, port):
        raw_author = Client.connect(port)
        raw_readers = [Client.connect(port) for _ in range(count)]
        raw_sockets = Sockets(raw_readers)
        for flight in (1, 16):
            mine = _Acked(FanOut(author, sockets, count, frame, out, flight), author)
            theirs = FanOut(raw_author, raw_sockets, count, frame, out, flight)
            ours, raws = _in_turns(bench, pid, mine, theirs)
            name = f"fan-out to {count:,} sessions of one group, {flight} in flight"
            yield Result(name, "delivery", ours, raws)
        _close(sockets, author, *readers)
        _close(raw_sockets, raw_author, *raw_readers)


@attrs.frozen
class _Acked:
    """Fan-out of which the author is answered: his answers are taken at the end."""

    work: FanOut
    author: Client

    def __call__(self, deadline: float) -> int:
        units = self.work(deadline)
        _quiet(self.author)
        return units


def _quiet(client: Client) -> None:
    """Throw away what has come."""
    client.socket.setblocking(False)
    try:
        while client.socket.recv(1_000_000):
            pass
    except BlockingIOError:
        pass
    client.socket.setblocking(True)
    client._rest = b""


def _close(sockets: Sockets, *clients: Client) -> None:
    sockets.close()
    for client in clients:
        client.close()


def pairs(bench: Bench) -> Iterator[Result]:
    """Conversations of two, both on `me` and in the conversation, one of them writes."""
    groups = [
        (
            session(bench.port, one, "me", other.user),
            session(bench.port, other, "me", one.user),
        )
        for one, other in bench.people.pairs
    ]
    topics = [other.user for _, other in bench.people.pairs]
    yield from _publishing(bench, groups, topics, (1, 4, 8), f"{len(groups)} durable p2p pairs")


def rooms(bench: Bench) -> Iterator[Result]:
    """Groups of five, one of them writes."""
    people = bench.people.everybody
    groups = [
        tuple(session(bench.port, person, "me", room) for person in people[5 * r : 5 * r + 5])
        for r, room in enumerate(bench.people.rooms)
    ]
    name = f"{len(groups)} durable rooms of 5"
    yield from _publishing(bench, groups, list(bench.people.rooms), (4,), name)


def _publishing(
    bench: Bench,
    groups: Sequence[tuple[Client, ...]],
    topics: list[str],
    flights: tuple[int, ...],
    name: str,
) -> Iterator[Result]:
    size = len(groups[0])
    clients = [client for group in groups for client in group]
    for client in clients:
        _quiet(client)
    ack, out = _sizes(groups[0][0], groups[0][1], topics[0])
    frames = [_publication(topic) for topic in topics]
    for client in clients:
        _quiet(client)
    sockets = Sockets(clients)
    sockets.drain()
    parts = [
        Part(client, frames[g] if not n else b"", ack if not n else out)
        for g, group in enumerate(groups)
        for n, client in enumerate(group)
    ]
    database = bench.scratch / f"raw-{size}.db"
    with raw("durable", database, size, len(frames[0]), ack, out) as (pid, port):
        raw_clients = [Client.connect(port) for _ in clients]
        raw_sockets = Sockets(raw_clients)
        raw_parts = [attrs.evolve(p, client=c) for p, c in zip(parts, raw_clients, strict=True)]
        for flight in flights:
            mine = Exchange(parts, sockets, flight)
            theirs = Exchange(raw_parts, raw_sockets, flight)
            ours, raws = _in_turns(bench, pid, mine, theirs)
            yield Result(f"{name}, {flight} in flight", "publication", ours, raws)
        _close(sockets, *clients)
        _close(raw_sockets, *raw_clients)


# --- reading, coming, staying ------------------------------------------------------------


def history(bench: Bench, count: int = 20) -> Iterator[Result]:
    """The last 24 messages of a conversation."""
    clients, parts = [], []
    for one, other in bench.people.pairs[:count]:
        client = session(bench.port, one, other.user)
        query = {"id": "1", "topic": other.user, "what": "data", "data": {"limit": 24}}
        _quiet(client)
        client.socket.sendall(masked({"get": query}))
        size, frame = 0, b""
        while b'"ctrl"' not in frame[:9]:
            frame = client.frame()
            size += len(frame) + _head(frame)
        clients.append(client)
        parts.append(Part(client, masked({"get": query}), size))
    sockets = Sockets(clients)
    with raw("page", bench.scratch / "raw-2.db", len(parts[0].frame), parts[0].size) as (pid, port):
        raw_clients = [Client.connect(port) for _ in clients]
        raw_sockets = Sockets(raw_clients)
        raw_parts = [attrs.evolve(p, client=c) for p, c in zip(parts, raw_clients, strict=True)]
        mine, theirs = Exchange(parts, sockets, 1), Exchange(raw_parts, raw_sockets, 1)
        yield Result("a page of 24 messages", "page", *_in_turns(bench, pid, mine, theirs))
        _close(sockets, *clients)
        _close(raw_sockets, *raw_clients)


def coming(bench: Bench, count: int = 100) -> Iterator[Result]:
    """Logins with a token, and whole reconnections, beside a bare handshake.

    The tokens are those of people who were here before: none needs a new number.
    """
    pairs = [(_renewed(bench, one), other) for one, other in bench.people.pairs[:count]]

    def log_in(_: float) -> int:
        for person, _other in pairs:
            session(bench.port, person).close()
        return len(pairs)

    def reconnect(_: float) -> int:
        for one, other in pairs:
            client = session(bench.port, one, "me")
            client.call("sub", topic=other.user, get={"what": "data", "data": {"limit": 24}})
            client.wait(b'"code":208')
            client.close()
        return len(pairs)

    with raw("websocket") as (pid, port):

        def handshake(_: float) -> int:
            for _ in range(count):
                client = Client.connect(port)
                client.upgrade()
                client.close()
            return count

        for name, work in (("login with a token", log_in), ("reconnection", reconnect)):
            yield Result(name, name.split()[0], *_in_turns(bench, pid, work, handshake))


def _renewed(bench: Bench, person: Person) -> Person:
    client = Client.connect(bench.port)
    client.upgrade()
    token = client.log_in(person)
    client.close()
    return attrs.evolve(person, token=token)


def memory(bench: Bench, count: int) -> float:
    """Bytes for each session that is logged in and on `me`."""
    people = bench.people.everybody
    clients = [session(bench.port, person, "me") for person in people[:50]]
    before = resident(bench.pid)
    clients += [session(bench.port, person, "me") for person in people[50 : count + 50]]
    after = resident(bench.pid)
    for client in clients:
        client.close()
    return (after - before) / count
