"""`tinode-py serve`: run the server until it is told to stop.

What concerns the whole process is set here and nowhere else: logging, signals, the garbage
collector, the switch interval, the number of open files.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import trio

from tinode_py import log
from tinode_py.config import ConfigError, Settings
from tinode_py.worker import Worker

from .options import read_settings, settings_options
from .worker import serve_as
from .workers import supervise

MOST_WORKERS = 64


@click.command()
@click.option(
    "--listen", multiple=True, metavar="ADDRESS", help="HOST:PORT or unix:PATH; may be repeated."
)
@settings_options
@click.option(
    "--workers", type=int, default=1, metavar="N", help="Processes that share the work; 1."
)
@click.option("--worker", hidden=True, help="For processes that --workers starts.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
def serve(
    listen: Sequence[str],
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
    workers: int,
    worker: str | None,
    log_level: str | None,
) -> None:
    """Run the server.

    It says on standard error where it listens. SIGTERM and SIGINT let what is in flight
    finish; a second signal ends it at once.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigError("--workers", f"wants a number from 1 to {MOST_WORKERS}")
    options = {
        "server.data": data,
        "server.store": store,
        "server.listen": listen,
        "log.level": log_level,
    }
    reread = functools.partial(read_settings, config, sets, options)
    if worker is not None:
        _serve_as(Worker.of(worker), reread)
        return
    settings = reread()
    log.configure(settings.log.level, settings.log.format)
    if workers == 1:
        tune_process()
        trio.run(serve_until_signal, settings, reread)
    else:
        again = _again(config, sets, options)
        allow_files()
        trio.run(supervise, settings, workers, lambda it: [*again, "--worker", it.text])


def _again(
    config: Path | None, sets: Sequence[str], options: Mapping[str, str | Sequence[str] | None]
) -> list[str]:
    """The command that runs a process with the same settings."""
    given = [f"{key}={json.dumps(value)}" for key, value in options.items() if value]
    found = [word for item in (*sets, *given) for word in ("--set", item)]
    file = () if config is None else ("--config", str(config))
    return [sys.executable, "-P", "-m", "tinode_py", "serve", *file, *found]


def _serve_as(worker: Worker, reread: Callable[[], Settings]) -> None:
    """Be one of several workers."""

    def mine() -> Settings:
        return worker.settings(reread())

    settings = mine()
    log.configure(settings.log.level, settings.log.format, worker=worker.number)
    tune_process()
    trio.run(serve_as, worker, settings, mine, freeze)


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
    freeze()


def freeze() -> None:
    """What is there now stays: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


def tune_process() -> None:
    """Settings of the interpreter and the system that suit a server with a busy loop.

    A writing thread gets its turn after 0.2 ms, not 5; full collections, which stop everything,
    become rare; and as many files may be open as the system allows.
    """
    sys.setswitchinterval(0.0002)
    gc.set_threshold(50_000, 20, 1000)
    allow_files()


def allow_files() -> None:
    """As many open files as the system allows, for this process and those that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
