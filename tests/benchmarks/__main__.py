"""`python -m tests.benchmarks`: a server on one core, the load on the other, and a report.

Not a test: it takes minutes, and says how fast, not whether right.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from . import measures
from .machine import LOAD_CORE, pin, start, stop
from .measures import Bench, Result
from .people import settle
from .report import Report

KINDS: Mapping[str, Callable[[Bench], Iterator[Result]]] = {
    "fan-out": lambda bench: measures.fan_out(bench, 1000),
    "pairs": measures.pairs,
    "rooms": measures.rooms,
    "history": measures.history,
    "coming": measures.coming,
}
_SETTINGS = (
    "limits.topic_subscribers=100000",
    "log.level=warning",
    "server.ping_seconds=3600",  # the load answers no pings
    "server.read_timeout=3600",
)


def main() -> None:
    options = _options()
    pin(LOAD_CORE)
    # On a real disk: a commit that waits for none measures nothing.
    with tempfile.TemporaryDirectory(dir=options.data) as scratch:
        folder = Path(scratch) / "data"
        people = settle(folder, count=2100, pairs=100, rooms=50)
        gc.freeze()
        command = [sys.executable, "-m", "tinode_py", "serve", "--data", str(folder)]
        command += ["--listen", f"127.0.0.1:{options.port}"]
        for setting in _SETTINGS:
            command += ["--set", setting]
        results, held = [], 0.0
        for kind in options.only or (*KINDS, "memory"):
            process, line = start(command, "listening on")
            port = int(line.rpartition(":")[2])
            bench = Bench(process.pid, port, people, Path(scratch), options.seconds, options.rounds)
            try:
                if kind == "memory":
                    held = measures.memory(bench, 2000)
                else:
                    for result in KINDS[kind](bench):
                        results.append(result)
                        print(Report((result,), 0, 0, 0).markdown().splitlines()[2], flush=True)
            finally:
                stop(process)
        report = Report(tuple(results), held, options.seconds, options.rounds)
    report.write(options.out)
    print(report.markdown())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--out", type=Path, default=Path("build"), help="where the report goes")
    parser.add_argument("only", nargs="*", choices=[*KINDS, "memory", []])
    return parser.parse_args()


if __name__ == "__main__":
    main()
