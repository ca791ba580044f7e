"""Schedules of faults, each of which is replayed exactly from its seed.

`TINODE_SIMULATE=5000` plays so many, from `TINODE_SIMULATE_FROM` on. One that fails is told by
`python -m tests.cluster.simulation SEED --story`.
"""

from __future__ import annotations

import os

import pytest

from tests.cluster.simulation.plants import PLANTS
from tests.cluster.simulation.playing import played

MANY = int(os.environ.get("TINODE_SIMULATE", "4"))
FIRST = int(os.environ.get("TINODE_SIMULATE_FROM", "0"))


@pytest.mark.slow
@pytest.mark.timeout(300 + 60 * MANY)
def test_nothing_is_wrong_after_any_schedule():
    results = played(str(FIRST), str(MANY))
    assert len(results) == MANY
    assert [(one["seed"], one["wrong"]) for one in results if one["wrong"]] == []
    assert all(one["committed"] > 50 and one["seen"] > one["committed"] for one in results)


@pytest.mark.slow
def test_a_schedule_is_replayed_exactly():
    (first,), (again,) = played("7", "1", "--trouble", "5"), played("7", "1", "--trouble", "5")
    assert first == again
    assert first["committed"] > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_schedule_is_replayed_alone_after_others_and_with_other_hashes():
    many = played("94", "13", "--scale", "short")
    assert [one["seed"] for one in many] == [*range(94, 107)]
    assert len({one["digest"] for one in many}) == 13
    assert played("98", "1", "--scale", "short", hash_seed=5) == many[4:5]
    assert played("104", "3", "--scale", "short") == many[10:]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", PLANTS)
def test_a_server_that_is_broken_on_purpose_is_noticed(plant: str):
    results = played("32", "150", "--scale", "short", "--stop", "--plant", plant)
    assert results[-1]["wrong"], PLANTS[plant]
