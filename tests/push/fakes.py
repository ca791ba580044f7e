"""A pusher that keeps what it is handed, and a server with one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs
import trio.testing

from tinode_py.push.base import Follow, Notification, Push, PushError
from tinode_py.server import Parts
from tinode_py.testing import CheapHasher, RunningServer, running_server, trio_clock


@attrs.define
class FakePusher:
    """Takes everything at once. `errors` are raised first; `gone` is answered once."""

    devices_only: bool = False
    name: str = "fake"
    taken: list[Notification] = attrs.field(factory=list)
    errors: list[PushError] = attrs.field(factory=list)
    gone: list[str] = attrs.field(factory=list)
    batches: int = 0

    async def push(self, batch: Sequence[Notification]) -> Sequence[str]:
        self.batches += 1
        if self.errors:
            raise self.errors.pop(0)
        self.taken += batch
        gone, self.gone = self.gone, []
        return gone

    def pushes(self) -> list[Push]:
        """What was told since the last call."""
        found = [item for item in self.taken if isinstance(item, Push)]
        self.taken = [item for item in self.taken if not isinstance(item, Push)]
        return found

    def follows(self) -> list[Follow]:
        found = [item for item in self.taken if isinstance(item, Follow)]
        self.taken = [item for item in self.taken if not isinstance(item, Follow)]
        return found


@contextlib.asynccontextmanager
async def pushing_server(pusher: FakePusher, **settings: Any) -> AsyncIterator[RunningServer]:
    parts = Parts(trio_clock(), os.urandom, CheapHasher(), inline=True, pushers=(pusher,))
    async with running_server(parts=parts, **settings) as server:
        yield server


async def settle() -> None:
    """Until nothing more happens by itself."""
    await trio.testing.wait_all_tasks_blocked()
