"""The pytest plugin: the fixture `tinode_server`, for tests under pytest-trio.

It must cost nothing in suites that do not use it, so the server is imported on first use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import RunningServer


@pytest.fixture
async def tinode_server() -> AsyncIterator[RunningServer]:
    """A server in memory, for one test."""
    from .testing import running_server

    async with running_server() as server:
        yield server
