"""Plain HTTP on a connection that the front has begun to read: Hypercorn and an ASGI app.

The one place that knows Hypercorn's `TCPServer`, which is no documented entry: the minor
version is pinned. It is given a stream of ours that lets one request through at a time, each
after its answer to the one before, so that the front sees every head; upgrades are taken out.
Hypercorn shields its sends from cancellation, so this stream has a write deadline of its own.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import attrs
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from ..live.sockets import reset
from .head import BadRequest, RequestHead, Requests

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PIECE = 16_384  # bytes that must be taken within the write deadline
_DISCARDED = 262_144  # bytes of a body that nobody wants, but that are read all the same
_DISCARDING = 2.0  # seconds for that
_HALF_CLOSED = 1.0  # seconds in which who has finished sending still gets an answer


@attrs.frozen
class HttpLimits:
    """Seconds and bytes."""

    head_size: int
    idle: float = 30.0  # a kept-alive connection without a request
    read_timeout: float = 55.0  # without a byte of a body that was begun
    write_timeout: float = 10.0  # without progress of an answer


@attrs.frozen
class Caller:
    """Who is at the other end, for the app."""

    address: Callable[[RequestHead], str]  # a proxy may bring many clients on one connection
    scheme: str


def hypercorn_config(limits: HttpLimits, log: logging.Logger) -> Config:
    config = Config()
    config.errorlog = log
    config.accesslog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = 2 * limits.head_size
    config.keep_alive_timeout = limits.idle
    config.keep_alive_max_requests = 2**31
    return config


class HttpStream:
    """One connection as Hypercorn sees it: requests without upgrades, one at a time.

    Ends (for Hypercorn) when a head comes that is not for it: `next_head` or `refused` is then
    set. Does not own the connection.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        requests: Requests,
        first: RequestHead,
        is_plain: Callable[[RequestHead], bool],
        limits: HttpLimits,
    ) -> None:
        self.socket = _NoSocket()  # Hypercorn asks for addresses; the app gets the caller's
        self.scope = trio.CancelScope()
        self.current = first
        self.left = trio.Event()  # the peer sends no more: it has closed, or is gone
        self.next_head: RequestHead | None = None
        self.refused = 0
        self._head = first.plain()
        self._stream = stream
        self._requests = requests
        self._is_plain = is_plain
        self._limits = limits
        self._answered = trio.Event()
        self._starts = True  # whether the next bytes sent begin an answer
        self._over = False  # whether nothing more will be received
        self._stuck = False  # whether the peer has stopped reading

    def answered(self) -> None:
        """The app is done with the current request."""
        self._answered.set()
        if self._over:
            self.scope.cancel()  # Hypercorn would wait for its idle timer

    async def go_ahead(self) -> None:
        """Tell a client that waits for it to send its body, unless the answer has begun."""
        if self._starts and self.current.version == "1.1":
            await self.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def send_all(self, data: bytes) -> None:
        """Send; a peer that takes nothing for the write deadline is reset."""
        if self._starts and self.current.version == "1.0":
            data = data.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        self._starts = False
        for start in range(0, len(data), _PIECE):
            with trio.move_on_after(self._limits.write_timeout) as timer:
                if not self._stuck:
                    await self._stream.send_all(data[start : start + _PIECE])
            if timer.cancelled_caught:
                self._stuck = True
                reset(self._stream)
                self.scope.cancel()
            if self._stuck:
                raise trio.BrokenResourceError("the peer does not read")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes of a head or a body; b"" when there is nothing more for Hypercorn."""
        if self._head:
            head, self._head = self._head, b""
            return head
        try:
            data = await (self._body() if self._requests.in_body else self._next_request())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        return data or self._end()

    async def _body(self) -> bytes:
        with trio.move_on_after(self._limits.read_timeout):
            return await self._requests.body()
        return b""

    async def _next_request(self) -> bytes:
        more = False
        try:
            more = await self._requests.begun()
        finally:
            if not more:
                self.left.set()
        with trio.move_on_after(math.inf if more else _HALF_CLOSED):
            await self._answered.wait()
        try:
            head = await self._requests.head() if more else None
        except BadRequest as error:
            self.refused = error.status
            return b""
        if head is None:
            return b""
        if not self._is_plain(head):
            self.next_head = head
            return b""
        self.current = head
        self._answered = trio.Event()
        self._starts = True
        return head.plain()

    def _end(self) -> bytes:
        self._over = True
        if self._answered.is_set():
            self.scope.cancel()
        return b""

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.scope.cancel()
        await trio.lowlevel.checkpoint()


class _NoSocket:
    family = socket.AF_UNIX

    def getpeername(self) -> str:
        return ""

    getsockname = getpeername


@attrs.frozen
class _Served:
    """The app, told who is calling; the 100 is sent when it wants the body."""

    app: App
    stream: HttpStream
    caller: Caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = self.stream.current
        scope["client"] = (self.caller.address(head), 0)
        scope["scheme"] = self.caller.scheme
        scope["state"]["head"] = head
        scope["state"]["left"] = self.stream.left
        waits = head.header("expect").lower() == "100-continue"
        body = _Body(receive, self.stream.go_ahead if waits else None)

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start" and not _closes(message):
                await body.discard_rest()
            await send(message)

        try:
            await self.app(scope, body.receive, send_after_body)
        finally:
            self.stream.answered()


def _closes(answer: Message) -> bool:
    """Whether the app wants no more of this connection."""
    return (b"connection", b"close") in answer.get("headers", ())


@attrs.define
class _Body:
    """A request's body. What the app leaves of a small one is read before it answers:

    Hypercorn closes the connection where the answer comes before the end of the body.
    """

    source: Receive
    go_ahead: Callable[[], Awaitable[None]] | None  # None: the client does not wait for it
    ended: bool = False
    readers: int = 0  # an app may listen for the end while it answers

    async def receive(self) -> Message:
        if self.go_ahead is not None:
            await self.go_ahead()
            self.go_ahead = None
        self.readers += 1
        try:
            message = await self.source()
        finally:
            self.readers -= 1
        self.ended = not message.get("more_body", False)
        return message

    async def discard_rest(self) -> None:
        size = 0
        with trio.move_on_after(_DISCARDING):
            while not (self.ended or self.readers or self.go_ahead) and size < _DISCARDED:
                size += len((await self.receive()).get("body", b""))


async def serve_http(stream: HttpStream, app: App, caller: Caller, config: Config) -> None:
    """Answer requests until the connection ends or something else than HTTP is to be served."""
    wrapped = ASGIWrapper(_Served(app, stream, caller))  # type: ignore[arg-type]
    with stream.scope:
        await TCPServer(
            wrapped,
            config,
            WorkerContext(None),
            ConnectionState({}),
            stream,  # type: ignore[arg-type]
        ).run()
