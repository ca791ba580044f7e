"""People send files through Tinode's own JavaScript client (`files.mjs`)."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import trio

from tests.javascript import node_with
from tests.process import serving

HERE = Path(__file__).parent
STEPS = [
    "a picture before there is an account",
    "upload",
    "in a message",
    "download",
    "shown by its address alone",
    "what is refused",
]
pytestmark = pytest.mark.slow


async def _told(node: str, data: Path) -> list[dict[str, str]]:
    with trio.fail_after(180):
        async with serving(data, "--set", "limits.file_size=2000000") as server:
            script = [node, str(HERE / "files.mjs"), server.address]
            done = await trio.run_process(script, capture_stdout=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_people_send_files(tmp_path: Path) -> None:
    node = node_with(HERE, "tinode-sdk")
    told = trio.run(_told, node, tmp_path / "data")
    assert told == [{"step": step} for step in STEPS]
    with sqlite3.connect(tmp_path / "data" / "tinode.db") as db:
        assert db.execute("SELECT refs FROM upload").fetchall() == [(1,), (1,)]
