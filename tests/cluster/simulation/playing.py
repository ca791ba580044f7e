"""Schedules played by tests, each time in a process of their own: in what order Trio runs tasks is
the seed's there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from .faults import KINDS

ROOT = Path(__file__).parents[3]
SECONDS = 30  # of processor time for a part of the short ones
MOST = 2000  # schedules in a part
WRONG = 3  # the exit code if anything was
MANY = 100  # after which every kind of fault must have occurred


def played(*arguments: str, hash_seed: int = 0) -> list[dict[str, Any]]:
    """The results, as `schedule.Result` has them, in the order of the seeds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.simulation", "--json", *arguments],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, WRONG), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_part(part: int) -> None:
    """Nothing is wrong after any of the short schedules for which there is time; a part is played
    by a file of its own, since files are what the suite spreads over cores.
    """
    first = part * MOST
    results = played(f"{first}", f"{MOST}", "--scale", "short", "--seconds", f"{SECONDS}")
    wrong = {one["seed"]: one["wrong"] for one in results if one["wrong"]}
    again = "python -m tests.cluster.simulation --scale short --story"
    assert not wrong, f"{wrong}: play one again by {again} {min(wrong)}"
    counts: Counter[str] = Counter()
    for one in results:
        counts.update(one["counts"])
    print(len(results), "schedules", dict(counts))
    missing = {*KINDS, "fenced"} - counts.keys()
    assert not missing or len(results) < MANY
    assert sum(one["committed"] for one in results) > 10 * len(results) > 100
