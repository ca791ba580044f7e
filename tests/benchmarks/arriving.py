"""Many who come at the same time: each connects, says {hi}, logs in and attaches, and waits for
each answer before he goes on, as clients do; all of them side by side in one loop.

Who is refused with 503 comes again after a second, from the beginning. Any other refusal, and a
connection that breaks, is an error, and he does not come again.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .load import UPGRADE, Client, masked
from .people import Person

PAUSE = 1.0  # before who was refused comes again
TOGETHER = 64  # at a time, where nobody is in a hurry
_LOGIN = 1  # the step that gives a token
_IN_PROGRESS = (0, errno.EINPROGRESS)
_PATIENCE = 120.0


@attrs.frozen
class Wanted:
    """Who comes, and to which topics; `page`: the last of them gives its last 24 messages."""

    person: Person
    topics: tuple[str, ...] = ()
    cbor: bool = False
    page: bool = False

    def steps(self) -> list[tuple[bytes, str]]:
        """Frames to send, and the id that ends the answer to each."""
        packets: list[dict[str, Any]] = [
            {"hi": {"id": "1", "ver": "0.24", "ua": "benchmark"}},
            {"login": {"id": "2", "scheme": "token", "secret": self.person.token}},
        ]
        for n, topic in enumerate(self.topics, 3):
            sub: dict[str, Any] = {"id": str(n), "topic": topic}
            if self.page and topic == self.topics[-1]:
                sub["get"] = {"what": "data", "data": {"limit": 24}}
            packets.append({"sub": sub})
        return [(masked(packet, cbor=self.cbor), str(n)) for n, packet in enumerate(packets, 1)]


@attrs.frozen
class Arrivals:
    """What came of it. `seconds`: of each, from his first attempt until he was there."""

    clients: list[Client]
    seconds: list[float]
    refused: int
    errors: tuple[str, ...]
    tokens: tuple[str, ...]  # with which each comes back, in the order of clients


def come(port: int, wanted: Iterable[Wanted]) -> list[Client]:
    """Everybody, some at a time, in their order; AssertionError if somebody could not."""
    came = arrive(port, list(wanted), TOGETHER)
    assert not came.errors, came.errors[:3]
    return came.clients


def arrive(port: int, wanted: Sequence[Wanted], together: int) -> Arrivals:
    """So many at a time; who is there makes room for the next one."""
    crowd = _Crowd(port, wanted)
    crowd.run(together)
    order = sorted(crowd.there)
    clients = [crowd.there[n] for n in order]
    tokens = tuple(crowd.tokens[n] for n in order)
    return Arrivals(clients, crowd.seconds, crowd.refused, tuple(crowd.errors), tokens)


@attrs.define(eq=False)
class _Comer:
    number: int
    wanted: Wanted
    began: float
    steps: list[tuple[bytes, str]]
    client: Client | None = None
    at: int = -2  # -2: connecting, -1: upgrading, then the step whose answer is waited for
    rest: bytes = b""


class _Crowd:
    def __init__(self, port: int, wanted: Sequence[Wanted]) -> None:
        self._port = port
        self._waiting = deque(enumerate(wanted))
        self._again: deque[tuple[float, _Comer]] = deque()
        self._coming: dict[int, _Comer] = {}
        self._epoll = select.epoll()
        self._left = len(wanted)
        self.there: dict[int, Client] = {}
        self.tokens: dict[int, str] = {}
        self.seconds: list[float] = []
        self.refused = 0
        self.errors: list[str] = []

    def run(self, together: int) -> None:
        deadline = time.perf_counter() + _PATIENCE + self._left / 50
        while self._left:
            now = time.perf_counter()
            if now > deadline:
                self.errors += ["not there in time"] * self._left
                break
            while self._waiting and len(self._coming) < together:
                number, wanted = self._waiting.popleft()
                self._connect(_Comer(number, wanted, now, wanted.steps()))
            while self._again and self._again[0][0] <= now:
                self._connect(self._again.popleft()[1])
            for fd, _ in self._epoll.poll(0.1):
                self._go_on(fd, self._coming[fd])
        self._epoll.close()

    def _connect(self, comer: _Comer) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert sock.connect_ex(("127.0.0.1", self._port)) in _IN_PROGRESS
        comer.client, comer.at, comer.rest = Client(sock, comer.wanted.cbor), -2, b""
        self._coming[sock.fileno()] = comer
        self._epoll.register(sock.fileno(), select.EPOLLOUT)

    def _go_on(self, fd: int, comer: _Comer) -> None:
        assert comer.client is not None
        sock = comer.client.socket
        try:
            if comer.at == -2:
                comer.at = -1
                self._epoll.modify(fd, select.EPOLLIN)
                sock.send(UPGRADE)
                return
            data = sock.recv(262_144)
        except OSError as error:
            self._lost(fd, comer, str(error))
            return
        if not data:
            self._lost(fd, comer, "closed")
            return
        comer.rest += data
        self._read(fd, comer)

    def _read(self, fd: int, comer: _Comer) -> None:
        if comer.at == -1:
            head, end, rest = comer.rest.partition(b"\r\n\r\n")
            if not end:
                return
            status = head.split(b" ", 2)[1]
            if status != b"101":
                self._refused(fd, comer, int(status), head)
                return
            comer.rest = rest
            self._send(comer, 0)
        while (payload := _frame(comer)) is not None:
            if not self._heard(fd, comer, payload):
                return

    def _heard(self, fd: int, comer: _Comer, payload: bytes) -> bool:
        """Whether there is more to wait for."""
        assert comer.client is not None
        ctrl: Mapping[str, Any] = comer.client.read(payload).get("ctrl", {})
        if ctrl.get("id") != comer.steps[comer.at][1]:
            return True
        code = int(ctrl["code"])
        if code >= 400:
            self._refused(fd, comer, code, payload)
            return False
        if comer.at == _LOGIN:
            self.tokens[comer.number] = ctrl["params"]["token"]
        last = comer.at + 1 == len(comer.steps)
        if last and comer.wanted.page and code != 208:  # the page is still to come
            return True
        if not last:
            self._send(comer, comer.at + 1)
            return True
        self._arrived(fd, comer)
        return False

    def _send(self, comer: _Comer, step: int) -> None:
        assert comer.client is not None
        comer.at = step
        comer.client.socket.send(comer.steps[step][0])

    def _arrived(self, fd: int, comer: _Comer) -> None:
        assert comer.client is not None
        self._forget(fd)
        comer.client.socket.setblocking(True)
        self.there[comer.number] = comer.client
        self.seconds.append(time.perf_counter() - comer.began)
        self._left -= 1

    def _refused(self, fd: int, comer: _Comer, code: int, what: bytes) -> None:
        if code != 503:
            self._lost(fd, comer, what.decode(errors="replace"))
            return
        self._forget(fd)
        assert comer.client is not None
        comer.client.close()
        self.refused += 1
        self._again.append((time.perf_counter() + PAUSE, comer))

    def _lost(self, fd: int, comer: _Comer, why: str) -> None:
        self._forget(fd)
        assert comer.client is not None
        comer.client.close()
        self.errors.append(why)
        self._left -= 1

    def _forget(self, fd: int) -> None:
        self._epoll.unregister(fd)
        del self._coming[fd]


def _frame(comer: _Comer) -> bytes | None:
    """The payload of the next whole frame that has come."""
    data = comer.rest
    if len(data) < 2:
        return None
    start, size = 2, data[1]
    if size == 126:
        start, size = 4, int.from_bytes(data[2:4], "big")
    elif size == 127:
        start, size = 10, int.from_bytes(data[2:10], "big")
    if len(data) < start or len(data) < start + size:
        return None
    comer.rest = data[start + size :]
    return data[start : start + size]
