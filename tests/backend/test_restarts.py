"""The server killed under load, the program started again: each message once, each event once.

Over real processes and sockets. One writer counts; what a reader of the log is told must be that
count, without a gap and without a double.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.process import serving
from tests.web.v1.conftest import key_for
from tinode_py.backend import Backend, FilePositions, Terms
from tinode_py.testing import RunningServer, running_server

KILLS = 2
PATIENCE = 60
NEVER_GIVES_UP = Terms(patience=math.inf)


@attrs.define(eq=False)
class Play:
    """What was sent, and what was told of."""

    url: str
    key: str
    positions: FilePositions
    sent: int = 0
    told: list[Any] = attrs.field(factory=list)
    lives: int = 0  # of the reader
    stop: bool = False
    all_sent: bool = False

    async def write(self) -> None:
        async with Backend(self.url, self.key, terms=NEVER_GIVES_UP) as backend:
            while not self.stop:
                await backend.send_message(self.sent, user="ext:reader")
                self.sent += 1
        self.all_sent = True

    async def read(self) -> None:
        """Live after life, each ended in the middle of something."""
        chance = random.Random(KILLS)
        while not self.all_told():
            self.lives += 1
            with trio.CancelScope() as scope:
                async with Backend(self.url, self.key, terms=NEVER_GIVES_UP) as backend:
                    await self._read(backend, chance.randint(1, 15), scope)

    async def _read(self, backend: Backend, most: int, scope: trio.CancelScope) -> None:
        kinds = ["message.stored"]
        async for event in backend.events(after=0, kinds=kinds, positions=self.positions):
            assert event.message is not None
            self.told.append(event.message.content)
            most -= 1
            if not most:
                scope.cancel()  # while the next one is waited for
            if self.all_told():
                return

    def all_told(self) -> bool:
        return self.all_sent and len(self.told) == self.sent

    async def wait_sent(self, number: int) -> None:
        with trio.fail_after(PATIENCE):
            while self.sent < number:  # noqa: ASYNC110
                await trio.sleep(0.02)

    async def wait_told(self) -> None:
        with trio.fail_after(PATIENCE):
            while not self.all_told():  # noqa: ASYNC110
                await trio.sleep(0.02)


@asynccontextmanager
async def server_here(data: Path, address: str) -> AsyncIterator[RunningServer]:
    """A server of this process, which ends in good order."""
    place = {"data": str(data), "store": "", "listen": [address]}
    async with running_server(server=place) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path):
    data, moments = tmp_path / "data", random.Random(KILLS)
    async with server_here(data, "127.0.0.1:0") as server:
        play = Play(server.url, await key_for(server), FilePositions(tmp_path / "at.json"))
        async with Backend(play.url, play.key) as backend:
            await backend.create_user(external_id="reader")
    address = play.url.removeprefix("http://")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(play.write)
        nursery.start_soon(play.read)
        for _ in range(KILLS):
            async with serving(data, listen=address) as killed:
                await play.wait_sent(play.sent + moments.randint(10, 30))
                await killed.kill()
        async with server_here(data, address):
            await play.wait_sent(play.sent + 10)
            play.stop = True
            await play.wait_told()
            nursery.cancel_scope.cancel()
    print(json.dumps({"test": "backend", "kills": KILLS, "sent": play.sent, "lives": play.lives}))
    assert play.told == list(range(play.sent))
    assert play.sent >= 10 * KILLS
    assert play.lives > KILLS
