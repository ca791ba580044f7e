"""Two people chat through Tinode's own JavaScript client, over a server that is killed.

`chat.mjs` is the conversation; here it gets a server, loses it in the middle and gets it
back on the same data. Each step of the conversation is one test.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.javascript import node_with
from tests.process import serving

HERE = Path(__file__).parent
STEPS = [
    "register",
    "find each other",
    "chat with formatted text",
    "receipts",
    "typing",
    "presence",
    "profile",
    "group and invitation",
    "history by pages",
    "come back after a kill",
    "read it all again",
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each step that was begun: an empty text, or why it failed."""
    node = node_with(HERE, "tinode-sdk")
    return trio.run(_conversation, node, tmp_path_factory.mktemp("sdk") / "data")


@pytest.mark.parametrize("step", STEPS)
def test_step(outcomes: dict[str, str], step: str) -> None:
    assert outcomes.get(step, "not reached") == ""


def test_every_step_is_listed(outcomes: dict[str, str]) -> None:
    assert [*outcomes] == STEPS[: len(outcomes)]


async def _conversation(node: str, data: Path) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    with trio.fail_after(240):
        async with serving(data) as server:
            chat = await trio.lowlevel.open_process(
                [node, str(HERE / "chat.mjs"), server.address], stdout=subprocess.PIPE
            )
            told = _lines(chat)
            await _until_kill(told, outcomes)
            await server.kill()
        async with serving(data, listen=server.address):
            await _until_kill(told, outcomes)
            await chat.wait()
    return outcomes


async def _until_kill(told: AsyncIterator[dict[str, Any]], outcomes: dict[str, str]) -> None:
    """Note what the conversation tells, until it asks for a kill or ends."""
    async for line in told:
        if "kill" in line:
            return
        if "step" in line:
            outcomes[line["step"]] = line.get("failed", "")


async def _lines(process: trio.Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None
    rest = b""
    async for chunk in process.stdout:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)
