"""A database that is made beside its place, and put there when it is complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tinode_py.auth.secrets import make_folder
from tinode_py.config import Settings
from tinode_py.disk import sync
from tinode_py.store.lock import data_lock

from .failure import Unusable
from .look import file_of


@contextlib.contextmanager
def new_database(settings: Settings, *, resume: bool) -> Iterator[tuple[Path, Path]]:
    """Where the database will be, and the file to make it in, under the data folder's lock.

    It is put in its place, durably, if the block ends well. If not, the file stays for the
    next attempt with `resume`, else it is removed; without `resume` an older one is, too.
    Unusable if there is a database already.
    """
    path, folder = file_of(settings), Path(settings.server.data)
    make_folder(folder)
    with data_lock(folder):
        if path.exists():
            raise Unusable(f"{path} is there already: import into another data folder")
        making = path.with_name(path.name + ".importing")
        try:
            if not resume:
                making.unlink(missing_ok=True)
            yield path, making
            os.rename(making, path)
            sync(path.parent)
        finally:
            if not resume:
                making.unlink(missing_ok=True)
