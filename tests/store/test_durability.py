"""What was acknowledged is there after a restart, however the process ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.store.made import ALL, ANN, BOB, GROUP, PAIR, append, message, people, put, seen, sub
from tinode_py.changes import SetMarks
from tinode_py.changes_backend import PutSecret
from tinode_py.queries import (
    ContactsOf,
    MembersOf,
    MessagesIn,
    Query,
    SubscriptionOf,
    TopicByName,
    UsersById,
)
from tinode_py.queries_backend import SecretNamed
from tinode_py.store.base import Store
from tinode_py.store.sqlite import open_sqlite

ROOT = Path(__file__).parents[2]

EVERYTHING: list[Query[Any]] = [
    UsersById((ANN, BOB)),
    TopicByName(GROUP),
    MembersOf(GROUP),
    ContactsOf(ANN),
    SubscriptionOf(PAIR, BOB),
    MessagesIn(GROUP, ANN, ALL, 100),
    SecretNamed("key"),
]


async def test_a_file_that_is_opened_again(tmp_path):
    path = tmp_path / "t.db"
    async with open_sqlite(path) as store:
        await people(store)
        await put(store, append(1), SetMarks(GROUP, ANN, 1, 1), PutSecret("key", b"\0"))
        before = [await store.fetch(query) for query in EVERYTHING]
    async with open_sqlite(path) as store:
        assert [await store.fetch(query) for query in EVERYTHING] == before
        assert await store.fetch(SubscriptionOf(GROUP, ANN)) == sub(GROUP, ANN, read=1, recv=1)


# Eight tasks publish, each in a topic of its own, and print what was acknowledged.
WRITER = """
import itertools, os, sys, trio
from pathlib import Path
from tests.store.made import append, put, topic
from tinode_py.changes import PutTopic
from tinode_py.store.base import Store
from tinode_py.store.sqlite import open_sqlite

async def publish(store, name):
    await put(store, PutTopic(topic(name)))
    for seq in itertools.count(1):
        await put(store, append(seq, name, content=b'"%d"' % seq))
        os.write(1, f"{name} {seq}\\n".encode())

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store, trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(publish, store, f"grp{n}")

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 40, 700])
async def test_kill_9(tmp_path, lines):
    path = tmp_path / "t.db"
    heard = _killed_after(path, lines)
    acknowledged: dict[str, int] = {}
    for line in heard:
        name, seq = line.split()
        acknowledged[name] = int(seq)
    assert len(heard) == sum(acknowledged.values())  # each number once, in order
    async with open_sqlite(path, inline=True) as store:
        for name, last in acknowledged.items():
            await _check(store, name, last)


async def _check(store: Store, name: str, last: int) -> None:
    stored = await seen(store, where=name, limit=10**6)
    assert stored == [*range(len(stored), 0, -1)]
    assert len(stored) >= last
    (newest,) = await store.fetch(MessagesIn(name, ANN, ALL, 1))
    assert newest == message(newest.seq, name, content=b'"%d"' % newest.seq)
    topic = await store.fetch(TopicByName(name))
    assert topic is not None
    assert topic.seq == len(stored)
    await put(store, append(len(stored) + 1, name))


def _killed_after(path: Path, lines: int) -> list[str]:
    """What a writing process printed until it was killed, at that many lines or a few more."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        return heard + process.stdout.readlines()
