"""A front with an echo for a session, and clients of bare bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import trio
import trio.testing
from starlette.routing import BaseRoute

from tinode_py.config import Settings
from tinode_py.live.outbox import ConnectionInfo, Outlet
from tinode_py.web.app import Site, make_app
from tinode_py.web.front import Front
from tinode_py.web.handshake import Doors
from tinode_py.web.pages import Pages
from tinode_py.web.tls import TlsContext
from tinode_py.wire.frames import binary_frame, text_frame

KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"
NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
WS = "/v0/channels"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": NONCE,
}


@attrs.define
class EchoSession:
    """Sends back what it gets; waits first if it is told to; keeps what it saw."""

    outlet: Outlet
    info: ConnectionInfo
    gate: trio.Event | None = None
    got: list[str | bytes] = attrs.field(factory=list)
    ends: int = 0

    async def receive(self, message: str | bytes) -> None:
        self.got.append(message)
        if self.gate is not None:
            await self.gate.wait()
        if message == "bug":
            raise RuntimeError("a bug of ours")
        if isinstance(message, str):
            self.outlet.push(text_frame(message.encode()))
        else:
            self.outlet.push(binary_frame(message))

    def end(self) -> None:
        self.ends += 1


@attrs.define
class World:
    """A front and the sessions it made."""

    front: Front
    sessions: list[EchoSession]
    gates: list[trio.Event]

    def connect(self) -> trio.StapledStream[Any, Any]:
        """The client's end of a connection over memory."""
        mine, theirs = trio.testing.memory_stream_pair()
        self.front.adopt(theirs)
        return mine

    @property
    def session(self) -> EchoSession:
        (session,) = self.sessions
        return session


def make_world(
    settings: Mapping[str, Mapping[str, Any]],
    tls: TlsContext | None = None,
    pages: Pages | None = None,
    routes: Sequence[BaseRoute] = (),
) -> World:
    chosen = Settings.of(**settings)
    sessions: list[EchoSession] = []
    gates: list[trio.Event] = []

    def new_session(outlet: Outlet, info: ConnectionInfo) -> EchoSession:
        sessions.append(EchoSession(outlet, info, gates[0] if gates else None))
        return sessions[-1]

    doors = Doors.of(chosen.web)
    site = Site(
        doors, lambda: not front.draining, lambda: front.draining, lambda: 1_600_000_000_020
    )
    front = Front(chosen, new_session, make_app(site, pages, routes), doors, tls)
    return World(front, sessions, gates)


NewWorld = Callable[..., AbstractAsyncContextManager[World]]


def request(
    method: str = "GET",
    target: str = f"{WS}?apikey={KEY}",
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
    body: bytes = b"",
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: example"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def handshake(headers: Mapping[str, str] | None = None, **more: Any) -> bytes:
    return request(headers={**UPGRADE, **(headers or {})}, **more)


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A client's frame, masked with zeros."""
    first, size = (0x80 if fin else 0) | opcode, len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


def text(message: str) -> bytes:
    return frame(1, message.encode())


@attrs.define
class Reader:
    """Cuts what a server sends into answers and frames."""

    stream: trio.abc.ReceiveStream
    seen: bytes = b""

    async def upto(self, enough: Callable[[bytes], bool]) -> None:
        while not enough(self.seen):
            more = await self.stream.receive_some()
            if not more:
                raise EOFError(self.seen)
            self.seen += more

    async def take(self, count: int) -> bytes:
        await self.upto(lambda seen: len(seen) >= count)
        taken, self.seen = self.seen[:count], self.seen[count:]
        return taken

    async def head(self) -> tuple[int, dict[str, str]]:
        await self.upto(lambda seen: b"\r\n\r\n" in seen)
        head, _, self.seen = self.seen.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        version, status, _ = first.split(" ", 2)
        pairs = [line.split(": ", 1) for line in lines]
        return int(status), {":version": version, **{k.lower(): v for k, v in pairs}}

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        return status, headers, await self.take(int(headers.get("content-length", 0)))

    async def frame(self) -> tuple[int, bytes]:
        """The next one. Who is cancelled here has taken nothing."""
        await self.upto(lambda seen: len(seen) >= sum(_extent(seen)))
        before, size = _extent(self.seen)
        whole = await self.take(before + size)
        return whole[0] & 15, whole[before:]

    async def ended(self) -> bool:
        """Whether nothing more comes."""
        try:
            return not self.seen and not await self.stream.receive_some()
        except trio.BrokenResourceError:
            return True


def _extent(seen: bytes) -> tuple[int, int]:
    """How long the head of a frame and its payload are, as far as can be told."""
    if len(seen) < 2:
        return 2, 0
    wide = {126: 2, 127: 8}.get(seen[1], 0)
    if not wide:
        return 2, seen[1]
    if len(seen) < 2 + wide:
        return 2 + wide, 0
    return 2 + wide, int.from_bytes(seen[2 : 2 + wide], "big")


async def upgraded(stream: trio.abc.Stream, **more: Any) -> Reader:
    """A websocket opened over `stream`."""
    await stream.send_all(handshake(**more))
    reader = Reader(stream)
    status, headers = await reader.head()
    assert status == 101, (status, headers)
    return reader


async def ask(world: World, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer to one request on a connection of its own."""
    client = world.connect()
    await client.send_all(data)
    answer = await Reader(client).answer()
    await client.aclose()
    return answer
