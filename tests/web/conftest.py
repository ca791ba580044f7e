from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.web.files import Site, opened
from tests.web.parts import NewWorld, World, make_world


@asynccontextmanager
async def served(
    listeners: list[trio.SocketListener] | None = None, **settings: Any
) -> AsyncIterator[World]:
    made = {name: settings.pop(name) for name in ("tls", "pages", "routes") if name in settings}
    world = make_world(settings, **made)
    async with trio.open_nursery() as nursery:
        await nursery.start(world.front.serve, listeners or [])
        yield world
        nursery.cancel_scope.cancel()


@pytest.fixture
def serving() -> NewWorld:
    """`async with serving(limits={…}) as world`."""
    return served


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server with its files, as Alice uses it."""
    async with opened() as site:
        yield site
