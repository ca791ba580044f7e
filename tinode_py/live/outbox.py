"""One session's way out: finished frames, in order, without anybody waiting.

Here belongs how frames reach a connection and when a reader counts as slow. What is in them
is not known here, except that a close frame is the last.

- `push` is synchronous. If nothing waits, it writes to the non-blocking descriptor at once,
  without a task switch. What the socket does not take is queued, and a flush task, there only
  while it is needed, joins what waits and ends when the queue is empty. Streams without a
  usable descriptor (TLS, in memory) always take that second way.
- While nothing waits, others may write finished frames past it, by its line (`lines.py`).
- A frame is written whole or the connection is reset: nothing is ever sent after half a frame.
- Over `limit` bytes, or without progress for `stall` seconds, the reader is *slow*: `on_slow`
  is told and the socket is reset. There is no way to tell the peer: its buffers are full. One
  answer may be longer than `limit` by itself, so that nobody is cut off for what he asked.
- The descriptor is never touched after `detach`, `finish` (once flushed) or `abort`: its number
  may belong to somebody else by then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import attrs
import trio

from ..wire.frames import close_frame
from .lines import NO_LINE, Bundle, Line, Lines
from .sockets import reset, socket_of

JOINED = 65_536  # bytes of waiting frames that share one write
PIECE = 16_384  # bytes given to a stream at once: progress is seen no finer (one TLS record)
SlowBy = Literal["bytes", "time"]


@attrs.frozen
class ConnectionInfo:
    """Where a session comes from."""

    address: str  # of the client; behind a proxy what the proxy says, if it is trusted
    kind: Literal["ws", "lp"]
    api_key: str
    ticket: str = ""  # with which the connection was opened


class Outlet(Protocol):
    """Where a session's frames go. No method blocks or raises."""

    def push(self, frame: bytes) -> None:
        """Send one finished frame after those before it; dropped once the outlet is closed."""

    def finish(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then a close with `code`; then the connection ends."""

    def hang_up(self) -> None:
        """Send what is queued, then end the connection without a close."""

    def abort(self) -> None:
        """End the connection now; what is queued is forgotten."""

    @property
    def closed(self) -> bool:
        """Whether frames are dropped from now on."""

    @property
    def queued(self) -> int:
        """Bytes that the connection has not taken yet."""


class NoConnection:
    """The rest of an `Outlet` that has only a use for what is pushed, for requests that come
    from no session: nothing waits, and nothing can be ended.
    """

    closed = False
    queued = 0

    def finish(self, code: int = 1000, reason: str = "") -> None:
        pass

    def hang_up(self) -> None:
        pass

    def abort(self) -> None:
        pass


@attrs.frozen
class OutletTerms:
    """What the outlets of one server share: bytes, seconds, and where flush tasks live."""

    nursery: trio.Nursery
    limit: int  # bytes that may wait
    stall: float  # seconds without progress
    linger: float  # seconds for the peer to answer our close
    on_slow: Callable[[SlowBy], None]
    lines: Lines = attrs.field(factory=Lines)


class SocketOutbox:
    """The outlet of a websocket over `stream`.

    The task of the connection runs within `scope`. After `finish` the peer has `linger` seconds
    to close, then the scope ends; after `hang_up` it ends once nothing is queued.
    """

    __slots__ = (
        "_direct", "_emptied", "_fd", "_flusher", "_number", "_open", "_queue", "_queued",
        "_stream", "_terms", "hung_up", "scope",
    )  # fmt: skip

    def __init__(self, stream: trio.abc.SendStream, terms: OutletTerms) -> None:
        self._stream = stream
        self._terms = terms
        self.scope = trio.CancelScope()
        self._queue: list[bytes | memoryview] = []  # an empty deque has 600 bytes
        self._queued = 0
        self._emptied: trio.Event | None = None  # somebody waits for an empty queue
        self._flusher: trio.CancelScope | None = None  # of the flush task, if there is one
        self._open = True
        self.hung_up = False
        sock = socket_of(stream) if isinstance(stream, trio.SocketStream) else None
        self._fd = -1 if sock is None else sock.fileno()
        self._number = terms.lines.number()
        self._set_direct(self._fd != -1)

    @property
    def closed(self) -> bool:
        return not self._open

    @property
    def queued(self) -> int:
        return self._queued

    @property
    def line(self) -> Line:
        """By which bundles write, past `push`, while nothing waits."""
        return NO_LINE if self._fd == -1 else (self._fd, self._number)

    @property
    def lines(self) -> Lines:
        """Those of its server."""
        return self._terms.lines

    def _set_direct(self, direct: bool) -> None:
        """Whether there is a descriptor that may be written to at once: nothing waits."""
        self._direct = direct
        if self._fd != -1:
            change = self._terms.lines.open if direct else self._terms.lines.close
            change((self._fd, self._number))

    def push(self, frame: bytes) -> None:
        if self._direct:
            try:
                sent = os.write(self._fd, frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lose()
                return
            if sent != len(frame):
                self._wait(frame, sent)
        elif self._open:
            self._wait(frame, 0)

    def push_last(self, frame: bytes) -> None:
        """Send a close frame; only the first one goes out, and nothing after it."""
        if not self._open:
            return
        self.push(frame)
        self._open = False
        self._set_direct(False)
        self._end_within(self._terms.linger)

    def finish(self, code: int = 1000, reason: str = "") -> None:
        self.push_last(close_frame(code, reason))

    def hang_up(self) -> None:
        if not self._open:
            return
        self._open = False
        self._set_direct(False)
        self.hung_up = True
        self._start_flush()

    def abort(self) -> None:
        self.detach()
        reset(self._stream)
        self.scope.cancel()

    def detach(self) -> None:
        """Drop what is queued and touch the connection no more; it is left as it is."""
        self._open = False
        self._set_direct(False)
        self._queue.clear()
        self._queued = 0
        if self._flusher is not None:
            self._flusher.cancel()

    async def flushed(self) -> None:
        """Wait until nothing is queued: all was taken by the connection, or dropped."""
        while self._flusher is not None:
            if self._emptied is None:
                self._emptied = trio.Event()
            await self._emptied.wait()

    async def aclose(self) -> None:
        """Give what is queued `linger` seconds, unless the scope has ended; then `detach`.

        Returns when nobody uses the stream any more. Cancelled, it drops what is queued.
        """
        try:
            if self._flusher is not None and not self.scope.cancelled_caught:
                with trio.move_on_after(self._terms.linger):
                    await self.flushed()
        finally:
            self.detach()
            if self._flusher is not None:
                with trio.CancelScope(shield=True):
                    await self.flushed()

    def _lose(self) -> None:
        """The peer is gone. What it sent before may still be read; then the reader ends."""
        self.detach()
        self._end_within(min(1.0, self._terms.linger))

    def _end_within(self, seconds: float) -> None:
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + seconds)

    def _wait(self, frame: bytes, sent: int) -> None:
        self._set_direct(False)
        # One answer that is longer than the limit by itself is taken while little waits.
        limit = self._terms.limit
        most = limit + (len(frame) if len(frame) > limit else 0)
        self._queue.append(memoryview(frame)[sent:] if sent else frame)
        self._queued += len(frame) - sent
        if self._queued > most:
            self._slow("bytes")
        else:
            self._start_flush()

    def _start_flush(self) -> None:
        if self._flusher is None:
            self._flusher = trio.CancelScope()
            self._terms.nursery.start_soon(self._flush, self._flusher)

    def _slow(self, by: SlowBy) -> None:
        self._terms.on_slow(by)
        self.abort()

    async def _flush(self, scope: trio.CancelScope) -> None:
        """Write what waits, until nothing does. Cancelled in mid-frame, the stream is broken."""
        write = self._write_piece if self._fd == -1 else self._write_some
        try:
            with scope:
                while self._queue:
                    with trio.move_on_after(self._terms.stall) as timer:
                        await write()
                    if timer.cancelled_caught:
                        self._slow("time")
                if self.hung_up:
                    self.scope.cancel()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._lose()
        except trio.Cancelled:
            self.detach()  # perhaps in mid-frame
            raise
        finally:
            self._flusher = None
            self._set_direct(self._open and self._fd != -1)
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    async def _write_some(self) -> None:
        await trio.lowlevel.wait_writable(self._fd)
        if not self._queue:
            return  # detached meanwhile
        waiting = self._joined(JOINED)
        with contextlib.suppress(BlockingIOError):
            self._sent(waiting, os.write(self._fd, waiting))

    async def _write_piece(self) -> None:
        piece = memoryview(self._joined(PIECE))[:PIECE]
        await self._stream.send_all(piece)
        if self._queue:
            self._sent(self._queue[0], len(piece))

    def _joined(self, size: int) -> bytes | memoryview:
        """What waits first, made one piece of about `size` bytes if it was several."""
        count = total = 0
        while count < len(self._queue) and total < size:
            total += len(self._queue[count])
            count += 1
        if count > 1:
            self._queue[:count] = [b"".join(self._queue[:count])]
        return self._queue[0]

    def _sent(self, waiting: bytes | memoryview, count: int) -> None:
        self._queued -= count
        if count == len(waiting):
            del self._queue[0]
        else:
            self._queue[0] = memoryview(waiting)[count:]


def bundle(outlets: Sequence[Outlet]) -> Bundle | None:
    """The lines of some outlets of one server; None if there are none of websockets."""
    first = next((it for it in outlets if isinstance(it, SocketOutbox)), None)
    if first is None:
        return None
    return Bundle(first.lines, [_line_of(outlet) for outlet in outlets])


def number_of(outlet: Outlet) -> int:
    """By which bundles know it; nobody's, if they do not write to it."""
    return _line_of(outlet)[1]


def _line_of(outlet: Outlet) -> Line:
    return outlet.line if isinstance(outlet, SocketOutbox) else NO_LINE
