"""Every test that takes `store` runs over every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tinode_py.store.base import Store
from tinode_py.store.memory import MemoryStore
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.store import open_postgres
from tinode_py.store.sqlite import open_sqlite


@pytest.fixture(params=["memory", "sqlite-inline", "sqlite-threaded", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "postgres":
        address = Address.of(request.getfixturevalue("postgres_url"))
        async with open_postgres(address, connections=2) as taken:
            yield taken
    else:
        inline = request.param == "sqlite-inline"
        async with open_sqlite(tmp_path / "t.db", inline=inline) as opened:
            yield opened
