"""A server without its doors: topics, sessions and the node, and nothing that listens.

There are no pages, no files, no events and no work for later, each of which starts tasks and
builds routes. Sessions are begun as the doors begin them.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs
import trio

from tinode_py.config import Settings
from tinode_py.core.decision import ctrl
from tinode_py.errors import SHUTDOWN
from tinode_py.foundation import Parts, entrance_of, stored, topics
from tinode_py.live.entrance import Entrance
from tinode_py.live.hub import Hub
from tinode_py.live.outbox import ConnectionInfo, Outlet
from tinode_py.live.session import Session
from tinode_py.live.standing import standing_on
from tinode_py.server import wire_limits
from tinode_py.store.watched import News


@attrs.frozen
class Core:
    """What runs of it."""

    hub: Hub
    entrance: Entrance

    def new_session(self, outlet: Outlet, info: ConnectionInfo) -> Session:
        hub, entrance = self.hub, self.entrance
        limits = wire_limits(hub.settings)
        return Session.begin(outlet, info, hub, entrance, limits, entrance.random_bytes)

    async def drain(self) -> None:
        """As `Server.drain`."""
        assert self.hub.companions is not None
        self.hub.companions.begin_drain()
        self.hub.draining = True
        with trio.move_on_after(self.hub.settings.server.drain_seconds):
            await self.hub.wait_idle()
        self.hub.shut_down(ctrl(self.hub.env(), SHUTDOWN))


@contextlib.asynccontextmanager
async def running_core(settings: Settings, parts: Parts) -> AsyncIterator[Core]:
    """As `running`, for a node; a cancellation is a crash, and nothing is drained."""
    async with (
        stored(settings, parts, News()) as ground,
        standing_on(settings, ground.store, bare=True) as (settings, standing),
        topics(standing, ground.store, parts, None, None, ground.companions) as hub,
    ):
        core = Core(hub, entrance_of(standing, parts, ground.store, ground.secrets, hub, None))
        yield core
        await core.drain()
