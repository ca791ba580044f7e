"""The exclusive lock on a data folder: one process at a time works on what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

NAME = "lock"


class LockedError(Exception):
    """The folder is in use. `process` is the holder's id, None if it cannot be told."""

    def __init__(self, folder: Path, process: int | None) -> None:
        holder = "another process" if process is None else f"process {process}"
        super().__init__(f"{folder} is in use by {holder}")
        self.folder = folder
        self.process = process


@contextlib.contextmanager
def data_lock(folder: Path) -> Iterator[int]:
    """Hold the lock `<folder>/lock` while the block runs; LockedError at once if it is held.

    The kernel frees it when the process ends, however it ends; or the last of the processes that
    were given its descriptor, which the block gets. The file stays: removing it would let two
    processes lock two files of the same name. The folder must exist.
    """
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(folder, _holder(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
