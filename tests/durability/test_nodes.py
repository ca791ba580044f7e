"""A node is stopped or killed while it writes; another one takes its topics over at once.

Nothing that either had acknowledged is lost or altered, and what the first one sends once it
runs again is refused: no two owners of a topic both acknowledge.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from tests.postgres import Cluster
from tests.store.made import ALL, ANN, append, put, sub, topic
from tests.store.postgres.nodes import Node, node
from tinode_py.changes import PutSubscription, PutTopic
from tinode_py.queries import MessagesIn, TopicByName

TOPICS = [f"grpNode{n}" for n in range(8)]
ROUNDS = int(os.environ.get("TINODE_TEST_ROUNDS", "1"))  # of each kind
PATIENCE = 40
Stored = dict[tuple[str, int], bytes]


@attrs.define(eq=False)
class Child:
    """A process of `writing_node`, and what it has said so far."""

    process: trio.Process
    node: int = 0
    acknowledged: set[tuple[str, int]] = attrs.field(factory=set)
    fenced: bool = False
    _rest: bytes = b""
    _news: trio.Event = attrs.field(factory=trio.Event)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for piece in self.process.stdout:
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                self._heard(line.decode().split())
            self._news.set()
            self._news = trio.Event()

    def _heard(self, words: list[str]) -> None:
        if len(words) == 2:
            self.acknowledged.add((words[0], int(words[1])))
        elif words == ["fenced"]:
            self.fenced = True
        else:
            self.node = int(words[0])

    async def until(self, count: int) -> None:
        with trio.fail_after(PATIENCE):
            while len(self.acknowledged) < count:
                await self._news.wait()


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[Child]:
    line = [sys.executable, "-m", "tests.durability.writing_node", url, *TOPICS]
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(line, stdout=subprocess.PIPE)
        child = Child(process)
        nursery.start_soon(child.listen)
        try:
            yield child
            with trio.fail_after(PATIENCE):
                await process.wait()
        finally:
            process.kill()


async def _taken_over(me: Node, mine: Stored) -> None:
    """Every topic is claimed, read, and published to."""
    owners = await me.shared.claim(me.id, TOPICS)
    assert set(owners.values()) == {me.id}
    for name in TOPICS:
        known = await me.store.fetch(TopicByName(name))
        assert known is not None
        for seq in range(known.seq + 1, known.seq + 4):
            await put(me.store, append(seq, name, content=b'"mine"'))
            mine[name, seq] = b'"mine"'


async def _stored(me: Node) -> Stored:
    return {
        (name, m.seq): m.content
        for name in TOPICS
        for m in await me.store.fetch(MessagesIn(name, ANN, ALL, 100_000))
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_two_owners_both_acknowledge(cluster: Cluster) -> None:
    url = cluster.database()
    expected: Stored = {}
    refused = 0
    async with node(url) as me:
        await put(me.store, *(PutTopic(topic(name)) for name in TOPICS))
        await put(me.store, *(PutSubscription(sub(name)) for name in TOPICS))
        for how in [signal.SIGSTOP, signal.SIGKILL] * ROUNDS:
            async with writing(url) as child:
                await child.until(60)
                child.process.send_signal(how)
                with trio.fail_after(PATIENCE):
                    assert await me.shared.fence(child.node, -1.0)
                before = await _stored(me)
                mine: Stored = {}
                await _taken_over(me, mine)
                if how == signal.SIGSTOP:
                    child.process.send_signal(signal.SIGCONT)
            assert child.fenced == (how == signal.SIGSTOP)
            refused += child.fenced
            for key in child.acknowledged:
                expected[key] = f'"{child.node}"'.encode()
            expected.update(mine)
            stored = await _stored(me)
            assert stored == before | mine, "nothing of the first came after the fence"
            lost = {key for key, content in expected.items() if stored.get(key) != content}
            assert lost == set()
            await me.shared.release(me.id, TOPICS)
    for name in TOPICS:
        numbers = sorted(seq for where, seq in stored if where == name)
        assert numbers == [*range(1, len(numbers) + 1)]
    figures = {"acked": len(expected), "stored": len(stored), "lost": 0, "refused": refused}
    print(json.dumps({"test": "nodes", "faults": 2 * ROUNDS} | figures))
