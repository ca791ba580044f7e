"""The pytest plugin: the fixtures `tinode_server`, `tinode_client` and `tinode_thread`.

The first two are for tests under pytest-trio. The plugin must cost nothing in suites that do
not use it, so the server is imported on first use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .testing import RunningServer, ThreadServer


@pytest.fixture
async def tinode_server() -> AsyncIterator[RunningServer]:
    """A server in memory, for one test."""
    from .testing import running_server

    async with running_server() as server:
        yield server


@pytest.fixture
async def tinode_client(tinode_server: RunningServer) -> Client:
    """A client of `tinode_server`, logged in as `tester` and attached to nothing."""
    return await tinode_server.user("tester")


@pytest.fixture
def tinode_thread() -> Iterator[ThreadServer]:
    """A server in a thread of its own, for tests that are synchronous or use another loop."""
    from .testing import server_in_thread

    with server_in_thread() as server:
        yield server
