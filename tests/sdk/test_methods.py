"""The SDK's public methods, each called at least once against a server (`methods.mjs`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.javascript import node_with
from tests.process import CHEAP_PASSWORDS, serving

HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


async def _told(node: str, data: Path) -> tuple[list[dict[str, object]], str]:
    """What the script told, and what Node said where it broke off."""
    with trio.fail_after(180):
        async with serving(data, *CHEAP_PASSWORDS) as server:
            script = [node, str(HERE / "methods.mjs"), server.address]
            done = await trio.run_process(
                script, capture_stdout=True, capture_stderr=True, check=False
            )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_methods(tmp_path: Path) -> None:
    node = node_with(HERE, "tinode-sdk")
    told, said = trio.run(_told, node, tmp_path / "data")
    assert [line for line in told if "failed" in line] == []
    assert told[-1] == {"uncalled": []}, said
