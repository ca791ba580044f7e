"""Plain HTTP on a connection that the front has begun to read: h11 on one side, an ASGI app on
the other.

One request at a time, in the connection's own task. The app may *take over*: it begins an
answer, and what else there is to be sent goes out in a task that knows nothing of ASGI, so that
a connection which stays for hours holds little.

Sending has a deadline of its own: a peer that takes nothing is reset. A client that leaves ends
nobody's work, unless the app asks (`scope["state"]["watch"]`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import attrs
import h11
import trio

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
_NO_BODY = (204, 304)
_CLOSE = (b"connection", b"close")
_ASGI = {"version": "3.0", "spec_version": "2.4"}


@attrs.frozen
class HttpLimits:
    """Seconds."""

    idle: float = 30.0  # a kept-alive connection without a request
    read_timeout: float = 55.0  # without a byte of a body that was begun
    write_timeout: float = 10.0  # without progress of an answer


@attrs.frozen
class Caller:
    """Who is at the other end, for the app."""

    address: Callable[[RequestHead], str]  # a proxy may bring many clients on one connection
    scheme: str


TakeOver = Callable[["Way"], Awaitable[None]]


class HttpStream:
    """The sending side of a connection: a peer that takes nothing for the deadline is reset."""

    def __init__(self, stream: trio.abc.Stream, write_timeout: float) -> None:
        self.stream = stream
        self._write_timeout = write_timeout
        self._stuck = False
        self._socket = stream.socket if isinstance(stream, trio.SocketStream) else None

    async def send_now(self, data: bytes) -> None:
        """As `send_all`; waits, and is a checkpoint, only if the socket does not take all of
        it at once.
        """
        if sent := self._written(data):
            data = data[sent:]
        if data:
            await self.send_all(data)

    def _written(self, data: bytes) -> int:
        # Asked each time: the number of a socket that was reset is soon another's.
        fd = -1 if self._socket is None else self._socket.fileno()
        if fd == -1:
            return 0
        try:
            return os.write(fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes) -> None:
        """BrokenResourceError where the peer is gone or does not read."""
        for start in range(0, len(data), _PIECE):
            with trio.move_on_after(self._write_timeout) as timer:
                if not self._stuck:
                    await self.stream.send_all(data[start : start + _PIECE])
            if timer.cancelled_caught:
                self._stuck = True
                reset(self.stream)
            if self._stuck:
                raise trio.BrokenResourceError("the peer does not read")


class Way:
    """The way out for an answer that was taken over. What the socket takes at once is written
    without a task switch.
    """

    __slots__ = ("_chunked", "_out", "_unsent")

    def __init__(self, out: HttpStream, head: bytes, chunked: bool) -> None:
        self._out, self._unsent, self._chunked = out, head, chunked

    async def send(self, piece: bytes) -> None:
        """Send a piece; BrokenResourceError where the peer is gone or does not read. Waits, and
        is a checkpoint, only if the socket does not take all of it.
        """
        data = b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
        if self._unsent:
            data, self._unsent = self._unsent + data, b""
        await self._out.send_now(data)

    async def end(self) -> None:
        """Say that this was all."""
        if self._chunked:
            await self._out.send_all(b"0\r\n\r\n")

    async def wait_left(self) -> None:
        """Return when the peer is seen to have gone; what it still sends is thrown away."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await self._out.stream.receive_some(_PIECE):
                pass


