"""What it costs to write as a node of a cluster, beside a server by itself: `python -m
tests.benchmarks.nodes`.

The store alone, on a PostgreSQL that syncs its log: no sockets, no topics. Each writer is a
process in which tasks commit batches for their own topics, one after the other's answer. A server
by itself, one node, and two nodes at once, each with a database of its own on the same PostgreSQL,
take short turns; the median of the rounds counts, and that of their ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import trio

from tests.postgres import running_cluster
from tests.store.made import append, put, sub, topic
from tinode_py.changes import Batch, Change, PutSubscription, PutTopic
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.coordination import open_coordination
from tinode_py.store.postgres.store import PostgresStore, open_postgres

KINDS = {  # senders, and whether their batches are written by the one statement
    "100 that publish": (100, True),
    "1 that publishes": (1, True),
    "20 that change a subscription": (20, False),
}
ALONE = "alone"
MODES = {"a server by itself": [ALONE], "one node": ["a"], "two nodes": ["a", "b"]}
Writer = subprocess.Popen[str]


async def _serve(url: str, name: str, senders: int, hot: bool, seconds: float) -> None:
    """For each line that comes in commit for a while, and say how often."""
    address = Address.of(url)
    async with (
        open_postgres(address, connections=2, shared=name != ALONE) as store,
        open_coordination(address) as shared,
    ):
        if name != ALONE:
            store.serve_as(await shared.join(name, "x:1", "https://x"))
        counts = {f"grp{name}{n}": 0 for n in range(senders)}
        await put(store, *(PutTopic(topic(each)) for each in counts))
        print("ready", flush=True)
        while sys.stdin.readline():
            before, until = sum(counts.values()), trio.current_time() + seconds
            async with trio.open_nursery() as nursery:
                for each in counts:
                    nursery.start_soon(_send, store, each, hot, counts, until)
            print(sum(counts.values()) - before, flush=True)


async def _send(
    store: PostgresStore, where: str, hot: bool, counts: dict[str, int], until: float
) -> None:
    while trio.current_time() < until:
        change: Change = append(counts[where] + 1, where) if hot else PutSubscription(sub(where))
        await store.commit(Batch((change,)))
        counts[where] += 1


@contextlib.contextmanager
def _writers(url: str, names: list[str], kind: str, seconds: float) -> Iterator[list[Writer]]:
    line = [sys.executable, "-m", "tests.benchmarks.nodes", "--url", url, "--kind", kind]
    made = [
        subprocess.Popen(
            [*line, "--name", name, "--seconds", str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for writer in made:
            assert _said(writer) == "ready"
        yield made
    finally:
        for writer in made:
            writer.communicate()


def _said(writer: Writer) -> str:
    assert writer.stdout is not None
    return writer.stdout.readline().strip()


def _round(writers: list[Writer]) -> float:
    """Commits a second of all together."""
    began = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        print(file=writer.stdin, flush=True)
    return sum(int(_said(writer)) for writer in writers) / (time.perf_counter() - began)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=0.5)
    asked.add_argument("--rounds", type=int, default=20)
    for name in ("--url", "--kind", "--name"):
        asked.add_argument(name, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.url:
        senders, hot = KINDS[given.kind]
        trio.run(partial(_serve, given.url, given.name, senders, hot, given.seconds))
        return
    with running_cluster(durable=True) as cluster:
        for kind in KINDS:
            with contextlib.ExitStack() as stack:
                sides = {
                    mode: stack.enter_context(
                        _writers(cluster.database(), names, kind, given.seconds)
                    )
                    for mode, names in MODES.items()
                }
                rounds = [
                    [_round(writers) for writers in sides.values()] for _ in range(given.rounds)
                ]
            for n, mode in enumerate(MODES):
                rate = statistics.median(each[n] for each in rounds)
                ratio = statistics.median(each[n] / each[0] for each in rounds)
                print(f"{kind}, {mode}: {rate:.0f} a second, {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
