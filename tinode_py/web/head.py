"""Reading requests off a connection: heads in full and within bounds, bodies as they come.

`Requests` cuts the bytes of one connection at the borders of requests, so that the front sees
every head before anybody else. h11 finds the borders, with a fresh parser per request.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs
import h11
import trio

_CHUNK = 16_384
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})  # a body is announced by one


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
        return b",".join([value for key, value in self.headers if key == wanted]).decode("latin-1")


class Requests:
    """The requests on `stream`, one after another. For one task at a time, but for `watch`.

    `parser` is of the request that was read last: its answer goes through it as well.
    """

    def __init__(self, stream: trio.abc.ReceiveStream, head_size: int, timeout: float) -> None:
        self._stream = stream
        self._head_size = head_size
        self._timeout = timeout
        self._waiting = b""  # read, and not yet given out
        self._looking: trio.Event | None = None  # `watch` reads ahead; set when it has
        self.parser = h11.Connection(h11.SERVER)
        self.in_body = False  # whether the request read last has a body that has not ended

    def take_rest(self) -> bytes:
        """What was read beyond the last head, for whom the connection is handed over to."""
        rest, self._waiting = self._waiting, b""
        return rest

    def watch(self, nursery: trio.Nursery) -> trio.Event:
        """Set as soon as the peer is seen to send no more, while an answer is prepared.

        To be called once for a request, after its body. What comes meanwhile is the next one's.
        """
        left = trio.Event()
        if not self._waiting and self._looking is None:
            self._looking = trio.Event()
            nursery.start_soon(self._look_ahead, self._looking, left)
        return left

    async def _look_ahead(self, looked: trio.Event, left: trio.Event) -> None:
        try:
            self._waiting = bytes(await self._stream.receive_some(_CHUNK))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            looked.set()
        if not self._waiting:
            left.set()

    async def begun(self) -> bool:
        """Wait for the first byte of the next request; False at the end. Without a deadline, and
        always a checkpoint: who sends many at once must not keep others waiting.
        """
        if self._looking is not None:
            await self._looking.wait()
            self._looking = None
        elif self._waiting:
            await trio.lowlevel.checkpoint()
        else:
            self._waiting = bytes(await self._stream.receive_some(_CHUNK))
        return bool(self._waiting)

    async def head(self) -> RequestHead | None:
        """The next head; None at the end of the connection. A checkpoint only if it waits.

        BadRequest for what is no request, 408 if it is not complete in time.
        """
        reading = _Reading(h11.Connection(h11.SERVER, max_incomplete_event_size=self._head_size))
        request = reading.fed(self.take_rest()) if self._waiting else None
        if request is None:  # a deadline costs more than a head that is here
            with trio.move_on_after(self._timeout) as timer:
                request = await self._rest_of(reading)
            if timer.cancelled_caught:
                raise BadRequest(408)
        if request is None:
            return None
        if reading.size > self._head_size:
            raise BadRequest(431)
        return self._begin(request, reading.parser)

    async def _rest_of(self, reading: _Reading) -> h11.Request | None:
        while data := await self._stream.receive_some(_CHUNK):
            request = reading.fed(bytes(data))
            if request is not None:
                return request
        return None

    def _begin(self, request: h11.Request, parser: h11.Connection) -> RequestHead:
        """Go on with the body of a request, if it has one."""
        named = {name for name, _ in request.headers} & _LENGTHS
        if len(named) > 1:
            raise BadRequest(400)  # two ends: what stands before us may have believed the other
        self.parser, self.in_body = parser, bool(named)
        if not self.in_body:
            _next_event(parser)  # the end of the message
            self._waiting = parser.trailing_data[0]
        return _request_head(request)

    def body_at_hand(self) -> bytes:
        """What has come of the body; b"" if that is nothing, or it has ended. BadRequest for
        chunks that are none.
        """
        found: list[bytes] = []
        while self.in_body:
            event = _next_event(self.parser)
            if isinstance(event, h11.Data):
                found.append(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.in_body = False
                self._waiting = self.parser.trailing_data[0]
            else:
                break
        return b"".join(found)

    async def body(self) -> bytes:
        """The next bytes of the body; b"" at its end, or at the end of the connection in the
        midst of it: `in_body` tells. BadRequest as above. A checkpoint only if it waits.
        """
        while not (found := self.body_at_hand()) and self.in_body:
            data = bytes(await self._stream.receive_some(_CHUNK))
            if not data:
                break
            self.parser.receive_data(data)
        return found


@attrs.define
class _Reading:
    """A head that is being read: `size` are the bytes that it took, or has taken so far."""

    parser: h11.Connection
    size: int = 0

    def fed(self, data: bytes) -> h11.Request | None:
        """The request, once its head is complete."""
        self.size += len(data)
        self.parser.receive_data(data)
        event = _next_event(self.parser)
        if not isinstance(event, h11.Request):
            return None
        self.size -= len(self.parser.trailing_data[0])
        return event


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
