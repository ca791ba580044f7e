"""Play schedules: `python -m tests.cluster.simulation [first] [count]`, or `--story seed`.

What a schedule does depends on its seed alone. (PYTHONHASHSEED is 0 unless it is set, in case that
somewhere the order of a set counts.)
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time

import attrs

from .plants import PLANTS
from .playing import WRONG
from .scale import SCALES
from .schedule import play


def main() -> int:
    """Exit with WRONG if anything was wrong; with 1 if a schedule could not be played."""
    parser = argparse.ArgumentParser(prog="tests.cluster.simulation")
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("count", type=int, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of processor time")
    parser.add_argument("--scale", choices=SCALES, default="long")
    parser.add_argument("--trouble", type=float, help="seconds in which faults begin")
    parser.add_argument("--plant", choices=PLANTS, default="", help="what is broken on purpose")
    parser.add_argument("--owned", action="store_true", help="one machine has the store")
    parser.add_argument("--stop", action="store_true", help="after one in which all is not well")
    parser.add_argument("--story", action="store_true", help="tell all that happened")
    parser.add_argument("--json", action="store_true", help="one line for each schedule")
    given = parser.parse_args()
    logging.basicConfig(level=os.environ.get("SIM_LOG", "CRITICAL"))
    scale = SCALES[given.scale]
    if given.trouble is not None:
        scale = attrs.evolve(scale, trouble=given.trouble)
    bad, over = 0, False
    gc.freeze()
    gc.disable()  # a sixth of the time
    for seed in range(given.first, given.first + given.count):
        if over or time.process_time() > given.seconds:
            break
        if not (seed + 1) % 20:
            gc.collect()
        result = play(seed, scale, story=given.story, plant=given.plant, owned=given.owned)
        bad += bool(result.wrong)
        over = over or (given.stop and bool(result.wrong))
        if given.story:
            print("\n".join(result.story))
        if given.json:
            print(json.dumps(attrs.asdict(attrs.evolve(result, story=[]))), flush=True)
        elif result.wrong or given.count == 1:
            print(f"seed {seed}: {result.digest} {result.committed} {result.answers}")
            print("".join(f"  {line}\n" for line in result.wrong[:8]), flush=True)
    print(f"{bad} wrong", file=sys.stderr)
    return WRONG if bad else 0


if __name__ == "__main__":
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.cluster.simulation", *sys.argv[1:]])
    sys.exit(main())
