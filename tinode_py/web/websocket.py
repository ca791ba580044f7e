"""One websocket from its handshake to its end.

Two tasks: the library's, which reads frames, and the connection's own, which hands messages to
the session one at a time and so reads no more while the session makes it wait. Whatever ends
the connection, `session.end()` is called exactly once, and the peer gets a close with the
right code if it can still be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from ..live.outbox import ConnectionInfo, Outlet, SlowBy, SocketOutbox
from .bounds import MessageBounds
from .closing import close_gently, close_now
from .stream import SessionStream, Silence

_GOING_AWAY, _INTERNAL, _INVALID_TEXT = 1001, 1011, 1007
_NEVER_SENT = frozenset({1005, 1006, 1015})  # they describe an end, no frame carries them
_REASONS = {1009: "message too big", 1008: "too many fragments", _INVALID_TEXT: "invalid UTF-8"}


class Session(Protocol):
    """What a websocket is read for."""

    async def receive(self, message: str | bytes) -> None:
        """Take one message, text or binary. May wait: the socket is not read meanwhile."""

    def end(self) -> None:
        """The connection is over. Called once, also on cancellation."""


NewSession = Callable[[Outlet, ConnectionInfo], Session]


@attrs.frozen
class SocketLimits:
    """Bounds of one websocket; seconds and bytes."""

    message_size: int
    outbox: int
    write_timeout: float
    silence: Silence
    linger: float = 5.0  # for the peer to answer our close


@attrs.frozen
class Accepted:
    """A handshake that was found good: what to show the library, and what came after it."""

    request: bytes
    rest: bytes


async def serve_websocket(
    stream: trio.abc.Stream,
    accepted: Accepted,
    info: ConnectionInfo,
    new_session: NewSession,
    limits: SocketLimits,
    outboxes: set[SocketOutbox],
    on_slow: Callable[[SlowBy], None],
) -> None:
    """Serve one session over `stream` and close it. Its outbox is in `outboxes` meanwhile."""
    bounds = MessageBounds(limits.message_size)
    outbox = None
    cut_off = False
    try:
        async with trio.open_nursery() as nursery:
            outbox = SocketOutbox(
                stream,
                nursery,
                limit=limits.outbox,
                stall=limits.write_timeout,
                linger=limits.linger,
                on_slow=on_slow,
            )
            outboxes.add(outbox)
            below = SessionStream(
                stream, outbox, accepted.request, accepted.rest, bounds, limits.silence
            )
            accepted = Accepted(b"", b"")  # an idle connection need not keep them
            socket = await _handshake(nursery, below, limits.message_size)
            cut_off = await _converse(socket, new_session(outbox, info), outbox, bounds)
    finally:
        if outbox is not None:
            outbox.detach()
            outboxes.discard(outbox)
        await (close_gently if cut_off else close_now)(stream, limits.linger)


async def _handshake(
    nursery: trio.Nursery, stream: SessionStream, message_size: int
) -> WebSocketConnection:
    request = await wrap_server_stream(nursery, stream, max_message_size=message_size)
    return await request.accept()


async def _converse(
    socket: WebSocketConnection, session: Session, outbox: SocketOutbox, bounds: MessageBounds
) -> bool:
    """Hand messages to the session until either side ends; then close with the right code.

    Returns whether it was we who broke off, with a peer that may still be sending.
    """
    code = _INTERNAL
    try:
        await _read(socket, session, outbox)
        code = bounds.broken or (socket.closed.code if socket.closed else _GOING_AWAY)
    except trio.Cancelled:
        code = _GOING_AWAY
        raise
    finally:
        session.end()
        cut_off = not outbox.closed and code not in _NEVER_SENT
        if cut_off:
            outbox.finish(code, _REASONS.get(code, ""))
        elif not outbox.closed:
            outbox.detach()  # topics may send until they learn of the end, and nobody is there
        if code == _INTERNAL:
            await outbox.flushed()  # the error is about to end the task that does it
    return cut_off


async def _read(socket: WebSocketConnection, session: Session, outbox: SocketOutbox) -> None:
    while True:
        try:
            message = await socket.get_message()
        except ConnectionClosed:
            return
        if not outbox.closed:  # after our own close, only the peer's is waited for
            await session.receive(message)
