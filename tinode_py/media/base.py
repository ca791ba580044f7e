"""The port of uploaded files: where their bytes are kept.

What is known of a file beside its bytes is in the store. A file is on the shelf before the
store knows of it, and until the store has forgotten it; `transit` remembers which files are in
between, so that a crash leaves nothing behind.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Protocol

from ..records import Upload


class MediaError(Exception):
    """The bytes of a file could not be kept, found or removed; the text says why."""


def etag_of(sha256: bytes) -> str:
    """What tells a file's bytes from all others: 26 small letters and digits of their digest."""
    return base64.b32encode(sha256[:16]).decode("ascii").rstrip("=").lower()


class Shelf(Protocol):
    """Keeps the bytes of files by their ids. All methods raise MediaError."""

    async def place(self, name: str, file: Path, kind: str) -> None:
        """Take over a finished file, whose path is free after that. Returns once it is durable.

        `kind` is its media type.
        """

    async def remove(self, name: str) -> None:
        """Let go of a file; nothing happens if there is none."""

    async def locate(self, upload: Upload, *, attached: bool) -> Path | str | None:
        """The file's path, or an address where the client gets it; None if it is not there.

        `attached`: at that address it is to be saved, whatever it is.
        """
