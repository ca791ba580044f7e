"""The server killed by `kill -9` ten times under load: clients that stay connected do not notice.

Writers publish to a group and to a reader, whose program is started again in the middle. The
reader must be shown every publication that was asked for, once, in order.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.process import serving
from tinode_py.client import Chat, FilePositions, Register, stay_connected

KILLS = 10
WRITERS = 4
IMPATIENT: dict[str, Any] = {"longest": 0.3, "patience": math.inf}
PATIENCE = 60  # seconds for what is left after the last kill


@attrs.define(eq=False)
class Play:
    """What was published, and what was shown."""

    url: str
    folder: Path
    reader: str = ""
    group: str = ""
    asked: dict[tuple[str, str], int] = attrs.field(factory=lambda: defaultdict(int))
    shown: dict[tuple[str, str], list[int]] = attrs.field(factory=lambda: defaultdict(list))
    stop: trio.Event = attrs.field(factory=trio.Event)
    again: trio.Event = attrs.field(factory=trio.Event)  # the reader is to start again

    def login(self, name: str) -> Register:
        return Register(name, f"{name}'s password")

    async def write(self, name: str) -> None:
        rng = random.Random(name)
        async with stay_connected(self.url, self.login(name), **IMPATIENT) as chat:
            while not self.stop.is_set():
                topic = rng.choice((self.group, self.reader))
                key = ("group" if topic == self.group else "private", chat.user)
                number, self.asked[key] = self.asked[key], self.asked[key] + 1
                await chat.publish(topic, number)
                await trio.sleep(rng.random() * 0.02)

    async def read(self) -> None:
        while not self._all_shown():
            positions = FilePositions(self.folder / "positions.json")
            login = self.login("reader")
            async with stay_connected(
                self.url, login, positions=positions, follow=(self.group,), **IMPATIENT
            ) as chat:
                await self._show(chat)

    async def _show(self, chat: Chat) -> None:
        async for message in chat.messages():
            kind = "group" if message.topic == self.group else "private"
            self.shown[kind, message.sender].append(message.content)
            if self.again.is_set() or self._all_shown():
                self.again = trio.Event()
                return

    async def wait_all_shown(self) -> None:
        while True:
            if self._all_shown():
                return
            await trio.sleep(0.1)

    def _all_shown(self) -> bool:
        return self.stop.is_set() and sum(self.asked.values()) == sum(map(len, self.shown.values()))


async def prepare(play: Play) -> None:
    """A reader who is in a group, and his positions."""
    positions = FilePositions(play.folder / "positions.json")
    async with stay_connected(play.url, play.login("reader"), positions=positions) as chat:
        play.reader = chat.user
        play.group = (await (await chat.session()).sub("new1")).topic
        await chat.follow(play.group)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nobody_notices(tmp_path: Path) -> None:
    data, moments = tmp_path / "data", random.Random(KILLS)
    async with serving(data) as server:
        play, address = Play(server.url, tmp_path), server.address
        await prepare(play)
        await server.kill()
    async with trio.open_nursery() as nursery:
        for number in range(WRITERS):
            nursery.start_soon(play.write, f"writer{number}")
        nursery.start_soon(play.read)
        for kill in range(KILLS):
            async with serving(data, listen=address) as server:
                await trio.sleep(moments.uniform(0.8, 2.0))
                if kill == KILLS // 2:
                    play.again.set()
                await server.kill()
        async with serving(data, listen=address):
            play.stop.set()
            with trio.fail_after(PATIENCE):
                await play.wait_all_shown()
            nursery.cancel_scope.cancel()
    shown = sum(map(len, play.shown.values()))
    print(json.dumps({"test": "client-kill", "kills": KILLS, "published": shown}))
    assert len(play.shown) == 2 * WRITERS
    assert {key: len(numbers) for key, numbers in play.shown.items()} == dict(play.asked)
    for numbers in play.shown.values():
        assert numbers == list(range(len(numbers)))
    assert shown > KILLS * WRITERS
