"""What a store costs over a connection: `python -m tests.benchmarks.farness [rounds]`.

The same questions and commits are put to a file of SQLite directly, and to its owner over a Unix
socket, in one process: processor time of both sides together, and the time until all was
answered. Once one after the other, and once by 200 tasks at a time, which share writes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from tinode_py.changes import AppendMessage, Batch, Committed, PutTopic, PutUser
from tinode_py.cluster.remote.line import Line, Way
from tinode_py.cluster.remote.owner import Identity, Owner
from tinode_py.cluster.remote.store import open_remote
from tinode_py.queries import MessagesIn, Query, UserById
from tinode_py.records import Message, Range, Topic, User
from tinode_py.store.base import Store
from tinode_py.store.sqlite import open_owned

TASKS = 200
USER = "usrAAAAAAAAAAE"
PAGE = MessagesIn(f"grpA{TASKS - 1}", USER, (Range(1, 1000),), 24)
CONTENT = b'"' + b"x" * 100 + b'"'


@attrs.frozen
class Cost:
    """Of one request, in microseconds."""

    processor: float
    elapsed: float


async def measured(work: Callable[[], Awaitable[object]], count: int, tasks: int) -> Cost:
    async def some() -> None:
        for _ in range(count // tasks):
            await work()

    began, used = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(some)
    processor, elapsed = time.process_time() - used, time.perf_counter() - began
    return Cost(processor / count * 1e6, elapsed / count * 1e6)


@contextlib.asynccontextmanager
async def both(folder: Path) -> AsyncIterator[tuple[Store, Store]]:
    """The file, and the same over a socket; each as a node of its own."""
    identity = Identity(b"secret" * 4, 1, "1")
    async with open_owned(folder / "t.db") as owned, trio.open_nursery() as nursery:
        shared = owned.coordination(trio.current_time)
        owned.serve_as(await shared.join("near", "", ""))
        owner = Owner(owned, shared, identity, random_bytes=os.urandom)
        await nursery.start(owner.run)
        listener = trio.SocketListener(await _bound(str(folder / "link")))

        async def accept(stream: trio.SocketStream) -> None:
            await owner.accept(stream, trio.aclose_forcefully)

        nursery.start_soon(trio.serve_listeners, accept, [listener])
        way = Way(partial(trio.open_unix_socket, str(folder / "link")), "far")
        async with open_remote(Line(way, identity, random_bytes=os.urandom)) as far:
            far.serve_as(await far.join("far", "", ""))
            yield owned, far
        nursery.cancel_scope.cancel()


async def _bound(path: str) -> trio.socket.SocketType:
    found = trio.socket.socket(trio.socket.AF_UNIX)
    await found.bind(path)
    found.listen()
    return found


async def compare(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with both(Path(folder)) as (near, far):
            await near.commit(Batch((PutUser(User(USER, 1, 1)),)))
            topics = [f"grpA{n}" for n in range(TASKS)]
            await near.commit(Batch(tuple(PutTopic(Topic(name, 1, 1)) for name in topics)))
            numbers = dict.fromkeys(topics, 0)
            for tasks, count in ((1, 400), (TASKS, 4000)):
                for name, work in _works(numbers).items():
                    costs: dict[str, list[Cost]] = {"near": [], "far": []}
                    for _ in range(rounds):
                        for where, store in (("near", near), ("far", far)):
                            free = list(numbers)
                            cost = await measured(partial(work, store, free), count, tasks)
                            costs[where].append(cost)
                    _show(name, tasks, costs)


def _works(numbers: dict[str, int]) -> dict[str, Callable[[Store, list[str]], Awaitable[object]]]:
    async def fetch(query: Query[Any], store: Store, free: list[str]) -> None:
        await store.fetch(query)

    async def commit(store: Store, free: list[str]) -> None:
        topic = free.pop()
        numbers[topic] += 1
        message = Message(topic, numbers[topic], USER, 1, None, CONTENT)
        assert await store.commit(Batch((AppendMessage(message),))) == Committed()
        free.append(topic)

    return {
        "an account": partial(fetch, UserById(USER)),
        "a message": commit,
        "a page of history": partial(fetch, PAGE),
    }


def _show(name: str, tasks: int, costs: dict[str, list[Cost]]) -> None:
    near, far = (
        Cost(min(it.processor for it in some), min(it.elapsed for it in some))
        for some in costs.values()
    )
    print(
        f"{name}, {tasks} at a time: processor {near.processor:.0f} and {far.processor:.0f} µs"
        f" (x {far.processor / near.processor:.1f}),"
        f" elapsed {near.elapsed:.0f} and {far.elapsed:.0f} µs (x {far.elapsed / near.elapsed:.1f})"
    )


if __name__ == "__main__":
    trio.run(compare, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
