"""People meet in rooms through Tinode's own JavaScript client (`rooms.mjs`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from tests.javascript import node_with
from tests.sdk.test_files import HERE
from tests.web.v1.conftest import key_for
from tinode_py.testing import running_server

STEPS = ["come", "speak", "go", "be brought in and put out"]
pytestmark = pytest.mark.slow


async def _told(node: str) -> list[dict[str, Any]]:
    with trio.fail_after(180):
        async with running_server(rooms={"clients": "create"}) as server:
            address = server.url.removeprefix("http://")
            script = [node, str(HERE / "rooms.mjs"), address, await key_for(server)]
            done = await trio.run_process(script, capture_stdout=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_people_meet():
    assert trio.run(_told, node_with(HERE, "tinode-sdk")) == [{"step": step} for step in STEPS]
