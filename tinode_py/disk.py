"""Making sure that what was written to a disk is there after a power cut."""

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
