"""`tinode-py serve`: run the server until it is told to stop.

What concerns the whole process is set here and nowhere else: logging, signals, the garbage
collector, the switch interval, the number of open files.
"""

from __future__ import annotations

import functools
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import trio

from tinode_py import log
from tinode_py.config import ConfigError, Settings

from .options import read_settings, settings_options


@click.command()
@click.option(
    "--listen", multiple=True, metavar="ADDRESS", help="HOST:PORT or unix:PATH; may be repeated."
)
@settings_options
@click.option("--workers", type=int, default=1, metavar="N", help="Processes; only 1 so far.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
def serve(
    listen: Sequence[str],
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
    workers: int,
    log_level: str | None,
) -> None:
    """Run the server.

    It says on standard error where it listens. SIGTERM and SIGINT let what is in flight
    finish; a second signal ends it at once.
    """
    if workers != 1:
        raise ConfigError("--workers", "only 1 is possible")
    options = {
        "server.data": data,
        "server.store": store,
        "server.listen": listen,
        "log.level": log_level,
    }
    reread = functools.partial(read_settings, config, sets, options)
    settings = reread()
    log.configure(settings.log.level, settings.log.format)
    tune_process()
    trio.run(serve_until_signal, settings, reread)


async def serve_until_signal(
    settings: Settings, reread: Callable[[], Settings] | None = None
) -> None:
    """Serve; the first SIGTERM or SIGINT lets it drain, a second one ends the process."""
    from tinode_py.server import serve  # slow to import, and other commands need it not

    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop)
        await serve(settings, stop, on_ready=_ready, reread=reread)
        nursery.cancel_scope.cancel()


async def _watch_signals(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set():
                os._exit(1)
            stop.set()


def _ready(urls: Sequence[str]) -> None:
    print(f"listening on {', '.join(urls)}", file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()


def tune_process() -> None:
    """Settings of the interpreter and the system that suit a server with a busy loop.

    A writing thread gets its turn after 0.2 ms, not 5; full collections, which stop everything,
    become rare; and as many files may be open as the system allows.
    """
    sys.setswitchinterval(0.0002)
    gc.set_threshold(50_000, 20, 1000)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
