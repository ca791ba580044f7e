"""The stream that trio-websocket is given instead of the connection.

What the library sends (the handshake, pongs, closes) goes through the session's outbox, so
that frames never interleave; a peer that does not read cannot hold the library up, because
sending never waits. What it reads is watched: silence is pinged and then ends the connection,
and a message that is too much ends the input before the library sees it. While the library
does not read (the session makes it wait), no silence is counted.
"""

from __future__ import annotations

import attrs
import trio

from ..live.outbox import SocketOutbox
from ..wire.frames import ping_frame
from .bounds import MessageBounds

_CLOSE = 0x88
_SWITCHED = b"HTTP/1.1 101"


@attrs.frozen
class Silence:
    """Seconds without a byte after which a peer is pinged, and after which it has vanished."""

    ping: float
    end: float


class SessionStream(trio.abc.Stream):
    """Replays `request`, then what came after it (`rest`), then reads `stream`.

    Does not own `stream`: closing this one leaves it open.
    """

    __slots__ = (
        "_bounds", "_ended", "_outbox", "_request", "_rest", "_silence", "_stream", "_switched",
    )  # fmt: skip

    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        outbox: SocketOutbox,
        request: bytes,
        rest: bytes,
        bounds: MessageBounds,
        silence: Silence,
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._request = request
        self._rest = rest
        self._bounds = bounds
        self._silence = silence
        self._switched: trio.Event | None = trio.Event()
        self._ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Queue `data`, at once; a checkpoint, so that a flood of pings lets others work."""
        frame = bytes(data)
        if frame[0] == _CLOSE:
            self._outbox.push_last(frame)
        else:
            self._outbox.push(frame)
        if self._switched is not None and frame.startswith(_SWITCHED):
            self._switched.set()
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes; b"" at the end, after a silence and where a bound was passed."""
        if self._request:
            request, self._request = self._request, b""
            return request
        if self._switched is not None:  # the library loses frames that come before its own answer
            await self._switched.wait()
            self._switched = None
        if self._ended or self._bounds.broken:
            return b""
        data = await self._next(max_bytes)
        return data[: self._bounds.admit(data)]

    async def _next(self, max_bytes: int | None) -> bytes:
        if self._rest:
            rest = self._rest[:max_bytes]
            self._rest = self._rest[len(rest) :]
            return rest
        with trio.move_on_after(self._silence.ping):
            return bytes(await self._stream.receive_some(max_bytes))
        self._outbox.push(ping_frame())
        with trio.move_on_after(self._silence.end - self._silence.ping):
            return bytes(await self._stream.receive_some(max_bytes))
        self._outbox.abort()
        await trio.lowlevel.checkpoint()
        return b""

    async def aclose(self) -> None:
        self._ended = True
        await trio.lowlevel.checkpoint()
