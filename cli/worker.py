"""One worker of `serve --workers N`: a server that begins and ends as it is told over a stream."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence

import trio

from tinode_py.config import Settings
from tinode_py.worker import Worker

READY = b"r"


async def serve_as(
    worker: Worker,
    settings: Settings,
    reread: Callable[[], Settings],
    on_ready: Callable[[], None],
) -> None:
    """Serve from the first byte of the stream to its end, or to SIGTERM; a second SIGTERM ends the
    process. `on_ready` is called when it serves.
    """
    from tinode_py.server import serve  # slow: before the word to begin, not after it

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for who has started it
    line = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=worker.line)))
    if not await _heard(line):
        return
    stop = trio.Event()

    def ready(urls: Sequence[str]) -> None:
        with contextlib.suppress(OSError):  # it is gone: that is heard as well
            os.write(worker.line, READY)
        on_ready()

    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signal, stop)
        nursery.start_soon(_watch_line, line, stop)
        await serve(settings, stop, on_ready=ready, reread=reread, worker=worker)
        nursery.cancel_scope.cancel()


async def _heard(line: trio.SocketStream) -> bool:
    try:
        return bool(await line.receive_some(1))
    except trio.BrokenResourceError:
        return False


async def _watch_line(line: trio.SocketStream, stop: trio.Event) -> None:
    while await _heard(line):
        pass
    stop.set()


async def _watch_signal(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        task_status.started()
        told = False
        async for _ in signals:
            if told:
                os._exit(1)
            told = True
            stop.set()
