"""Connections that have not shown yet whose they are: a few, each for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import trio

from ..live.sockets import socket_of

IN_TIME = 5.0  # seconds for a connection and its handshake
MOST = 64
# What a stream raises that is of no use any more.
BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Strangers:
    """Bounds what strangers cost."""

    def __init__(self) -> None:
        self._scopes: dict[int, trio.CancelScope] = {}  # in the order in which they came
        self._last = 0

    def __len__(self) -> int:
        return len(self._scopes)

    @contextlib.contextmanager
    def one(self) -> Iterator[trio.CancelScope]:
        """What is done about one of them, which is cancelled after a while, or sooner if it is the
        oldest of too many.
        """
        if len(self._scopes) >= MOST:
            self._scopes.pop(next(iter(self._scopes))).cancel()
        self._last += 1
        mine = self._last
        try:
            with trio.move_on_after(IN_TIME) as scope:
                self._scopes[mine] = scope
                yield scope
        finally:
            self._scopes.pop(mine, None)

    def end(self) -> None:
        """Cancel all of them."""
        for scope in self._scopes.values():
            scope.cancel()


class Begun(trio.abc.Stream):
    """A connection of which some bytes were read already; they come again."""

    def __init__(self, stream: trio.abc.Stream, read: bytes) -> None:
        self._stream = stream
        self._read = read

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._read:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = max_bytes or len(self._read)
        some, self._read = self._read[:size], self._read[size:]
        return some

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


def origin(stream: trio.abc.Stream) -> str:
    """Where a stranger connects from, as words for a log; none, as far as it cannot be told."""
    sock = socket_of(stream._stream if isinstance(stream, Begun) else stream)
    if sock is None:
        return ""
    try:
        peer = sock.getpeername()
    except OSError:  # who has gone already has no address
        return ""
    return f" from {peer[0]}" if isinstance(peer, tuple) else ""
