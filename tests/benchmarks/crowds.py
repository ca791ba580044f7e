"""`python -m tests.benchmarks.crowds`: many sessions at once.

- `held`: sessions that are logged in and on `me`, and do nothing: memory of each, CPU of each
  second (the server's pings are answered), and how long a private message takes among them.
- `group`: one group with all of them in it, five messages a second: how long a message takes
  to each, the slowest hundredth. Members have muted it (no P): with P every one who comes is
  told to all who are there, fifty million times in all.
- `storm`: users with ten contacts each come and go, all of them; then twice as many. Everybody
  hears of ten others, so that the cost of twice as many should be twice the cost.
- `dead`: fan-out to a thousand, of whom every twentieth has stopped reading, beside the same
  with none of those. Memory that the dead hold.

Clients are in this process, which is pinned to one core, the server to another.
"""

from __future__ import annotations

import argparse
import select
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import trio

from tinode_py import ids
from tinode_py.access import PRES
from tinode_py.changes import Batch, Change, PutSubscription, PutTopic
from tinode_py.records import Subscription, Topic
from tinode_py.store.sqlite import open_sqlite

from .load import Client, FanOut, Sockets, masked, measured, session
from .machine import LOAD_CORE, cpu_seconds, pin, resident
from .measures import _close, _publication, _quiet, _size
from .people import PRIVATE, People, Person, settle
from .scale import serving

CONTACTS = 10
# The first have waited for minutes when the last one has come, and answered no ping till then.
_SETTINGS = ("limits.topic_subscribers=100000", "server.read_timeout=3600")
_PONG = b"\x8a\x80\x00\x00\x00\x00"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.crowds")
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--held", type=int, default=15_000)
    parser.add_argument("--group", type=int, default=10_000)
    parser.add_argument("--storm", type=int, default=1_000)
    parser.add_argument("only", nargs="*", choices=["held", "group", "storm", "dead", []])
    options = parser.parse_args()
    pin(LOAD_CORE)
    count = {"held": options.held, "group": options.group, "storm": 2 * options.storm, "dead": 1051}
    for kind in options.only or count:
        with tempfile.TemporaryDirectory(dir=options.data) as scratch:
            folder = Path(scratch) / "data"
            people = settle(folder, count[kind] + 2, pairs=1, rooms=0)
            if kind == "group":
                mute(folder / "tinode.db", people.hall)
            if kind == "storm":
                trio.run(befriend, folder / "tinode.db", people.everybody[: count[kind]])
            with serving(folder, *_SETTINGS) as (pid, port):
                crowd = Crowd(pid, port, people)
                print(_KINDS[kind](crowd, count[kind]), flush=True)


