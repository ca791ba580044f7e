"""What SIGHUP reads again while a server runs: certificates, and settings."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from typing import Protocol

import trio

from .config import ConfigError, Settings
from .errors import StoreError
from .live.standing import Standing

log = logging.getLogger(__name__)


class Certificates(Protocol):
    """Files that connections need."""

    def reload(self) -> None:
        """Read them again, for new connections. OSError (also ssl.SSLError) if they cannot be used:
        then all stays as it was.
        """


async def watch(
    certificates: Mapping[str, Certificates],
    standing: Standing,
    reread: Callable[[], Settings] | None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """At each SIGHUP read the certificates again, by the settings that name them; what was set at
    run time; and, by `reread`, what the settings came from. Until cancelled.
    """
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            for name, files in certificates.items():
                _read_files(name, files)
            await _read_settings(standing, reread)


def _read_files(name: str, files: Certificates) -> None:
    try:
        files.reload()
    except OSError:  # also ssl.SSLError
        log.exception("the TLS files cannot be used, the old ones stay (%s)", name)
    else:
        log.info("the TLS files were read again (%s)", name)


async def _read_settings(standing: Standing, reread: Callable[[], Settings] | None) -> None:
    try:
        live, late = await standing.read_again(reread() if reread else None)
    except (ConfigError, StoreError) as error:
        log.error("the settings cannot be used, the old ones stay: %s", error)
        return
    log.info("the settings were read again, changed: %s", ", ".join(live) or "none")
    if late:
        log.warning("settings that changed and need a restart: %s", ", ".join(late))
