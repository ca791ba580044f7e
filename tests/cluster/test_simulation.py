"""Schedules of faults, each of which is replayed exactly from its seed.

`TINODE_SIMULATE=5000` plays so many, from `TINODE_SIMULATE_FROM` on. One that fails is told by
`python -m tests.cluster.simulation SEED --story`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

SECONDS = 8  # of processor time, unless a number is asked for
MANY = int(os.environ.get("TINODE_SIMULATE", "0"))
FIRST = int(os.environ.get("TINODE_SIMULATE_FROM", "0"))


def played(*arguments: str) -> list[dict[str, Any]]:
    """Play schedules in a process of their own: in what order Trio runs tasks is the seed's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.simulation", "--json", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(100_000 if MANY else 300)
def test_nothing_is_wrong_after_any_schedule():
    bound = [] if MANY else ["--seconds", str(SECONDS)]
    results = played(str(FIRST), str(MANY or 20), *bound)
    assert results
    assert [(one["seed"], one["wrong"]) for one in results if one["wrong"]] == []
    assert all(one["committed"] > 50 and one["seen"] > one["committed"] for one in results)


@pytest.mark.slow
def test_a_schedule_is_replayed_exactly():
    (first,), (again,) = played("7", "1", "--trouble", "5"), played("7", "1", "--trouble", "5")
    assert first == again
    assert first["committed"] > 50
