"""The SDK's public methods, each called at least once against a server (`methods.mjs`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.javascript import node_with
from tests.process import CHEAP_PASSWORDS, serving

HERE = Path(__file__).parent

# Called by `chat.mjs`, or at work on what the client has in memory only.
IN_CHAT = ("Topic.findMessage", "Topic.getMessagesPage", "Topic.messages", "Topic.minMsgSeq")
LOCAL = (
    "Tinode.clearStorage",
    "Tinode.reconnect",
    "Topic.cancelSend",
    "Topic.delMessagesEdits",
    "Topic.isNewMessage",
    "Topic.latestMsgVersion",
    "Topic.messageCount",
    "Topic.messageVersions",
    "Topic.msgHasMoreMessages",
    "Topic.p2pPeerDesc",
    "Topic.pinTopic",
    "Topic.pinnedTopicRank",
    "Topic.queuedMessages",
    "Topic.setAccessMode",
)
pytestmark = pytest.mark.slow


async def _told(node: str, data: Path) -> list[dict[str, object]]:
    with trio.fail_after(60):
        async with serving(data, *CHEAP_PASSWORDS) as server:
            script = [node, str(HERE / "methods.mjs"), server.address]
            done = await trio.run_process(script, capture_stdout=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_methods(tmp_path: Path) -> None:
    node = node_with(HERE, "tinode-sdk")
    told = trio.run(_told, node, tmp_path / "data")
    assert [line for line in told if "failed" in line] == []
    assert told[-1] == {"uncalled": sorted({*IN_CHAT, *LOCAL})}
