"""People chat through Tinode's own JavaScript client over long polling (`longpoll.mjs`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.javascript import node_with
from tests.process import serving

HERE = Path(__file__).parent
STEPS = [
    "register",
    "find each other",
    "chat both ways",
    "receipts and typing",
    "with somebody on a websocket",
    "all of it is there",
]
pytestmark = pytest.mark.slow


async def _told(node: str, data: Path) -> list[dict[str, str]]:
    with trio.fail_after(180):
        async with serving(data) as server:
            script = [node, str(HERE / "longpoll.mjs"), server.address]
            done = await trio.run_process(script, capture_stdout=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_people_chat(tmp_path: Path) -> None:
    node = node_with(HERE, "tinode-sdk")
    told = trio.run(_told, node, tmp_path / "data")
    assert told == [{"step": step} for step in STEPS]
