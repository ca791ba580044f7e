"""Play schedules: `python -m tests.cluster.simulation [first] [count]`, or `--story seed`.

What a schedule does depends on its seed alone if PYTHONHASHSEED is 0; that is seen to.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time

import attrs

from .schedule import TROUBLE, play


def main() -> int:
    """Exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="tests.cluster.simulation")
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("count", type=int, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of processor time")
    parser.add_argument("--trouble", type=float, default=TROUBLE, help="seconds of faults")
    parser.add_argument("--story", action="store_true", help="tell all that happened")
    parser.add_argument("--json", action="store_true", help="one line for each schedule")
    given = parser.parse_args()
    logging.basicConfig(level=os.environ.get("SIM_LOG", "CRITICAL"))
    bad = 0
    for seed in range(given.first, given.first + given.count):
        if time.process_time() > given.seconds:
            break
        result = play(seed, trouble=given.trouble, story=given.story)
        bad += bool(result.wrong)
        if given.story:
            print("\n".join(result.story))
        if given.json:
            print(json.dumps(attrs.asdict(attrs.evolve(result, story=[]))), flush=True)
        elif result.wrong or given.count == 1:
            print(f"seed {seed}: {result.digest} {result.committed} {result.answers}")
            print("".join(f"  {line}\n" for line in result.wrong[:8]), flush=True)
    print(f"{bad} wrong", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.cluster.simulation", *sys.argv[1:]])
    sys.exit(main())
