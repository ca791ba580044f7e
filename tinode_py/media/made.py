"""The folders of uploads, and the shelf that the settings ask for."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from ..config import Settings
from ..settings import S3
from .base import Shelf
from .folder import Folder
from .s3 import connect
from .transit import Transit


@attrs.frozen
class Media:
    """Where files are on their way, and where they stay."""

    transit: Transit
    shelf: Shelf


@contextlib.contextmanager
def media_of(
    settings: Settings, random_bytes: Callable[[int], bytes], *, lasting: bool
) -> Iterator[Media]:
    """The media of a server, in its data folder; if they are not to last, in a folder of their
    own that goes with the block, never at a service. Nothing is made before it is needed.
    ConfigError if the service that the settings name cannot be used.
    """
    if lasting:
        yield _media_in(Path(settings.server.data), settings.media.s3)
        return
    folder = Path(tempfile.gettempdir()) / f"tinode-py-{random_bytes(16).hex()}"
    try:
        yield _media_in(folder, None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _media_in(folder: Path, s3: S3 | None) -> Media:
    elsewhere = connect(s3) if s3 and s3.endpoint else None
    return Media(Transit(folder / "transit"), elsewhere or Folder(folder / "uploads"))
