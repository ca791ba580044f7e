"""The store of a server that does not run, for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from tinode_py.auth.secrets import make_folder
from tinode_py.config import ConfigError, Settings, database
from tinode_py.store.base import Store
from tinode_py.store.lock import data_lock
from tinode_py.store.sqlite import open_sqlite


@attrs.frozen
class Database:
    store: Store
    path: Path


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database under the data folder's lock, both made if missing.

    LockedError, naming the process, while a server runs on it.
    """
    path = database(settings)
    if path is None:
        raise ConfigError("server.store", "memory: keeps nothing that a command could work on")
    folder = Path(settings.server.data)
    make_folder(folder)
    with data_lock(folder):
        async with open_sqlite(path, inline=True) as store:
            yield Database(store, path.absolute())
