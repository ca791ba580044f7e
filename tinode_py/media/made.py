"""The folders of uploads, and the shelf and the stock that the settings ask for."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import attrs

from ..config import Settings
from ..settings.services import S3
from ..worker import Worker
from .base import Shelf
from .folder import Folder
from .s3 import connect
from .s3_stock import S3Stock
from .stock import FolderStock, Stock
from .transit import Transit
from .work import Run


@attrs.frozen
class Media:
    """Where files are on their way, and where they stay."""

    transit: Transit
    shelf: Shelf


@contextlib.contextmanager
def media_of(
    settings: Settings, run: Run, *, lasting: bool, worker: Worker | None = None
) -> Iterator[Media]:
    """The media of a server, in its data folder; if they are not to last, in a folder of their
    own that goes with the block, never at a service. Nothing is made before it is needed.
    ConfigError if the service that the settings name cannot be used.
    """
    if lasting:
        folder = Path(settings.server.data)
        number, alone = (worker.number, worker.fresh) if worker else (0, True)
        transit = Transit(folder / "transit", run, worker=number, alone=alone)
        yield _media_in(folder, run, settings.media.s3, transit)
        return
    # Not from the server's own chance: a seeded one would give two servers one folder.
    folder = Path(tempfile.gettempdir()) / f"tinode-py-{uuid.uuid4().hex}"
    try:
        yield _media_in(folder, run, None, Transit(folder / "transit", run))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _media_in(folder: Path, run: Run, s3: S3 | None, transit: Transit) -> Media:
    elsewhere = connect(s3) if s3 and s3.endpoint else None
    return Media(transit, elsewhere or Folder(folder / "uploads", run))


def place_of_uploads(settings: Settings) -> str:
    """What an operator calls the place of a server's uploads."""
    s3 = settings.media.s3
    folder = Path(settings.server.data).absolute() / "uploads"
    return f"s3://{s3.bucket}" if s3.endpoint else str(folder)


def stock_of(settings: Settings) -> Stock:
    """Where the uploads of a server are, for commands; nothing is made. Blocks.

    ConfigError if the service that the settings name cannot be used, MediaError if it does not
    answer.
    """
    folder, s3 = Path(settings.server.data).absolute(), settings.media.s3
    return S3Stock.of(s3, folder) if s3.endpoint else FolderStock(folder / "uploads")
