"""Three nodes, each with a network of its own, and cuts between them: the same promises.

Set TINODE_TEST_NAMESPACES=1; it needs root. People publish as in `test_cluster` while nodes lose
each other, one way and both ways, or the database, or all of it, or some of what they send. Where
two nodes have lost each other, topics stay with whom they are with, and answers are 502; what is
measured is how long a topic was away whose node has lost the database, and that everything is well
after each cut.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from tests.durability.fleet import Machine, running_fleet
from tests.durability.namespaces import DATABASE, NETWORK, cut, mend, namespaces, sent_again
from tests.durability.test_cluster import LEASE, Faults, ordeal
from tests.postgres import running_cluster

ROUNDS = int(os.environ.get("TINODE_TEST_NAMESPACES", "0"))


class Cuts(Faults):
    def plan(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.apart, self.one_way, self.lossy, self.no_database, self.alone] * ROUNDS

    async def apart(self) -> None:
        """Two nodes do not reach each other; both reach the database."""
        one, other, _ = self._shuffled()
        await self._cut([(one, other.place.host), (other, one.place.host)])

    async def one_way(self) -> None:
        one, other, _ = self._shuffled()
        await self._cut([(one, other.place.host)])

    async def lossy(self) -> None:
        """A third of what a node sends is lost, some at a time: to the others, to the database, or
        to all of them.
        """
        machine, *others = self._shuffled()
        hosts = [other.place.host for other in others]
        addresses = self.rng.choice([hosts, [DATABASE], [*hosts, DATABASE]])
        before = sent_again(machine.place)
        with trio.move_on_after(5 * LEASE):
            while True:
                for address in addresses:
                    cut(machine.place, address)
                await trio.sleep(self.rng.uniform(0.01, 0.1))
                for address in addresses:
                    mend(machine.place, address)
                await trio.sleep(self.rng.uniform(0.02, 0.2))
        for address in addresses:
            mend(machine.place, address)
        print(f"{sent_again(machine.place) - before} segments were sent again")
        assert sent_again(machine.place) > before
        self.waiting.begin("after loss", set(self.talks))
        await self.waiting.over()

    async def no_database(self) -> None:
        """What a node sends to the database is lost."""
        await self._out("no database", [DATABASE])

    async def alone(self) -> None:
        """A node reaches neither the database nor another node; clients reach it."""
        hosts = [machine.place.host for machine in self.fleet.machines]
        await self._out("alone", [DATABASE, *hosts])

    def _shuffled(self) -> list[Machine]:
        return self.rng.sample(self.fleet.machines, 3)

    async def _cut(self, ways: list[tuple[Machine, str]]) -> None:
        for machine, address in ways:
            cut(machine.place, address)
        await trio.sleep(3 * LEASE)
        for machine, address in ways:
            mend(machine.place, address)
        self.waiting.begin("after a cut between two nodes", set(self.talks))
        await self.waiting.over()

    async def _out(self, kind: str, addresses: list[str]) -> None:
        machine = await self._struck(kind)
        self._only_elsewhere(machine)
        before = await machine.times_joined()
        for address in addresses:
            cut(machine.place, address)
        await self.waiting.over()
        await trio.sleep(LEASE)
        for address in addresses:
            mend(machine.place, address)
        await machine.joined(before + 1)


@pytest.mark.slow
@pytest.mark.timeout(120 + 240 * ROUNDS)
@pytest.mark.skipif(not ROUNDS, reason="TINODE_TEST_NAMESPACES is not set")
async def test_cuts_between_machines(tmp_path: Path) -> None:
    with namespaces(3) as places, running_cluster(durable=True) as cluster:
        cluster.stop()
        cluster.options += f" -c listen_addresses={DATABASE}"
        with (cluster.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NETWORK}.0/24 trust\n")
        cluster.start()

        def reached(url: str) -> str:
            return url.partition("?")[0].replace("@/", f"@{DATABASE}/")

        async with running_fleet(cluster, tmp_path, LEASE, places, reached) as fleet:
            await ordeal(fleet, Cuts)
