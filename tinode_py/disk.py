"""Making sure that what was written to a disk is there after a power cut, whole."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, are on the disk. Blocks.

    A new or renamed file needs both: its own sync, and that of the folder it is in. Raises
    OSError if the disk cannot do it; what is there then is unknown.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step: after a crash it is there, whole, or
    not. Blocks; OSError.

    It is written under the same name with the ending `.new`; what an earlier attempt has left
    there is removed.
    """
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    half.rename(path)
    sync(path.parent)
