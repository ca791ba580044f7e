"""Listening: addresses as the settings write them, made into Trio listeners."""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import stat
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio

LOG = logging.getLogger(__name__)
BACKLOG = 1024
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_PAUSE = 0.1  # seconds until another try, when the machine is full
_HOST_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]*)):(\d{1,5})")
Handler = Callable[[trio.SocketStream], Awaitable[object]]


class AddressError(Exception):
    """An address cannot be listened on; the text says which and why."""


async def open_listeners(
    addresses: Iterable[str], *, unix_mode: int = 0o660
) -> list[trio.SocketListener]:
    """Listeners for `HOST:PORT`, `[V6]:PORT` and `unix:PATH`; all of them, or AddressError.

    An empty host means all interfaces. A Unix socket that nobody serves any more is replaced.
    """
    listeners: list[trio.SocketListener] = []
    try:
        for address in addresses:
            listeners += await _open(address, unix_mode)
    except AddressError:
        for listener in listeners:
            await listener.aclose()
        raise
    return listeners


def inherited(descriptors: Iterable[int]) -> list[trio.SocketListener]:
    """Listeners that another process has opened, and others may accept from as well.

    Their descriptors are closed with them. Serve them with `keep_paths`.
    """
    listeners = []
    for descriptor in descriptors:
        sock = socket.socket(fileno=descriptor)
        sock.set_inheritable(False)
        sock.setblocking(False)
        listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(sock)))
    return listeners


async def serve(
    listeners: list[trio.SocketListener],
    handler: Handler,
    nursery: trio.Nursery,
    *,
    keep_paths: bool = False,
) -> None:
    """Accept until cancelled, then close the listeners; connections run in `nursery`.

    Survives running out of descriptors: it accepts again when there are some. `handler` owns
    the connection that it is given, and must not raise. Unix sockets are removed at the end,
    unless they are another's (`keep_paths`).
    """
    paths = [] if keep_paths else paths_of(listeners)
    try:
        async with trio.open_nursery() as accepting:
            for listener in listeners:
                accepting.start_soon(_accept, listener, handler, nursery)
            await trio.sleep_forever()
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


async def _accept(listener: trio.SocketListener, handler: Handler, nursery: trio.Nursery) -> None:
    """As `trio.serve_listeners`, but a connection may outlive the task that began it."""
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                LOG.error("cannot accept: %s; trying again", error.strerror)
                await trio.sleep(_PAUSE)
            else:
                nursery.start_soon(handler, stream)


def url_of(listener: trio.SocketListener, tls: bool) -> str:
    """Where clients find `listener`: `http://127.0.0.1:6060`, `unix:/path`."""
    address = listener.socket.getsockname()
    if listener.socket.family == socket.AF_UNIX:
        return f"unix:{address}"
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{'https' if tls else 'http'}://{host}:{address[1]}"


async def _open(address: str, unix_mode: int) -> list[trio.SocketListener]:
    try:
        if address.startswith("unix:"):
            return [_open_unix(Path(address.removeprefix("unix:")), unix_mode)]
        found = _HOST_PORT.fullmatch(address)
        if not found or int(found[3]) > 65_535:
            raise AddressError(f"{address}: wants HOST:PORT, [V6]:PORT or unix:PATH")
        host = found[1] or found[2] or None
        return list(await trio.open_tcp_listeners(int(found[3]), host=host, backlog=BACKLOG))
    except OSError as error:
        raise AddressError(f"{address}: {error.strerror or error}") from error


def _open_unix(path: Path, mode: int) -> trio.SocketListener:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        path.chmod(mode)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on. Anything else is left, and bind will say so."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def paths_of(listeners: Iterable[trio.SocketListener]) -> list[Path]:
    """Of those that are Unix sockets."""
    return [
        Path(os.fsdecode(listener.socket.getsockname()))
        for listener in listeners
        if listener.socket.family == socket.AF_UNIX
    ]
