"""Reading requests off a connection: heads in full and within bounds, bodies as they come.

`Requests` cuts the bytes of one connection at the borders of requests, so that the front sees
every head before anybody else. h11 finds the borders, with a fresh parser per request;
answers are none of its business.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs
import h11
import trio

_CHUNK = 16_384
_HOP_BY_HOP = frozenset({b"upgrade", b"http2-settings", b"expect"})


class BadRequest(Exception):
    """The bytes are no request that we read: answer with `status` and close."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@attrs.frozen
class RequestHead:
    """A request without its body. Names of headers are in small letters."""

    method: str
    target: str  # path and query, as they were sent
    headers: tuple[tuple[bytes, bytes], ...]
    version: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """The values of a header, joined with commas; empty if there is none."""
        wanted = name.encode("ascii")
        return ",".join(value.decode("latin-1") for key, value in self.headers if key == wanted)

    def plain(self) -> bytes:
        """The head as an HTTP server without upgrades and interim answers is to see it."""
        lines = [f"{self.method} {self.target} HTTP/{self.version}".encode("ascii")]
        lines += [b"%s: %s" % (k, v) for k, v in self.headers if k not in _HOP_BY_HOP]
        return b"\r\n".join([*lines, b"", b""])


class Requests:
    """The requests on `stream`, one after another. For one task at a time."""

    def __init__(self, stream: trio.abc.ReceiveStream, head_size: int, timeout: float) -> None:
        self._stream = stream
        self._head_size = head_size
        self._timeout = timeout
        self._waiting = b""  # read, and not yet given out
        self._parser: h11.Connection | None = None  # of the request whose body is under way

    @property
    def in_body(self) -> bool:
        """Whether the request that was read last has a body that has not ended."""
        return self._parser is not None

    def take_rest(self) -> bytes:
        """What was read beyond the last head, for whom the connection is handed over to."""
        rest, self._waiting = self._waiting, b""
        return rest

    async def begun(self) -> bool:
        """Wait for the first byte of the next request; False at the end. Without a deadline."""
        if not self._waiting:
            self._waiting = bytes(await self._stream.receive_some(_CHUNK))
        return bool(self._waiting)

    async def head(self) -> RequestHead | None:
        """The next head; None at the end of the connection.

        BadRequest for what is no request, 408 if it is not complete in time.
        """
        with trio.move_on_after(self._timeout):
            return await self._head()
        raise BadRequest(408)

    async def _head(self) -> RequestHead | None:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self._head_size)
        size = 0
        while True:
            event = _next_event(parser)
            if isinstance(event, h11.Request):
                break
            data = self.take_rest() or bytes(await self._stream.receive_some(_CHUNK))
            if not data:
                return None
            size += len(data)
            parser.receive_data(data)
        self._waiting = parser.trailing_data[0]
        if size - len(self._waiting) > self._head_size:
            raise BadRequest(431)
        if _has_body(event):
            self._parser = h11.Connection(h11.SERVER)
            self._parser.receive_data(head_bytes(event))
            self._follow(b"")
        return _request_head(event)

    async def body(self) -> bytes:
        """Some bytes of the body, as they were sent; b"" if the connection ends before it."""
        data = self.take_rest() or bytes(await self._stream.receive_some(_CHUNK))
        return self._follow(data)

    def _follow(self, data: bytes) -> bytes:
        """The part of `data` that belongs to this body; the rest is kept."""
        assert self._parser is not None
        if data:
            self._parser.receive_data(data)
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError:
                return data  # the server behind finds the same fault and answers it
            if isinstance(event, h11.EndOfMessage):
                rest = self._parser.trailing_data[0]
                self._parser = None
                self._waiting = rest + self._waiting
                return data[: len(data) - len(rest)]
            if event is h11.NEED_DATA:
                return data


def head_bytes(request: h11.Request) -> bytes:
    """The head once more, for a parser that follows the body."""
    line = b"%s %s HTTP/%s\r\n" % (request.method, request.target, request.http_version)
    return line + b"".join(b"%s: %s\r\n" % pair for pair in request.headers) + b"\r\n"


def _has_body(request: h11.Request) -> bool:
    """A request has a body only if it says so (RFC 9112, 6.3)."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in request.headers)


def _next_event(parser: h11.Connection) -> object:
    try:
        return parser.next_event()
    except h11.RemoteProtocolError as error:
        raise BadRequest(error.error_status_hint) from None


def _request_head(request: h11.Request) -> RequestHead:
    version = request.http_version.decode("ascii")
    if version not in ("1.0", "1.1"):
        raise BadRequest(505)
    return RequestHead(
        method=request.method.decode("ascii"),
        target=_origin_form(request.target.decode("ascii")),
        headers=tuple((bytes(name), bytes(value)) for name, value in request.headers),
        version=version,
    )


def _origin_form(target: str) -> str:
    """`/path?query`, also where a proxy's client sent a whole address."""
    if not target.lower().startswith(("http://", "https://")):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise BadRequest(400) from None
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")
