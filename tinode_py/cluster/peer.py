"""One connection to one other node: messages in order, both ways, for as long as it lasts.

- `send` never waits. What is sent goes out in order, joined where more waits.
- On the wire a message is its length (four bytes, big endian) and its bytes. A length of zero is
  a sign of life, sent whenever nothing else was for `Terms.ping` seconds.
- A side that is not heard for `Terms.silence` seconds, or takes no byte for as long, is given up.
  While the handler is at work nothing is read, so that a slow handler slows down the other side,
  and that time does not count.
- Whatever is wrong, the connection is over: nothing is ever sent or received after a gap.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import attrs
import trio

from ..live.traffic import Traffic
from . import items, protocol
from .items import BadMessage

CHUNK = 65_536  # bytes read at once; written at once, so that progress is seen no finer
TURN = 32  # messages heard before other tasks get their turn
_ALIVE = bytes(4)


@attrs.frozen
class Terms:
    """What all connections of a node share."""

    ping: float  # seconds without a byte to be sent, after which a sign of life is
    silence: float  # seconds without a byte, either way, after which the other side is given up
    queue: int  # bytes that may wait


class Language(Protocol):
    """What is said over a connection: messages as bytes, and back."""

    def pack(self, message: Any) -> bytes:
        """BadMessage if it is too long."""

    def unpack(self, data: bytes) -> Any:
        """BadMessage for what is none."""


class Handler(Protocol):
    """Who hears what nodes say. For each peer: `connected`, then `received` for each message in
    order and one at a time, then `lost`, once.
    """

    def connected(self, peer: Peer) -> None:
        """There is a connection. Messages may be sent from now on."""

    async def received(self, peer: Peer, message: Any) -> None:
        """A message has come. The next is not read before this returns, and none once the
        connection is over or was reset; then this is cancelled. What it raises ends everything.
        """

    def lost(self, peer: Peer) -> None:
        """The connection is over: what was sent may have come or not, but nothing after a gap."""


class Peer:
    """One other node, as long as one connection lasts, and what is said to it in a `language`.

    `reason` says why it is over, as far as it is. `traffic` tells bytes and messages so far.
    """

    def __init__(
        self,
        id: int,
        terms: Terms,
        language: Language = protocol,
        version: int = protocol.VERSION,
    ) -> None:
        self.id = id
        self.version = version  # that both sides speak
        self._language = language
        self.reason = ""
        self.sent = self.received = 0  # bytes
        self.messages_sent = self.messages_received = 0
        self.queued = 0  # bytes that wait, and those that are being written
        self._terms = terms
        self._queue: deque[bytes] = deque()
        self._wake = trio.Event()
        self._empty = trio.Event()
        self._empty.set()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    def __repr__(self) -> str:
        return f"<Peer {self.id}{': ' if self.reason else ''}{self.reason}>"

    def send(self, message: Any) -> bool:
        """Send a message after those before it. False if it does not go: the connection is over,
        or too much waits (one message may be longer than that by itself). Never waits.

        Raises BadMessage for one of more than 64 MB. After False a later, shorter message may
        go: where a gap matters, `reset`. What the other side's version does not know is not
        sent, which is no gap.
        """
        if self.version < protocol.VERSION and not protocol.is_known(message, self.version):
            return not self.reason
        return self.send_packed(self._language.pack(message))

    def send_packed(self, data: bytes) -> bool:
        """As `send`, for a message that several peers get."""
        if self.reason or (self.queued and self.queued + len(data) > self._terms.queue):
            return False
        if not self.queued:
            self._empty = trio.Event()
        self._queue.append(len(data).to_bytes(4, "big") + data)
        self.queued += len(data) + 4
        self.messages_sent += 1
        self._wake.set()
        return True

    def reset(self, reason: str) -> None:
        """End the connection; what waits is forgotten. Only the first reason counts."""
        if not self.reason:
            self.reason = reason
            self._scope.cancel()

    def traffic(self) -> Traffic:
        """What has gone over this connection, and what waits."""
        messages = (self.messages_sent, self.messages_received)
        return Traffic(self.sent, self.received, *messages, self.queued)

    async def wait_sent(self) -> None:
        """Wait until all was taken by the connection, or that is over."""
        await self._empty.wait()

    async def wait_ended(self) -> None:
        """Wait until the handler was told that the connection is over."""
        await self._ended.wait()

    async def run(self, stream: trio.abc.Stream, handler: Handler) -> None:
        """Read and write until the connection is over, by `reset`, cancelled, or by itself.

        Closing the stream is left to the caller. Call it once.
        """
        try:
            with self._scope:
                handler.connected(self)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_all, stream)
                    await self._read_all(stream, handler)
        finally:
            self.reset("this node ends it")
            self._queue.clear()
            self.queued = 0
            handler.lost(self)
            self._empty.set()
            self._ended.set()

    # --- reading -------------------------------------------------------------------------

    async def _read_all(self, stream: trio.abc.Stream, handler: Handler) -> None:
        waiting = bytearray()
        heard = 0
        while not self.reason:
            waiting += await self._read(stream)
            place = 0
            while (end := self._end(waiting, place)) <= len(waiting) and not self.reason:
                if end > place + 4:
                    with memoryview(waiting) as view:
                        data = bytes(view[place + 4 : end])
                    await self._hear(data, handler)
                    heard += 1
                    if not heard % TURN:
                        await trio.lowlevel.checkpoint()
                place = end
            del waiting[:place]

    async def _read(self, stream: trio.abc.Stream) -> bytes:
        """Some bytes; none when it is over."""
        chunk: bytes | bytearray = b""
        try:
            with trio.move_on_after(self._terms.silence) as patience:
                chunk = await stream.receive_some(CHUNK)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.reset("the connection broke")
        if patience.cancelled_caught:
            self.reset(f"nothing was heard for {self._terms.silence:g} s")
        elif not chunk:
            self.reset("it closed the connection")
        self.received += len(chunk)
        return bytes(chunk)

    def _end(self, waiting: bytearray, place: int) -> int:
        """Where the message that begins at `place` ends; beyond all, if that is not known."""
        if len(waiting) < place + 4:
            return len(waiting) + 1
        size = int.from_bytes(waiting[place : place + 4], "big")
        if size > items.LARGEST:
            self.reset(f"a message of {size} bytes, of {items.LARGEST} at most")
            return len(waiting) + 1
        return place + 4 + size

    async def _hear(self, data: bytes, handler: Handler) -> None:
        try:
            message = self._language.unpack(data)
        except BadMessage as error:
            self.reset(f"no message: {error}")
        else:
            self.messages_received += 1
            await handler.received(self, message)

    # --- writing -------------------------------------------------------------------------

    async def _write_all(self, stream: trio.abc.Stream) -> None:
        try:
            while True:
                data = await self._next()
                for start in range(0, len(data), CHUNK):
                    await self._write(stream, data[start : start + CHUNK])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.reset("the connection broke")

    async def _next(self) -> memoryview:
        """What waits first, joined to some size; a sign of life where nothing has to be said."""
        if not self._queue:
            self._wake = trio.Event()
            with trio.move_on_after(self._terms.ping):
                await self._wake.wait()
        if not self._queue:
            self.queued += len(_ALIVE)
            return memoryview(_ALIVE)
        pieces: list[bytes] = []
        size = 0
        while self._queue and size < CHUNK:
            pieces.append(self._queue.popleft())
            size += len(pieces[-1])
        return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    async def _write(self, stream: trio.abc.Stream, piece: memoryview) -> None:
        with trio.move_on_after(self._terms.silence) as patience:
            await stream.send_all(piece)
        if patience.cancelled_caught:
            self.reset(f"nothing was taken for {self._terms.silence:g} s")
            await trio.lowlevel.checkpoint()
        self.sent += len(piece)
        self.queued -= len(piece)
        if not self.queued:
            self._empty.set()
