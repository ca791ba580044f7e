"""The server killed, and PostgreSQL restarted, under load: nothing lost, nothing doubled.

Six people publish over real sockets, as in `test_kill`. In turn the server is killed with
`kill -9`, PostgreSQL is stopped at once and started again, and every process of PostgreSQL is
killed. What was acknowledged, and what readers saw live, must be there, once, as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.durability.test_kill import Content, Ledger, Person, _acquainted, _check, _logged_in
from tests.postgres import Cluster, running_cluster
from tests.process import Gone, Packet, ServerProcess, Talker, serving

PEOPLE = 6
ROUNDS = int(os.environ.get("TINODE_TEST_ROUNDS", "1"))  # of each kind
LEAST = 60  # messages that were acknowledged


@attrs.define(eq=False)
class Patient(Person):
    """Somebody who is told that the store is away, and publishes something else then."""

    refused: int = 0
    codes: set[int] = attrs.field(factory=set)

    async def publish_through(self, talker: Talker) -> None:
        """Publish, one message after the other's answer, whatever the answer is."""
        talker.on_packet = self._see
        with contextlib.suppress(Gone):
            while True:
                await self._one(talker)

    async def _one(self, talker: Talker) -> None:
        topic, talk = self.rng.choice(list(self.topics.items()))
        self._count += 1
        content: Content = {"txt": f"{self.number}-{self._count}", "pad": "ж" * 40}
        ctrl = await talker.ask(pub={"topic": topic, "noecho": True, "content": content})
        if ctrl["code"] == 202:
            self.ledger.acknowledge(talk, ctrl["params"]["seq"], content)
            return
        self.codes.add(ctrl["code"])
        self.refused += 1
        await trio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    with running_cluster(durable=True) as cluster:
        store = ("--store", cluster.database())
        data, ledger = tmp_path / "data", Ledger()
        people = [Patient(n, ledger, random.Random(n)) for n in range(PEOPLE)]
        address = await _acquainted(data, list(people), *store)
        faults = [_kill_server(cluster), _restart(cluster), _kill_database(cluster)] * ROUNDS
        for fault in faults:
            async with serving(data, *store, listen=address) as server:
                await _publish_through(server, people, ledger, fault)
        async with (
            serving(data, *store, listen=address) as server,
            _logged_in(server, list(people)) as talkers,
        ):
            ledger.checked.clear()
            ledger.contents.clear()
            await _check(list(people), talkers, ledger)
    print(json.dumps(_figures(people, ledger, len(faults))))
    assert (ledger.lost, ledger.altered, ledger.doubled, ledger.holes) == (0, 0, 0, 0)
    assert ledger.total() > LEAST
    assert set().union(*(person.codes for person in people)) <= {503}
    assert sum(person.refused for person in people) > 0


Fault = Callable[[ServerProcess], Any]


def _kill_server(cluster: Cluster) -> Fault:
    async def fault(server: ServerProcess) -> None:
        await server.kill()

    return fault


def _restart(cluster: Cluster) -> Fault:
    async def fault(server: ServerProcess) -> None:
        await trio.to_thread.run_sync(cluster.stop, "immediate")
        await trio.to_thread.run_sync(cluster.start)

    return fault


def _kill_database(cluster: Cluster) -> Fault:
    async def fault(server: ServerProcess) -> None:
        await trio.to_thread.run_sync(cluster.kill)
        await trio.to_thread.run_sync(cluster.start)

    return fault


async def _publish_through(
    server: ServerProcess, people: list[Patient], ledger: Ledger, fault: Fault
) -> None:
    """Publish, let it happen, and publish on if the server is still there."""
    async with _logged_in(server, list(people)) as talkers, trio.open_nursery() as nursery:
        await _check(list(people), talkers, ledger)
        for person, talker in zip(people, talkers, strict=True):
            nursery.start_soon(person.publish_through, talker)
        await _until(ledger, ledger.total() + 25)
        await fault(server)
        if server.process.returncode is None:
            await _until(ledger, ledger.total() + 25)
            nursery.cancel_scope.cancel()


async def _until(ledger: Ledger, total: int) -> None:
    with trio.fail_after(40):
        while ledger.total() < total:  # noqa: ASYNC110
            await trio.sleep(0.02)


def _figures(people: list[Patient], ledger: Ledger, faults: int) -> dict[str, Packet | int | str]:
    return {
        "test": "postgres",
        "faults": faults,
        "acked": ledger.total(),
        "refused": sum(person.refused for person in people),
        "lost": ledger.lost,
        "altered": ledger.altered,
        "doubled": ledger.doubled,
        "holes": ledger.holes,
    }
