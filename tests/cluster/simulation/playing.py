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
PART = 504  # short schedules in a part
WRONG = 3  # the exit code if anything was


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
    """Nothing is wrong after any of the short schedules of a part, in which every kind of fault
    occurs; a part is played by a file of its own, since files are what the suite spreads over
    cores.
    """
    results = check_short(range(part * PART, (part + 1) * PART))
    counts: Counter[str] = Counter()
    for one in results:
        counts.update(one["counts"])
    print(dict(counts))
    assert not {*KINDS, "fenced"} - counts.keys()
    assert sum(one["committed"] for one in results) > 10 * PART


def check_short(seeds: range, *arguments: str) -> list[dict[str, Any]]:
    """So many short schedules are played, and nothing is wrong after any; gives the results."""
    how = ("--scale", "short", *arguments)
    results = played(str(seeds.start), str(len(seeds)), *how)
    print(len(results), "schedules were played, from seed", seeds.start, *arguments)
    wrong = {one["seed"]: one["wrong"] for one in results if one["wrong"]}
    again = " ".join(("python -m tests.cluster.simulation", *how, "--story"))
    assert not wrong, f"{wrong}: play one again by {again} {min(wrong)}"
    assert [one["seed"] for one in results] == [*seeds]
    return results
