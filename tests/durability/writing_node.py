"""A process that writes as a node until it is refused: for `test_nodes`.

It says its number, then `topic seq` for every message that was acknowledged, and in the end
`fenced`.
"""

from __future__ import annotations

import sys

import trio

from tests.store.made import append
from tinode_py.changes import Batch, Committed
from tinode_py.errors import Fenced, StoreError
from tinode_py.queries import TopicByName
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.coordination import open_coordination
from tinode_py.store.postgres.store import PostgresStore, open_postgres


async def main(url: str, topics: list[str]) -> None:
    address = Address.of(url)
    async with (
        open_postgres(address, connections=2, shared=True) as store,
        open_coordination(address) as shared,
    ):
        node = await shared.join("child", "x:1", "https://x")
        store.serve_as(node)
        owners = await shared.claim(node, topics)
        assert set(owners.values()) == {node}
        say(str(node))
        async with trio.open_nursery() as nursery:
            for topic in topics:
                nursery.start_soon(publish, store, topic, f'"{node}"'.encode())
        say("fenced")


async def publish(store: PostgresStore, topic: str, content: bytes) -> None:
    known = await store.fetch(TopicByName(topic))
    assert known is not None
    seq = known.seq + 1
    while True:
        try:
            outcome = await store.commit(Batch((append(seq, topic, content=content),)))
        except Fenced:
            return
        except StoreError:
            continue
        assert outcome == Committed(), outcome
        say(f"{topic} {seq}")
        seq += 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2:])
