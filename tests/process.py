"""A server as an operator runs it, and clients over real sockets: for slow tests only.

The server is a process of its own, on a data folder and a port of its own. A client here is
plain trio-websocket, so that nothing of the server's own code stands on both sides.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio_websocket as tw

KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"
PATIENCE = 60.0  # seconds; far above what anything here takes
CHEAP_PASSWORDS = ("--set", "auth.basic.hash_memory=8", "--set", "auth.basic.hash_passes=1")
Packet = dict[str, Any]


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "tinode_py", *args]


def environment(**more: str) -> dict[str, str]:
    """This process's, without settings of a server that somebody may have there."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TINODE_")}
    return {**own, **more}


@attrs.define(eq=False)
class ServerProcess:
    """A server that was ready. `said` is what it wrote to standard error so far."""

    process: trio.Process
    said: list[str]
    urls: list[str]

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def address(self) -> str:
        """HOST:PORT, to be given to the next server on the same data."""
        return self.url.partition("://")[2]

    async def kill(self) -> None:
        """As the kernel does it, and a power switch: no goodbye. Its port is free afterwards."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def wait_said(self, text: str) -> str:
        """The first line with `text`."""
        with trio.fail_after(PATIENCE):
            while True:
                for line in self.said:
                    if text in line:
                        return line
                await trio.sleep(0.01)


@asynccontextmanager
async def serving(
    data: Path,
    *args: str,
    listen: str = "127.0.0.1:0",
    environ: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
) -> AsyncIterator[ServerProcess]:
    """Run a server until the end of the block; then it is killed, if it still runs. `within`: a
    command that runs it, and becomes it.
    """
    line = command("serve", "--listen", listen, "--data", str(data), *CHEAP_PASSWORDS, *args)
    process = await trio.lowlevel.open_process(
        [*within, *line], stderr=subprocess.PIPE, env=environment(**(environ or {}))
    )
    server = ServerProcess(process, [], [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen_to, process, server.said)
        try:
            ready = await _ready(server)
            server.urls = ready.partition("listening on ")[2].split(", ")
            yield server
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def _ready(server: ServerProcess) -> str:
    with trio.move_on_after(PATIENCE):
        while server.process.returncode is None:
            for line in server.said:
                if "listening on " in line:
                    return line
            await trio.sleep(0.005)
    raise AssertionError("the server did not start: " + "\n".join(server.said))


async def _listen_to(process: trio.Process, said: list[str]) -> None:
    """Take what it says, line by line, until it ends."""
    assert process.stderr is not None
    rest = b""
    async for chunk in process.stderr:
        *lines, rest = (rest + chunk).split(b"\n")
        said += [line.decode() for line in lines]


class Gone(Exception):
    """The connection ended before an answer came."""


@attrs.define(eq=False)
class Talker:
    """One connection of one client. Answers go to who asked; the rest is kept, in order."""

    socket: tw.WebSocketConnection
    heard: list[Packet] = attrs.field(factory=list)
    greeting: Packet = attrs.field(factory=dict)
    user: str = ""
    token: str = ""
    on_packet: Callable[[Packet], None] | None = None
    ended: trio.Event = attrs.field(factory=trio.Event)
    _ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))
    _waiting: dict[str, Callable[[Packet | None], None]] = attrs.field(factory=dict)

    async def ask(self, **request: Packet) -> Packet:
        """Send a request; its {ctrl}, or the {meta} with its id. Gone if neither came."""
        found: list[Packet] = []
        answered = trio.Event()

        def take(packet: Packet | None) -> None:
            found.extend([packet] if packet else [])
            answered.set()

        await self.send(take, **request)
        with trio.fail_after(PATIENCE):
            await answered.wait()
        if not found:
            raise Gone
        return found[0]

    async def send(self, take: Callable[[Packet | None], None], **request: Packet) -> None:
        """Send a request. `take` gets the answer, or None at the end of the connection."""
        ((kind, body),) = request.items()
        ident = str(next(self._ids))
        self._waiting[ident] = take
        try:
            await self.socket.send_message(json.dumps({kind: {"id": ident, **body}}))
        except tw.ConnectionClosed:
            self._waiting.pop(ident, None)
            raise Gone from None

    async def greet(self) -> None:
        self.greeting = await self.ask(hi={"ver": "0.25", "ua": "test/1"})

    async def register(self, login: str, password: str = "secret-of-tests", **more: Any) -> Packet:
        account = {"user": "new", "scheme": "basic", "secret": secret(login, password)}
        return self._known(await self.ask(acc={**account, "login": True, **more}))

    async def login(self, login: str, password: str = "secret-of-tests") -> Packet:
        proof = {"scheme": "basic", "secret": secret(login, password)}
        return self._known(await self.ask(login=proof))

    async def login_token(self, token: str) -> Packet:
        return self._known(await self.ask(login={"scheme": "token", "secret": token}))

    def _known(self, ctrl: Packet) -> Packet:
        assert ctrl["code"] < 300, ctrl
        self.user, self.token = ctrl["params"]["user"], ctrl["params"]["token"]
        return ctrl

    async def history(self, topic: str, first: int = 1) -> list[Packet]:
        """All messages of a topic that this session is attached to, from `first`, in order."""
        messages: list[Packet] = []
        for since in itertools.count(first, 100):
            del self.heard[:]
            window = {"since": since, "before": since + 100, "limit": 100}
            ctrl = await self.ask(get={"topic": topic, "what": "data", "data": window})
            assert ctrl["code"] in (204, 208), ctrl
            page = [packet["data"] for packet in self.heard if "data" in packet]
            messages += sorted(page, key=lambda message: int(message["seq"]))
            if not page:
                return messages
        raise AssertionError

    async def take_all(self) -> None:
        """Hand out what comes, until the connection ends."""
        try:
            while True:
                self._take(json.loads(await self.socket.get_message()))
        except tw.ConnectionClosed:
            pass
        self.ended.set()
        for take in self._waiting.values():
            take(None)
        self._waiting.clear()

    def _take(self, packet: Packet) -> None:
        ((kind, body),) = packet.items()
        if kind in ("ctrl", "meta") and body.get("id") in self._waiting:
            self._waiting.pop(body["id"])(body)
            return
        self.heard.append(packet)
        if self.on_packet is not None:
            self.on_packet(packet)


def secret(login: str, password: str) -> str:
    return b64encode(f"{login}:{password}".encode()).decode()


@asynccontextmanager
async def connected(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talker]:
    """A client of the server at `url`, greeted. At the end it closes, or just vanishes."""
    stream = await opened(url, tls)
    try:
        async with trio.open_nursery() as nursery:
            target = f"/v0/channels?apikey={KEY}"
            socket = await tw.wrap_client_stream(nursery, stream, "localhost", target)
            talker = Talker(socket)
            nursery.start_soon(talker.take_all)
            try:
                await talker.greet()
                yield talker
            finally:
                with trio.move_on_after(2, shield=True):
                    await socket.aclose()
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def opened(
    url: str, tls: ssl.SSLContext | None = None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """A connection to what a server said of itself: `http://…`, `https://…`, `unix:…`."""
    if url.startswith("unix:"):
        return await trio.open_unix_socket(url.removeprefix("unix:"))
    host, _, port = url.partition("://")[2].rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    if tls is None:
        return stream
    secured = trio.SSLStream(stream, tls, server_hostname="localhost", https_compatible=True)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError:
        await trio.aclose_forcefully(secured)
        raise
    return secured
