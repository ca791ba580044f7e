"""The load: many clients in one process, bare sockets, frames made in advance.

It must never be what limits a measurement: `Busy` tells how much of its core it used.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from .machine import cpu_seconds
from .people import Person

KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"
_UPGRADE = (
    f"GET /v0/channels?apikey={KEY} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode("ascii")
_CHUNK = 262_144
BUSY = 0.95  # share of its core above which the load may have been the limit


def masked(packet: Any) -> bytes:
    """A text frame as a client sends it. The mask is as random as any other number."""
    text = json.dumps(packet, separators=(",", ":")).encode()
    mask = b"\x37\xfa\x21\x3d"
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + mask + body


@attrs.define(eq=False)
class Client:
    """One connection. `call` blocks; between measurements only."""

    socket: socket.socket
    _rest: bytes = b""

    @classmethod
    def connect(cls, port: int) -> Client:
        client = cls(socket.create_connection(("127.0.0.1", port)))
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def upgrade(self) -> None:
        self.socket.sendall(_UPGRADE)
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._received()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        assert b" 101 " in head, head

    def _received(self) -> bytes:
        data = self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server has closed")
        return data

    def frame(self) -> bytes:
        """The payload of the next frame."""
        while True:
            data = self._rest
            start, size = 2, data[1] if len(data) > 1 else 0
            if size == 126:
                start, size = 4, int.from_bytes(data[2:4], "big")
            elif size == 127:
                start, size = 10, int.from_bytes(data[2:10], "big")
            if len(data) > start and len(data) >= start + size:
                self._rest = data[start + size :]
                return data[start : start + size]
            self._rest += self._received()

    def wait(self, mark: bytes) -> bytes:
        """The next frame that holds `mark`; those before it are thrown away."""
        while mark not in (frame := self.frame()):
            pass
        return frame

    def call(self, kind: str, **members: Any) -> dict[str, Any]:
        """Send a request and wait for its {ctrl}; what comes before it is thrown away."""
        self.socket.sendall(masked({kind: {"id": "1", **members}}))
        while True:
            ctrl: dict[str, Any] = json.loads(self.frame()).get("ctrl", {})
            if ctrl.get("id") == "1":
                assert ctrl["code"] < 400, ctrl
                return ctrl

    def log_in(self, person: Person) -> str:
        """The token for the next time, which carries the number of the login."""
        self.call("hi", ver="0.24", ua="benchmark")
        ctrl = self.call("login", scheme="token", secret=person.token)
        return str(ctrl["params"]["token"])

    def close(self) -> None:
        self.socket.close()


def session(port: int, person: Person, *topics: str) -> Client:
    """A client that is logged in and attached."""
    client = Client.connect(port)
    client.upgrade()
    client.log_in(person)
    for topic in topics:
        client.call("sub", topic=topic)
    return client


class Sockets:
    """Many connections, of which only the number of bytes that come is looked at."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._epoll = select.epoll(len(clients))
        self._buffer = bytearray(_CHUNK)
        self.place = {client.socket.fileno(): n for n, client in enumerate(clients)}
        self._into = {c.socket.fileno(): c.socket.recv_into for c in clients}
        for client in clients:
            client.socket.setblocking(False)
            self._epoll.register(client.socket.fileno(), select.EPOLLIN)

    def arrivals(self, patience: float) -> Iterator[tuple[int, int]]:
        """Descriptor and number of bytes, of all that can be read now."""
        for fd, _ in self._epoll.poll(patience):
            count = self._into[fd](self._buffer)
            if not count:
                raise ConnectionError("the server has closed a session")
            yield fd, count

    def arrived(self, patience: float) -> int:
        """As `arrivals`, all together."""
        total, buffer, into = 0, self._buffer, self._into
        for fd, _ in self._epoll.poll(patience):
            total += into[fd](buffer)
        return total

    def drain(self, quiet: float = 0.3) -> None:
        """Read until nothing has come for a while."""
        while self.arrived(quiet):
            pass

    def close(self) -> None:
        self._epoll.close()


@attrs.frozen
class Figures:
    """What a stretch of work came to."""

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
    def load_was_busy(self) -> bool:
        """Whether the load used its core up while the server did not."""
        return self.load / self.seconds > BUSY > self.server / self.seconds


def measured(pid: int, seconds: float, work: Callable[[float], int]) -> Figures:
    """Run `work` until its deadline; it answers how many units were done."""
    before = cpu_seconds(pid), cpu_seconds(os.getpid()), time.perf_counter()
    units = work(before[2] + seconds)
    spent = time.perf_counter() - before[2]
    return Figures(units, spent, cpu_seconds(pid) - before[0], cpu_seconds(os.getpid()) - before[1])


# --- kinds of work -----------------------------------------------------------------------


@attrs.frozen
class FanOut:
    """One author, many readers: a message goes when the one `flight` before it was read by all.

    A unit is a delivery.
    """

    author: Client
    readers: Sockets
    count: int
    frame: bytes
    size: int  # of what a reader gets for one message
    flight: int

    def __call__(self, deadline: float) -> int:
        send, each, sent, total = self.author.socket.send, self.count * self.size, self.flight, 0
        send(self.frame * sent)
        while time.perf_counter() < deadline:
            total += self.readers.arrived(1.0)
            if (more := total // each + self.flight - sent) > 0:
                sent += more
                send(self.frame * more)
        while total < sent * each:
            total += self.readers.arrived(10.0)
        return sent * self.count


@attrs.frozen
class Part:
    """What a client does in an exchange: send `frame` (if any), and get `size` bytes for it."""

    client: Client
    frame: bytes
    size: int


@attrs.frozen
class Exchange:
    """Every sender keeps `flight` requests unanswered. A unit is a request answered in full."""

    parts: Sequence[Part]
    sockets: Sockets
    flight: int

    def __call__(self, deadline: float) -> int:
        parts, place, flight = self.parts, self.sockets.place, self.flight
        got = [0] * len(parts)
        sent = [flight if part.frame else 0 for part in parts]
        for part in parts:
            if part.frame:
                part.client.socket.send(part.frame * flight)
        while (running := time.perf_counter() < deadline) or _unanswered(parts, sent, got):
            for fd, count in self.sockets.arrivals(10.0):
                n = place[fd]
                got[n] += count
                part = parts[n]
                if running and part.frame and (more := got[n] // part.size + flight - sent[n]):
                    sent[n] += more
                    part.client.socket.send(part.frame * more)
        return sum(sent)


def _unanswered(parts: Sequence[Part], sent: Sequence[int], got: Sequence[int]) -> bool:
    return any(n * part.size > have for part, n, have in zip(parts, sent, got, strict=True))
