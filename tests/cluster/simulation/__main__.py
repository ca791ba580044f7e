"""Play schedules: `python -m tests.cluster.simulation [first] [count]`, or `--story seed`.

What a schedule does depends on its seed alone: those that come before it on the same cluster are
played with it, and told of only if anything is wrong after one of them. After such a one no more
is played on that cluster. (PYTHONHASHSEED is 0 unless it is set, in case that
somewhere the order of a set counts.)
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys

import attrs

from .plants import PLANTS
from .playing import WRONG
from .scale import SCALES
from .schedule import Course, Result, first_of, play_until


def main() -> int:
    """Exit with WRONG if anything was wrong; with 1 if a schedule could not be played."""
    given = _given()
    logging.basicConfig(level=os.environ.get("SIM_LOG", "CRITICAL"))
    scale = SCALES[given.scale]
    if given.trouble is not None:
        scale = attrs.evolve(scale, trouble=given.trouble)
    course = Course(scale, given.story, given.plant, given.owned)
    wanted = range(given.first, given.first + given.count)
    bad = 0
    gc.freeze()
    gc.disable()  # a sixth of the time
    for first in range(first_of(wanted.start, scale), wanted.stop, scale.rounds):
        results: list[Result] = []
        play_until(min(first + scale.rounds, wanted.stop) - 1, course, results.append)
        for result in results:
            if result.seed in wanted or result.wrong:
                _tell(given, result)
        bad += sum(bool(result.wrong) for result in results)
        if bad and given.stop:
            break
        gc.collect()
    print(f"{bad} wrong", file=sys.stderr)
    return WRONG if bad else 0


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.cluster.simulation")
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("count", type=int, nargs="?", default=1)
    parser.add_argument("--scale", choices=SCALES, default="long")
    parser.add_argument("--trouble", type=float, help="seconds in which faults begin")
    parser.add_argument("--plant", choices=PLANTS, default="", help="what is broken on purpose")
    parser.add_argument("--owned", action="store_true", help="one machine has the store")
    parser.add_argument("--stop", action="store_true", help="after one in which all is not well")
    parser.add_argument("--story", action="store_true", help="tell all that happened")
    parser.add_argument("--json", action="store_true", help="one line for each schedule")
    return parser.parse_args()


def _tell(given: argparse.Namespace, result: Result) -> None:
    if given.story:
        print("\n".join(result.story))
    if given.json:
        print(json.dumps(attrs.asdict(attrs.evolve(result, story=[]))), flush=True)
    elif result.wrong or given.count == 1:
        print(f"seed {result.seed}: {result.digest} {result.committed} {result.answers}")
        print("".join(f"  {line}\n" for line in result.wrong[:8]), flush=True)


if __name__ == "__main__":
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.cluster.simulation", *sys.argv[1:]])
    sys.exit(main())