@attrs.define(eq=False)
class Exchange:
    """One request and its answer, as an ASGI app sees them."""

    head: RequestHead
    requests: Requests
    out: HttpStream
    limits: HttpLimits
    clock: Callable[[], float]
    nursery: trio.Nursery
    taken: TakeOver | None = None
    fault: int = 0  # the status for a body that cannot be read
    _cut: bool = False  # whether the body ended before its end
    _begun: bytes = b""  # the answer's head, until there is something of its body
    started: bool = False
    _reading: bool = False
    _bodiless: bool = False
    _left: trio.Event | None = None

    def scope(self, caller: Caller) -> Scope:
        head = self.head
        path, _, query = head.target.partition("?")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": caller.scheme,
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": list(head.headers),
            "client": (caller.address(head), 0),
            "server": None,
            "state": {"head": head, "watch": self.watch, "take_over": self.take_over},
            "extensions": {},
        }

    @property
    def refused(self) -> int:
        """The status for a body that did not come as it should; 0 if there is none."""
        return self.fault or (400 if self._cut else 0)

    @property
    def kept(self) -> bool:
        """Whether the connection can be used for another request."""
        parser = self.requests.parser
        return parser.our_state is parser.their_state is h11.DONE

    def watch(self) -> trio.Event:
        """Set when the client is seen to have gone. For requests whose body was read."""
        if self._left is None:
            self._left = self.requests.watch(self.nursery)
        return self._left

    def take_over(self, run: TakeOver) -> None:
        """To be called by the app after the start of an answer, as its last deed."""
        self.taken = run

    # --- the request ---------------------------------------------------------------------

    async def receive(self) -> Message:
        if self._cut or (not self.requests.in_body and self._reading):
            if not self._cut:
                await self.watch().wait()
            return {"type": "http.disconnect"}
        self._reading = True
        data = await self._body()
        if not data and self.requests.in_body:
            self._cut = True
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": data, "more_body": self.requests.in_body}

    async def _body(self) -> bytes:
        requests = self.requests
        await self._go_ahead()
        try:
            data = requests.body_at_hand()
            if data or not requests.in_body:  # a deadline costs more than a small body
                return data
            with trio.move_on_after(self.limits.read_timeout):
                return await requests.body()
        except BadRequest as error:
            self.fault = error.status
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        return b""

    async def _go_ahead(self) -> None:
        """Tell a client that waits for it to send its body, unless the answer has begun."""
        parser = self.requests.parser
        if parser.they_are_waiting_for_100_continue and not self.started:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))

    async def _discard_rest(self) -> None:
        """Read what the app leaves of a small body: else the connection could not be kept."""
        size, parser = 0, self.requests.parser
        with trio.move_on_after(_DISCARDING):
            while self.requests.in_body and not self._cut and size < _DISCARDED:
                if parser.they_are_waiting_for_100_continue:
                    return
                size += len((await self.receive()).get("body", b""))

    # --- the answer ----------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body" and not self.fault:
            data = message.get("body", b"")
            await self._continue(bytes(data), last=not message.get("more_body", False))

    async def _start(self, message: Message) -> None:
        headers = [(bytes(k), bytes(v)) for k, v in message.get("headers", ())]
        if self.requests.in_body and _CLOSE not in headers:
            await self._discard_rest()
            if self.requests.in_body:
                headers.append(_CLOSE)
        if self.fault:
            return
        self.started = True
        headers.append((b"date", _date(int(self.clock()))))
        response = h11.Response(status_code=message["status"], headers=headers)
        self._bodiless = self.head.method == "HEAD" or response.status_code in _NO_BODY
        self._begun = self._bytes(response)
        if self.head.version == "1.0":
            self._begun = self._begun.replace(b"HTTP/1.1", b"HTTP/1.0", 1)

    async def _continue(self, data: bytes, last: bool) -> None:
        sent, self._begun = [self._begun], b""
        if data and not self._bodiless:
            sent.append(self._bytes(h11.Data(data=data)))
        if last:
            sent.append(self._bytes(h11.EndOfMessage()))
            await self.out.send_now(b"".join(sent))
        else:
            await self.out.send_all(b"".join(sent))

    def rest(self, run: TakeOver) -> Callable[[], Awaitable[None]]:
        """All of an answer that was taken over; holds nothing of the exchange but its head."""
        way = Way(self.out, self._begun, self.head.version == "1.1")
        return functools.partial(run, way)

    async def _send(self, event: h11.InformationalResponse) -> None:
        await self.out.send_all(self._bytes(event))

    def _bytes(self, event: h11.Event) -> bytes:
        return self.requests.parser.send(event) or b""


@attrs.frozen
class Served:
    """How the HTTP on a connection ended: with a head that is not plain, with an answer that was
    taken over, with bytes that are no request (a status), or simply so.
    """

    next_head: RequestHead | None = None
    taken: Callable[[], Awaitable[None]] | None = None
    refused: int = 0


@attrs.frozen
class Http:
    """What all connections share."""

    app: App
    is_plain: Callable[[RequestHead], bool]
    limits: HttpLimits
    clock: Callable[[], float] = time.time


async def serve_http(
    stream: trio.abc.Stream, requests: Requests, head: RequestHead, http: Http, caller: Caller
) -> Served:
    """Answer requests until the connection ends or something else than HTTP is to be served."""
    out = HttpStream(stream, http.limits.write_timeout)
    async with trio.open_nursery() as nursery:
        served = await _answer_all(out, requests, head, http, caller, nursery)
        nursery.cancel_scope.cancel()
    return served


async def _answer_all(
    out: HttpStream,
    requests: Requests,
    first: RequestHead,
    http: Http,
    caller: Caller,
    nursery: trio.Nursery,
) -> Served:
    head: RequestHead | None = first
    while head is not None and http.is_plain(head):
        exchange = Exchange(head, requests, out, http.limits, http.clock, nursery)
        await http.app(exchange.scope(caller), exchange.receive, exchange.send)
        if exchange.refused and not exchange.started:
            return Served(refused=exchange.refused)
        if exchange.taken is not None:
            return Served(taken=exchange.rest(exchange.taken))
        if not exchange.kept:
            return Served()
        try:
            head = await _next_head(requests, http.limits.idle)
        except BadRequest as error:
            return Served(refused=error.status)
    return Served(head)


@functools.lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """The header of all answers of one second since 1970."""
    return formatdate(second, usegmt=True).encode("ascii")


async def _next_head(requests: Requests, idle: float) -> RequestHead | None:
    """None at the end of the connection. Always a checkpoint."""
    with trio.move_on_after(idle):
        if await requests.begun():
            return await requests.head()
    return None
