"""A whole server on the virtual clock, and clients of bare bytes over memory that attack it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import cbor2
import trio
import trio.testing

from tests.web.parts import Reader, frame, upgraded
from tinode_py.config import Settings
from tinode_py.server import Parts, Server, running

EPOCH = 1_700_000_000_000
Packet = dict[str, Any]


class PlainHasher:
    """No hash at all: tests of other things need none."""

    def encode(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password: str, encoded: str | None) -> bool:
        return encoded == f"plain:{password}"


def clock() -> int:
    """The wall clock follows the virtual one."""
    return EPOCH + int(trio.current_time() * 1000)


@attrs.define(eq=False)
class Client:
    """One connection. What comes while an answer is awaited is kept in `seen`."""

    stream: trio.abc.Stream
    reader: Reader
    binary: bool = False
    user: str = ""
    token: str = ""
    seen: list[Packet] = attrs.field(factory=list)
    _ids: Iterator[int] = attrs.field(factory=lambda: iter(range(1, 1 << 30)))

    async def send(self, *packets: Packet) -> None:
        """Write packets, all at once."""
        await self.stream.send_all(b"".join(map(self.frame, packets)))

    def frame(self, packet: Packet) -> bytes:
        if self.binary:
            return frame(2, cbor2.dumps(packet))
        return frame(1, json.dumps(packet).encode())

    async def raw(self, message: str | bytes) -> None:
        """Write one message that need not be a packet."""
        data = message.encode() if isinstance(message, str) else message
        await self.stream.send_all(frame(2 if self.binary else 1, data))

    async def next(self) -> Packet:
        """The next packet. Raises EOFError at the end of the connection."""
        while True:
            opcode, payload = await self.reader.frame()
            if opcode == 1:
                found: Packet = json.loads(payload)
                return found
            if opcode == 2:
                found = cbor2.loads(payload)
                return found
            if opcode == 8:
                raise EOFError(int.from_bytes(payload[:2], "big"))

    async def ask(self, **request: Any) -> Packet:
        """Send one request with an id; its {ctrl}."""
        ((kind, body),) = request.items()
        ident = f"q{next(self._ids)}"
        await self.send({kind: {"id": ident, **body}})
        return await self.answer(ident)

    async def answer(self, ident: str) -> Packet:
        """The {ctrl} of a request that was sent."""
        while True:
            packet = await self.next()
            if packet.get("ctrl", {}).get("id") == ident:
                ctrl: Packet = packet["ctrl"]
                return ctrl
            self.seen.append(packet)

    async def code(self, **request: Any) -> int:
        """Just the code of the answer."""
        return int((await self.ask(**request))["code"])

    async def first(self) -> Packet:
        """The next {ctrl}, whatever it answers."""
        while True:
            packet = await self.next()
            if "ctrl" in packet:
                ctrl: Packet = packet["ctrl"]
                return ctrl
            self.seen.append(packet)

    async def quiet(self) -> list[Packet]:
        """All that has come and was not taken yet, once nobody has anything more to do."""
        with trio.move_on_after(0.01):
            while True:
                self.seen.append(await self.next())
        found, self.seen = self.seen, []
        return found

    async def close(self) -> None:
        """Vanish without a word."""
        await trio.aclose_forcefully(self.stream)

    async def closed(self) -> int:
        """The code of the server's close, 0 if it just ended."""
        try:
            while True:
                self.seen.append(await self.next())
        except EOFError as end:
            return end.args[0] if isinstance(end.args[0], int) else 0
        except trio.BrokenResourceError:
            return 0


@attrs.define(eq=False)
class World:
    """A server, and people on it."""

    server: Server

    async def socket(self, *, binary: bool = False) -> Client:
        """A connection that has said nothing."""
        mine, theirs = trio.testing.memory_stream_pair()
        self.server.front.adopt(theirs)
        return Client(mine, await upgraded(mine), binary)

    async def guest(self, *, binary: bool = False, **hi: Any) -> Client:
        """A connection that was greeted."""
        client = await self.socket(binary=binary)
        assert await client.code(hi={"ver": "0.25", "ua": "abuse/1.0", **hi}) == 201
        return client

    async def person(self, login: str, *, binary: bool = False, **desc: Any) -> Client:
        """A new user, logged in."""
        client = await self.guest(binary=binary)
        acc: Packet = {"user": "new", "scheme": "basic", "secret": secret(login), "login": True}
        answer = await client.ask(acc=acc | ({"desc": desc} if desc else {}))
        assert answer["code"] == 200, answer
        return named(client, answer)

    async def again(self, login: str, *, binary: bool = False) -> Client:
        """Another session of a user."""
        client = await self.guest(binary=binary)
        answer = await client.ask(login={"scheme": "basic", "secret": secret(login)})
        assert answer["code"] == 200, answer
        return named(client, answer)

    async def group(self, owner: Client, *members: Client, mode: str = "JRWPS") -> str:
        """A group of the owner's in which all are attached."""
        defaults = {"desc": {"defacs": {"auth": mode, "anon": "N"}}}
        answer = await owner.ask(sub={"topic": "new", "set": defaults})
        name: str = answer["topic"]
        for member in members:
            assert await member.code(sub={"topic": name}) == 200
        return name

    async def empty(self) -> None:
        """Return once no connection and no topic is left; a minute is the most.

        A virtual clock jumps over that minute while a thread reads a file, so the threads get
        some seconds of the real one as well.
        """
        minute, threads = trio.current_time() + 60, time.monotonic() + 10
        while self._holds_something():
            if trio.current_time() > minute and time.monotonic() > threads:
                raise trio.TooSlowError
            await trio.sleep(0.5)

    def _holds_something(self) -> bool:
        held = self.server.hub.statistics()
        open_ = self.server.front.statistics().connections
        return bool(held.topics or held.sessions or held.users or open_)


def named(client: Client, answer: Packet) -> Client:
    client.user = answer["params"]["user"]
    client.token = answer["params"]["token"]
    return client


def secret(login: str, password: str = "password") -> str:
    return base64.b64encode(f"{login}:{password}".encode()).decode()


def settings_of(sections: dict[str, dict[str, Any]]) -> Settings:
    server = {"listen": (), "store": "memory:", "drain_seconds": 0.2, **sections.get("server", {})}
    return Settings.of(**{**sections, "server": server})


@asynccontextmanager
async def world(**sections: dict[str, Any]) -> AsyncIterator[World]:
    """A server in memory; settings as sections."""
    parts = Parts(now=clock, hasher=PlainHasher(), inline=True)
    async with running(settings_of(sections), parts) as server:
        yield World(server)
        server.front.close_sessions()


NewWorld = Callable[..., Any]
