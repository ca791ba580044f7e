"""Ending a connection so that the peer still gets what was sent last."""

from __future__ import annotations

import trio

_CHUNK = 65_536


_LOST = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)


async def close_at_once(stream: trio.abc.AsyncResource) -> None:
    """Close without a goodbye. A checkpoint only where there is something beneath the stream."""
    if isinstance(stream, trio.SocketStream):
        stream.socket.close()  # all that Trio does, but for the turn that it gives to others
    else:
        await trio.aclose_forcefully(stream)


async def close_now(stream: trio.abc.AsyncResource, seconds: float) -> None:
    """Close; over TLS, say goodbye if that takes no longer than `seconds`."""
    if isinstance(stream, trio.SocketStream):
        await close_at_once(stream)
        return
    try:
        with trio.move_on_after(seconds):
            await stream.aclose()
    except _LOST:
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def close_gently(stream: trio.abc.Stream, seconds: float) -> None:
    """Say that no more will come, throw away what the peer still sends, then close.

    A socket that is closed with unread input resets the connection, and the peer may lose the
    answer that was on its way. Waits `seconds` at most for the peer; cancelled, it closes at
    once.
    """
    try:
        with trio.move_on_after(seconds):
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            while await stream.receive_some(_CHUNK):
                pass
    except _LOST:
        pass
    finally:
        await close_now(stream, seconds)