def mute(path: Path, topic: str) -> None:
    """Members hear of messages, and of nobody's coming and going."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE subscription SET want = want & ~? WHERE topic = ?", (PRES, topic))
    db.close()


async def befriend(path: Path, persons: Sequence[Person]) -> None:
    """Conversations of everybody with the five next in his half of a ring: ten contacts each."""
    async with open_sqlite(path, inline=True) as store:
        half = len(persons) // 2
        for group in (persons[:half], persons[half:]):
            await store.commit(Batch(tuple(_ring(group))))


def _ring(group: Sequence[Person]) -> Iterator[Change]:
    for n, one in enumerate(group):
        for step in range(1, CONTACTS // 2 + 1):
            other = group[(n + step) % len(group)]
            name = ids.p2p_name(one.user, other.user)
            yield PutTopic(Topic(name, 1, 1, 1))
            for person in (one, other):
                yield PutSubscription(Subscription(name, person.user, 1, 1, PRIVATE, PRIVATE))


@attrs.frozen
class Crowd:
    """A server that runs, and who is in its store."""

    pid: int
    port: int
    people: People

    def come(self, persons: Sequence[Person], *topics: str) -> list[Client]:
        return [session(self.port, person, *topics) for person in persons]


# --- held --------------------------------------------------------------------------------


def held(crowd: Crowd, count: int, seconds: float = 60.0) -> str:
    """Memory, idle CPU and the time of a private message, with so many sessions held."""
    before = resident(crowd.pid)
    clients = crowd.come(crowd.people.everybody[2 : count + 2], "me")
    each = (resident(crowd.pid) - before) / count / 1024
    cpu, began = cpu_seconds(crowd.pid), time.perf_counter()
    _answer_pings(clients, seconds)
    idle = (cpu_seconds(crowd.pid) - cpu) / (time.perf_counter() - began)
    one, other = crowd.people.pairs[0]
    times = sorted(_private(crowd, one, other, 500))
    for client in clients:
        client.close()
    return (
        f"held: {count:,} sessions on `me`, {each:.1f} KB each, {idle / count * 1e6:.2f} µs of CPU"
        f" each a second; a private message takes {_part(times, 0.5):.2f} ms (p50),"
        f" {_part(times, 0.99):.2f} ms (p99)"
    )


def _answer_pings(clients: Sequence[Client], seconds: float) -> None:
    """Answer what the server asks of idle sessions, and read what else there is."""
    epoll = select.epoll(len(clients))
    found = {client.socket.fileno(): client.socket for client in clients}
    for fd in found:
        epoll.register(fd, select.EPOLLIN)
    deadline = time.perf_counter() + seconds
    while (left := deadline - time.perf_counter()) > 0:
        for fd, _ in epoll.poll(min(left, 1.0)):
            if b"\x89" in found[fd].recv(65_536):
                found[fd].send(_PONG)
    epoll.close()


def _private(
    crowd: Crowd, one: Person, other: Person, count: int, pause: float = 0.0
) -> Iterator[float]:
    """Milliseconds from the sending of a private message to its arrival."""
    author = session(crowd.port, one, "me", other.user)
    reader = session(crowd.port, other, "me", one.user)
    frame = _publication(other.user)
    for _ in range(count):
        _quiet(author)
        _quiet(reader)
        began = time.perf_counter()
        author.socket.sendall(frame)
        reader.wait(b'"data"')
        yield (time.perf_counter() - began) * 1e3
        time.sleep(pause)
    author.close()
    reader.close()


def _part(times: Sequence[float], part: float) -> float:
    return times[min(int(len(times) * part), len(times) - 1)]


# --- one group ---------------------------------------------------------------------------


def group(crowd: Crowd, count: int, messages: int = 50, pause: float = 0.2) -> str:
    """How long a message takes to each of so many sessions of one group."""
    hall, everybody = crowd.people.hall, crowd.people.everybody
    author = session(crowd.port, everybody[0], hall)
    readers = crowd.come(everybody[1 : count + 1], hall)
    frame, size = _probe(author, readers[0], hall)
    sockets = Sockets(readers)
    sockets.drain()
    late: list[float] = []
    for _ in range(messages):
        began = time.perf_counter()
        author.socket.sendall(frame)
        missing = count * size
        while missing > 0:
            came = sockets.arrived(10.0)
            late += [(time.perf_counter() - began) * 1e3] * (came // size)
            missing -= came
        _quiet(author)
        time.sleep(max(0.0, began + pause - time.perf_counter()))
    _close(sockets, author, *readers)
    late.sort()
    return (
        f"group: {count:,} sessions in one group, {1 / pause:.0f} messages a second: a delivery"
        f" takes {_part(late, 0.5):.0f} ms (p50), {_part(late, 0.99):.0f} ms (p99),"
        f" {late[-1]:.0f} ms (most)"
    )


def _probe(author: Client, reader: Client, topic: str) -> tuple[bytes, int]:
    """A publication, and how long it is to a reader."""
    frame = _publication(topic)
    _quiet(author)
    author.socket.sendall(frame)
    author.wait(b'"ctrl"')
    return frame, _size(reader.wait(b'"data"'))


# --- coming and going --------------------------------------------------------------------


def storm(crowd: Crowd, count: int, rounds: int = 3) -> str:
    """CPU of all coming and going: of one half, and of both halves."""
    everybody = crowd.people.everybody[:count]
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kept, persons in zip(costs, (everybody[: count // 2], everybody), strict=True):
            kept.append(_come_and_go(crowd, persons))
    few, many = map(statistics.median, costs)
    return (
        f"storm: {count // 2:,} users with {CONTACTS} contacts each come and go in"
        f" {few:.2f} s of CPU, {count:,} in {many:.2f} s: {many / few:.2f} times as much"
    )


def _come_and_go(crowd: Crowd, persons: Sequence[Person]) -> float:
    """The presence alone: connections are made before, and closed after it."""
    clients = crowd.come(persons)
    before = cpu_seconds(crowd.pid)
    sockets = Sockets(clients)
    for kind in ("sub", "leave"):
        for client in clients:
            client.socket.send(masked({kind: {"id": "1", "topic": "me"}}))
        sockets.drain(1.0)
    sockets.drain(5.0)  # users go offline four seconds after their last session
    spent = cpu_seconds(crowd.pid) - before
    _close(sockets, *clients)
    return spent


# --- those who do not read ---------------------------------------------------------------


def dead(crowd: Crowd, count: int, seconds: float = 8.0) -> str:
    """Fan-out with and without readers who have stopped reading."""
    hall, everybody = crowd.people.hall, crowd.people.everybody
    honest = count - 51
    author = session(crowd.port, everybody[0], hall)
    readers = crowd.come(everybody[1 : honest + 1], hall)
    frame, size = _probe(author, readers[0], hall)
    sockets = Sockets(readers)
    sockets.drain()
    work = FanOut(author, sockets, honest, frame, size, 4)
    alone = measured(crowd.pid, seconds, work)
    _quiet(author)
    before = resident(crowd.pid)
    idle = [_deaf(crowd.port, person, hall) for person in everybody[honest + 1 : honest + 51]]
    sockets.drain()
    beside = measured(crowd.pid, seconds, work)
    memory = (resident(crowd.pid) - before) / len(idle) / 1024
    _close(sockets, author, *readers, *idle)
    return (
        f"dead: {len(idle)} readers of {count - 1:,} have stopped reading: the others get"
        f" {beside.rate / alone.rate * 100:.0f} % of what they got alone, at"
        f" {beside.cost / alone.cost:.2f} times the CPU; {memory:.0f} KiB for each of the dead"
    )


def _deaf(port: int, person: Person, topic: str) -> Client:
    """A session that will not be read, with little room for what comes."""
    client = Client(socket.socket())
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.connect(("127.0.0.1", port))
    client.upgrade()
    client.log_in(person)
    client.call("sub", topic=topic)
    return client


_KINDS: Mapping[str, Callable[[Crowd, int], str]] = {
    "held": held,
    "group": group,
    "storm": storm,
    "dead": dead,
}


if __name__ == "__main__":
    main()
