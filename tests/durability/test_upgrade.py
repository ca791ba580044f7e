"""A rolling upgrade: three nodes under load, one after the other ended and started in a version
with a newer schema, which allows the older one beside it. Nothing is lost, doubled or missed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from pathlib import Path

import pytest

from tests.durability.fleet import Fleet, running_fleet
from tests.durability.test_cluster import LEASE, Faults, ordeal
from tests.postgres import running_cluster
from tinode_py.store.postgres.migrate import newest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCHEMA = """SELECT schema, beside FROM tinode_py"""
MEMBERS = """SELECT count(*) FROM node"""


def next_version(folder: Path) -> int:
    """Make a version of this server that has one migration more; the number of that."""
    number = newest() + 1
    with resources.as_file(resources.files("tinode_schema")) as schema:
        shutil.copytree(schema, folder / "tinode_schema")
    script = "ALTER TABLE topic ADD COLUMN made_up TEXT;\n"
    for kind in ("sqlite", "postgres"):
        place = folder / "tinode_schema" / kind / f"{number:04}_made_up.sql"
        place.write_text(f"-- beside: {number - 1}\n{script}", "utf-8")
    return number


def found(fleet: Fleet, question: str) -> tuple[int, ...]:
    with fleet.cluster.connect(fleet.database) as asked:
        row = asked.execute(question).fetchone()
        assert row is not None
        return tuple(row)


class Upgrade(Faults):
    """Each node is ended, and comes back in the next version."""

    async def upgrade(self, number: int) -> None:
        machine, fleet = self.fleet.machines[number], self.fleet
        paths = (str(machine.folder.parent / "next"), os.environ.get("PYTHONPATH", ""))
        machine.environ = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.waiting.begin("upgrade", fleet.owned(machine) & self.talks)
        await machine.end()
        assert machine.code == 0
        await self.waiting.over()
        await machine.up()
        assert found(fleet, SCHEMA) == (newest() + 1, newest())

    async def go_back(self) -> None:
        """The older version may be started again beside the newer ones."""
        machine = self.fleet.machines[0]
        machine.environ = {}
        self.waiting.begin("going back", self.fleet.owned(machine) & self.talks)
        await machine.end()
        await self.waiting.over()
        await machine.up()
        assert found(self.fleet, MEMBERS) == (3,)

    def plan(self) -> list[Callable[[], Awaitable[None]]]:
        numbers = range(len(self.fleet.machines))
        return [*(partial(self.upgrade, number) for number in numbers), self.go_back]


async def test_nodes_are_upgraded_one_after_the_other(tmp_path: Path) -> None:
    next_version(tmp_path / "next")
    with running_cluster(durable=True) as cluster:
        async with running_fleet(cluster, tmp_path, LEASE) as fleet:
            assert found(fleet, SCHEMA)[0] == newest()
            await ordeal(fleet, Upgrade)
