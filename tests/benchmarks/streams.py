"""`python -m tests.benchmarks.streams`: many who read `/v1/events` at the same time.

So many streams are opened; every hundredth of them is never read. Then somebody publishes a
few messages a second. How long does each take to each reader, what does it cost, does anybody
get less than all; what does a stream hold. Meanwhile another process sends private messages
and opens new connections, and says how long these took.

The server is on one core, the readers and that process on another.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from .beside import private
from .business import add_key, request
from .figures import part
from .load import masked, session
from .machine import LOAD_CORE, cpu_seconds, pin, resident, waited_seconds
from .people import settle
from .setup import Server, serving

_MARK = b"@"  # one byte of each message that is counted, and of nothing else
_TOGETHER = 100  # streams that are asked for before the first of them is waited for
_DEAF = 100  # every so-manieth is never read
_HEALTH = request("GET", "/health/live")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streams")
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two messages")
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(dir=options.data) as scratch:
        folder = Path(scratch) / "data"
        people = settle(folder, 4, pairs=1, rooms=0)
        key = add_key(folder / "tinode.db")
        with serving(folder, f"events.readers={options.readers}") as (pid, port):
            crowd = Server(pid, port, people, folder)
            print(streams(crowd, key, options.readers, options.messages, options.pause))


def streams(crowd: Server, key: str, count: int, messages: int, pause: float) -> str:
    before, began, cpu = resident(crowd.pid), time.perf_counter(), cpu_seconds(crowd.pid)
    sockets = _opened(crowd.port, key, count)
    opening = time.perf_counter() - began
    opened = (cpu_seconds(crowd.pid) - cpu) / count * 1e3
    each = (resident(crowd.pid) - before) / count / 1024
    refused = _one_more(crowd.port, key)
    deaf, readers = sockets[::_DEAF], [s for n, s in enumerate(sockets) if n % _DEAF]
    meter = Meter.of(crowd.pid)
    with _beside(crowd) as beside:  # what it sends is an event to every reader, too
        told = _publish(crowd, readers, messages, pause)
    used = meter.since()
    grown = (resident(crowd.pid) - before) / count / 1024
    for sock in sockets:
        sock.close()
    events = messages + int(beside[0].split()[0])
    cost = used.server * used.seconds / (events * count) * 1e6
    return (
        f"streams: {count:,} opened in {opening:.1f} s ({opened:.2f} ms of CPU each), {each:.1f} KB"
        f" each, {grown:.1f} KB at the end; one more: {refused}; {events} events, {cost:.1f} µs of"
        f" CPU for each to one reader; {told} {len(readers):,} are read, {len(deaf)} are not"
        f"; {used}; meanwhile {beside[0]}"
    )


@attrs.frozen
class Meter:
    """Use of cores, of the server and of this process, in seconds; `since` as shares."""

    pid: int
    seconds: float
    server: float
    waited: float
    load: float

    @classmethod
    def of(cls, pid: int) -> Meter:
        spent = cpu_seconds(pid), waited_seconds(pid), cpu_seconds(os.getpid())
        return cls(pid, time.perf_counter(), *spent)

    def since(self) -> Meter:
        now = Meter.of(self.pid)
        seconds = now.seconds - self.seconds
        pairs = (now.server, self.server), (now.waited, self.waited), (now.load, self.load)
        return Meter(self.pid, seconds, *((late - early) / seconds for late, early in pairs))

    def __str__(self) -> str:
        return (
            f"the server used {self.server:.0%} of its core and waited for it {self.waited:.0%} of"
            f" the time, the load used {self.load:.0%}"
        )


def _opened(port: int, key: str, count: int) -> list[socket.socket]:
    """Streams that have begun."""
    asked = request("GET", "/v1/events?kinds=message.stored", key)
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        some = [socket.socket() for _ in range(min(_TOGETHER, count - len(sockets)))]
        for n, sock in enumerate(some, len(sockets)):
            if n % _DEAF == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(asked)
        for sock in some:
            _await(sock, b"stream.at")
            sock.setblocking(False)
        sockets += some
    return sockets


def _await(sock: socket.socket, mark: bytes) -> bytes:
    came = b""
    sock.settimeout(60)
    while mark not in came:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError(came)
        came += data
    return came


def _one_more(port: int, key: str) -> str:
    """The status of a stream for which there is no room."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(request("GET", "/v1/events", key))
        head = _await(sock, b"\r\n\r\n").decode().lower()
        after = [line for line in head.splitlines() if line.startswith("retry-after")]
        return " ".join([head.split()[1], *after])


