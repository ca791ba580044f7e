"""The naive way: a stock trio-websocket server that makes each message anew for each reader, with
`json.dumps` and `send_message`, and writes each publication in a transaction of its own.

    python -m tests.benchmarks.naive fan-out
    python -m tests.benchmarks.naive durable DATABASE GROUP
    python -m tests.benchmarks.naive page DATABASE

Connections are numbered as they come: in `fan-out` the first one writes to all others, in
`durable` every `group`-th one to those that follow it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from .raw import SELECT_PAGE, Writer, filled_topics

Answering = Callable[[list[WebSocketConnection], int, dict[str, Any]], Awaitable[None]]
_WHEN = "2026-01-01T00:00:00.000Z"


async def serve(answer: Answering) -> None:
    connections: list[WebSocketConnection] = []

    async def converse(request: WebSocketRequest) -> None:
        connection = await request.accept()
        connections.append(connection)
        number = len(connections) - 1
        with contextlib.suppress(ConnectionClosed):
            while True:
                await answer(connections, number, json.loads(await connection.get_message()))

    async with trio.open_nursery() as nursery:
        served = await nursery.start(serve_websocket, converse, "127.0.0.1", 0, None)
        print(f"naive on {served.port}", file=sys.stderr, flush=True)


async def _publish(
    author: WebSocketConnection, readers: list[WebSocketConnection], pub: dict[str, Any]
) -> None:
    """The answer, and the message to all. The number is of one length, as sizes are counted on."""
    seq, topic = 100_000, pub["topic"]
    params = {"seq": seq}
    ctrl = {"id": pub["id"], "topic": topic, "params": params, "code": 202, "ts": _WHEN}
    await author.send_message(json.dumps({"ctrl": ctrl}))
    for reader in readers:
        data = {"topic": topic, "from": "usr", "ts": _WHEN, "seq": seq, "content": pub["content"]}
        await reader.send_message(json.dumps({"data": data}))


def fan_out() -> Answering:
    async def answer(all_: list[WebSocketConnection], n: int, packet: dict[str, Any]) -> None:
        await _publish(all_[n], all_[1:], packet["pub"])

    return answer


def durable(path: str, group: int) -> Answering:
    writer = Writer(path, group)

    async def answer(all_: list[WebSocketConnection], n: int, packet: dict[str, Any]) -> None:
        writer.write([(n, 1)])
        await _publish(all_[n], all_[n + 1 : n + group], packet["pub"])

    return answer


def page(path: str) -> Answering:
    topics = filled_topics(path)
    db = sqlite3.connect(path, isolation_level=None)

    async def answer(all_: list[WebSocketConnection], n: int, packet: dict[str, Any]) -> None:
        for topic, seq, sender, _, _, content, *_ in db.execute(SELECT_PAGE, (topics[n],)):
            text = json.loads(content)
            data = {"topic": topic, "from": sender, "ts": _WHEN, "seq": seq, "content": text}
            await all_[n].send_message(json.dumps({"data": data}))
        ctrl = {"id": packet["get"]["id"], "code": 208, "ts": _WHEN}
        await all_[n].send_message(json.dumps({"ctrl": ctrl}))

    return answer


def main(kind: str, *arguments: str) -> None:
    made: Mapping[str, Callable[..., Answering]] = {
        "fan-out": fan_out,
        "durable": durable,
        "page": page,
    }
    answer = made[kind](*(int(a) if a.isdecimal() else a for a in arguments))
    trio.run(serve, answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
