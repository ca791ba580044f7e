"""The load's clients: many in one process, bare sockets, frames made in advance."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import cbor2

from .people import Person

KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"
TEXT = "x" * 100  # content of a message
UPGRADE = (
    f"GET /v0/channels?apikey={KEY} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode("ascii")
PONG = b"\x8a\x80\x00\x00\x00\x00"
_CHUNK = 262_144


def masked(packet: Any, *, cbor: bool = False) -> bytes:
    """A frame as a client sends it. The mask is as random as any other number."""
    text = cbor2.dumps(packet) if cbor else json.dumps(packet, separators=(",", ":")).encode()
    mask = b"\x37\xfa\x21\x3d"
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    size, kind = len(text), b"\x82" if cbor else b"\x81"
    head = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return kind + head + mask + body


def publication(topic: str, content: str = TEXT) -> bytes:
    return masked({"pub": {"id": "1", "topic": topic, "noecho": True, "content": content}})


@attrs.define(eq=False)
class Client:
    """One connection. `call` blocks; between measurements only."""

    socket: socket.socket
    cbor: bool = False
    _rest: bytes = b""

    @classmethod
    def connect(cls, port: int, *, cbor: bool = False) -> Client:
        client = cls(socket.create_connection(("127.0.0.1", port)), cbor)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def upgrade(self) -> None:
        self.socket.sendall(UPGRADE)
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

    def packet(self, kind: str) -> bytes:
        """The payload of the next packet of a kind; those before it are thrown away."""
        while kind not in self.read(frame := self.frame()):
            pass
        return frame

    def read(self, payload: bytes) -> dict[str, Any]:
        read: dict[str, Any] = (cbor2.loads if self.cbor else json.loads)(payload)
        return read

    def call(self, kind: str, **members: Any) -> dict[str, Any]:
        """Send a request and wait for its {ctrl}; what comes before it is thrown away."""
        self.socket.sendall(masked({kind: {"id": "1", **members}}, cbor=self.cbor))
        while True:
            ctrl: dict[str, Any] = self.read(self.frame()).get("ctrl", {})
            if ctrl.get("id") == "1":
                assert ctrl["code"] < 400, ctrl
                return ctrl

    def log_in(self, person: Person) -> str:
        """The token for the next time, which carries the number of the login."""
        self.call("hi", ver="0.24", ua="benchmark")
        ctrl = self.call("login", scheme="token", secret=person.token)
        return str(ctrl["params"]["token"])

    def quiet(self) -> None:
        """Throw away what has come."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(1_000_000):
                pass
        except BlockingIOError:
            pass
        self.socket.setblocking(True)
        self._rest = b""

    def close(self) -> None:
        self.socket.close()


def session(port: int, person: Person, *topics: str, cbor: bool = False) -> Client:
    """A client that is logged in and attached."""
    client = Client.connect(port, cbor=cbor)
    client.upgrade()
    client.log_in(person)
    for topic in topics:
        client.call("sub", topic=topic)
    return client


def close(clients: Iterable[Client], *sockets: Sockets) -> None:
    for each in sockets:
        each.close()
    for client in clients:
        client.close()


def size_of(payload: bytes) -> int:
    """Bytes of the whole frame that the server sends."""
    return len(payload) + (2 if len(payload) < 126 else 4 if len(payload) < 65_536 else 10)


class Sockets:
    """Many connections, of which only the number of bytes that come is looked at."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._epoll = select.epoll(max(1, len(clients)))
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
