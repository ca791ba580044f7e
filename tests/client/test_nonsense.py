"""A server that lies: the connection counts as lost, and the next one is tried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, wrap_server_stream

from tinode_py.client import Client, ClientError, Disconnected, Token, connect_over
from tinode_py.client import stay_connected_by as stay

TIME = "2026-01-01T00:00:00.000Z"
INBOX = {"first": 1, "last": 0, "items": []}


async def liar(stream: trio.abc.Stream, lie: str) -> None:
    """A server that greets, logs in, attaches, and then says something."""
    async with trio.open_nursery() as nursery:
        request = await wrap_server_stream(nursery, stream)
        socket = await request.accept()
        try:
            while True:
                for answer in answers(json.loads(await socket.get_message())):
                    await socket.send_message(json.dumps(answer))
                    if "inbox" in str(answer):
                        await trio.sleep(1)
                        await socket.send_message(lie)
        except ConnectionClosed:
            nursery.cancel_scope.cancel()


def answers(packet: dict[str, Any]) -> list[dict[str, Any]]:
    ((kind, body),) = packet.items()
    ident = {"id": body["id"], "ts": TIME}
    if kind == "get":
        return [{"meta": {**ident, "topic": "me", "inbox": INBOX}}]
    params = {"user": "usrAAAAAAAAAAE", "token": "t"} if kind == "login" else {}
    return [{"ctrl": {**ident, "code": 200, "text": "ok", "params": params}}]


LIES = [
    "[]",
    "{}",
    "nonsense",
    '{"data": 5}',
    '{"data": {"seq": 1}}',
    '{"data": {"topic": "usrAAAAAAAAAAE", "content": 1, "ts": "yesterday"}}',
    '{"pres": {}}',
    '{"info": {"topic": "me"}}',
    '{"ctrl": {"code": "x"}}',
    '{"ctrl": {"id": 7, "code": 200}}',
    '{"meta": {"topic": "me", "inbox": {"items": [{"n": "x", "topic": "me"}], "last": 1}}}',
    '{"meta": {"topic": "me", "inbox": {"items": 7, "last": 1}}}',
    '{"meta": {"topic": "me", "inbox": {"items": [], "last": "many"}}}',
]


@pytest.mark.parametrize("lie", LIES)
async def test_the_next_connection_is_tried(autojump_clock, lie: str):
    async with trio.open_nursery() as nursery:

        @asynccontextmanager
        async def dial() -> AsyncIterator[Client]:
            here, there = trio.testing.memory_stream_pair()
            nursery.start_soon(liar, there, lie)
            async with connect_over(here) as client:
                yield client

        async with stay(dial, Token("t")) as chat:
            chat.messages()
            events, lost = chat.events(), 0
            with trio.fail_after(300):
                while lost < 3:
                    lost += isinstance(await anext(events), Disconnected)
        nursery.cancel_scope.cancel()


async def test_who_talks_to_no_server_at_all_is_told(autojump_clock):
    here, there = trio.testing.memory_stream_pair()
    await there.send_all(b"SSH-2.0-OpenSSH\r\n\r\n")
    with pytest.raises(ClientError) as failed:
        async with connect_over(here):
            pass
    assert failed.value.code == 408