# --- publishing --------------------------------------------------------------------------


@attrs.frozen
class Told:
    """Milliseconds of each delivery; how many readers got less than all."""

    times: list[float]
    starved: int

    def __str__(self) -> str:
        times = sorted(self.times)
        return (
            f"one takes {part(times, 0.5):.0f} ms (p50), {part(times, 0.99):.0f} ms (p99),"
            f" {times[-1]:.0f} ms (most), {self.starved} got less than all;"
        )


def _publish(crowd: Server, readers: Sequence[socket.socket], messages: int, pause: float) -> Told:
    hall = crowd.people.hall
    author = session(crowd.port, crowd.people.everybody[0], hall)
    frame = masked({"pub": {"id": "1", "topic": hall, "noecho": True, "content": "@" + "x" * 99}})
    epoll = select.epoll(len(readers))
    found = {sock.fileno(): sock for sock in readers}
    for fd in found:
        epoll.register(fd, select.EPOLLIN)
    got = dict.fromkeys(found, 0)
    sent: list[float] = []
    times: list[float] = []
    missing = messages * len(readers)
    deadline = time.perf_counter() + messages * pause + 60
    begin = time.perf_counter()
    while missing and time.perf_counter() < deadline:
        if len(sent) < messages and time.perf_counter() >= begin + len(sent) * pause:
            author.quiet()
            sent.append(time.perf_counter())
            author.socket.sendall(frame)
        for fd, _ in epoll.poll(0.01):
            for _ in range(found[fd].recv(262_144).count(_MARK)):
                times.append((time.perf_counter() - sent[got[fd]]) * 1e3)
                got[fd] += 1
                missing -= 1
    epoll.close()
    author.close()
    return Told(times, sum(count < messages for count in got.values()))


@contextmanager
def _beside(crowd: Server) -> Iterator[list[str]]:
    """Another process that uses the server meanwhile; at the end what it has seen."""
    said: list[str] = []
    reading, writing = os.pipe()
    stop, stopper = os.pipe()
    if not (child := os.fork()):
        os.close(stopper)
        try:
            _look(crowd, stop, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        yield said
    finally:
        os.close(stopper)
        with os.fdopen(reading, "rb") as answer:
            said.append(answer.read().decode())
        os.waitpid(child, 0)


def _look(crowd: Server, stop: int, answer: int) -> None:
    """Until the other end of `stop` is closed."""
    one, other = crowd.people.pairs[0]
    chats: list[float] = []
    visits: list[float] = []
    stopped = select.poll()  # numbers of descriptors are too high for select
    stopped.register(stop)
    while not stopped.poll(1000):
        chats += private(crowd.port, one, other, 5, 0.02)
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", crowd.port)) as sock:
            sock.sendall(_HEALTH)
            _await(sock, b"\r\n\r\n")
        visits.append((time.perf_counter() - began) * 1e3)
    chats.sort()
    visits.sort()
    text = (
        f"{len(chats)} private messages take {part(chats, 0.5):.1f} ms (p50),"
        f" {part(chats, 0.99):.1f} ms (p99); a new connection and its answer"
        f" {part(visits, 0.5):.1f} ms (p50), {part(visits, 0.99):.1f} ms (p99)"
    )
    os.write(answer, text.encode())


if __name__ == "__main__":
    main()
