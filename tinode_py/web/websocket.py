"""One websocket after its handshake, to its end.

One task: it reads, hands messages to the session one at a time, and so reads no more while the
session makes it wait. It has nothing to do with sending (`live.outbox`) and sets no timer: its
silence is watched from outside, and not counted while the session makes it wait. Whatever ends
the connection, `session.end()` is called exactly once, and the peer gets a close with the right
code if it can still be reached.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from ..live.outbox import ConnectionInfo, Outlet, OutletTerms, SocketOutbox
from ..live.sockets import socket_of
from ..wire.frames import close_frame, ping_frame
from .closing import close_gently, close_now
from .odd import Ending
from .reception import Reception
from .silence import Silence, Silences

_WENT_AWAY = Ending(close_frame(1001), broken_off=False)
_FAILED = Ending(close_frame(1011), broken_off=False)
_HUNG_UP = Ending(b"", broken_off=True)
_CHUNK = 16_384
# What the system may hold of a peer that sends faster than he is answered, doubled by Linux. Left
# alone it takes half a megabyte of each: seconds of work, to which everybody else is held up.
_HELD = 32_768
_MESSAGE = (str, bytes)
_MANY = 32  # events without a pause: others want their turn


class Session(Protocol):
    """What a websocket is read for."""

    async def receive(self, message: str | bytes) -> None:
        """Take one message, text or binary. May wait: the socket is not read meanwhile."""

    def end(self) -> None:
        """The connection is over. Called once, also on cancellation."""


NewSession = Callable[[Outlet, ConnectionInfo], Session]


@attrs.frozen
class SocketTerms:
    """What all websockets of a server share: bounds, and who is told of them."""

    message_size: int
    silence: Silence
    outlet: OutletTerms
    silences: Silences
    outboxes: set[SocketOutbox]  # of all that are open
    new_session: NewSession


class WebSocket:
    """A websocket over `stream`, which it owns once it runs."""

    __slots__ = (
        "_heard", "_outbox", "_reception", "_sock", "_stream", "_terms", "_waiting", "due",
    )  # fmt: skip

    def __init__(self, stream: trio.abc.Stream, terms: SocketTerms) -> None:
        self._stream = stream
        sock = socket_of(stream)
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _HELD)
        self._sock = sock if isinstance(stream, trio.SocketStream) else None
        self._terms = terms
        self._outbox = SocketOutbox(stream, terms.outlet)
        self._reception = Reception(terms.message_size)
        self._heard = trio.current_time()
        self._waiting = False  # for the peer
        self.due = 0

    async def run(self, answer: bytes, rest: bytes, info: ConnectionInfo) -> bool:
        """Send `answer` to the handshake, serve a session to its end, close the connection.

        `rest` came after the handshake. Returns whether the connection is open still: it is not.
        """
        outbox = self._outbox
        session = self._terms.new_session(outbox, info)
        self._terms.outboxes.add(outbox)
        self._terms.silences.watch(self, self._heard + self._terms.silence.ping)
        last: Ending | None = _FAILED
        try:
            with outbox.scope:
                outbox.push(answer)
                self._reception.feed(rest)
                del answer, rest, info  # an idle connection need not keep them
                last = await self._read(session)
            if outbox.hung_up:
                last = self._hung_up()
        except trio.Cancelled:
            last = _WENT_AWAY
            raise
        finally:
            session.end()
            await self._close(last)
        return False

    def _hung_up(self) -> Ending | None:
        """The peer learns of the end by a half-close, if there is such a thing here."""
        return _HUNG_UP if isinstance(self._stream, trio.abc.HalfCloseableStream) else None

    async def _close(self, last: Ending | None) -> None:
        """Say the last word, if there is one to say and nobody has said it; then close."""
        terms, outbox = self._terms, self._outbox
        terms.silences.forget(self)
        if last is not None:
            outbox.push_last(last.frame)
        elif not outbox.closed:
            outbox.detach()  # topics send until they learn of it, and nobody is there
        try:
            await outbox.aclose()
        finally:
            terms.outboxes.discard(outbox)
            close = close_gently if last is not None and last.broken_off else close_now
            await close(self._stream, terms.outlet.linger)

    async def _read(self, session: Session) -> Ending | None:
        """How it ended: with a close of either side, or None, without a word.

        While nothing comes, this is all there is on the stack.
        """
        while True:
            ending = await self._hand_over(session)
            if ending is not None:
                return ending
            self._reception.rest()
            self._heard = trio.current_time()
            self._waiting = True
            try:
                if self._sock is None:
                    data: bytes | None = bytes(await self._stream.receive_some(_CHUNK))
                else:
                    await trio.lowlevel.wait_readable(self._sock)
                    data = _available(self._sock)
            except (OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            finally:
                self._waiting = False
            if data == b"":
                return None
            self._reception.feed(data or b"")
            del data

    async def _hand_over(self, session: Session) -> Ending | None:
        """Give the session what has come, and the peer his pongs."""
        count = 0
        while (event := self._reception.next()) is not None:
            if isinstance(event, _MESSAGE):
                if not self._outbox.closed:  # after our own close, only the peer's is awaited
                    await session.receive(event)
            elif isinstance(event, Ending):
                return event
            elif event.frame:
                self._outbox.push(event.frame)
            count += 1
            if not count % _MANY:
                await trio.lowlevel.checkpoint()
        return None

    def check(self, now: float) -> float:
        """Ping a peer that is silent, cut off one that was so for too long."""
        silence = self._terms.silence
        if not self._waiting:
            return now + silence.ping
        if now >= self._heard + silence.end:
            self._outbox.abort()
        elif now >= self._heard + silence.ping:
            self._outbox.push(ping_frame())
            return self._heard + silence.end
        return self._heard + silence.ping


def _available(sock: trio.socket.SocketType) -> bytes | None:
    """What has come; None if nothing has, after all. A socket closed meanwhile is an OSError."""
    try:
        return os.read(sock.fileno(), _CHUNK)
    except BlockingIOError:
        return None
