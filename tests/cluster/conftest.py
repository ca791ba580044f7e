from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from tests.cluster.nodes import Network


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """For tests that ask for `autojump_clock` themselves: pytest-trio wants it so."""
    async with trio.open_nursery() as nursery:
        yield Network(nursery)
        nursery.cancel_scope.cancel()
