"""`python -m tests.benchmarks`: servers on one core, the load on the other, and a report.

Not a test: it takes minutes, and says how fast, not whether right.

    python -m tests.benchmarks                     every kind, three runs each
    python -m tests.benchmarks pairs idle          these kinds
    python -m tests.benchmarks --quick             every kind, small and short: does it run?
    python -m tests.benchmarks --into FILE …       adds to that JSON in place of build/
    python -m tests.benchmarks report              fills docs/performance.md in from its JSON
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import tempfile
import time
from pathlib import Path

from . import report
from .figures import Row, together
from .kinds import KINDS
from .machine import LOAD_CORE, Neighbours, pin
from .report import Taken
from .setup import Setup

DOCS = Path(__file__).resolve().parents[2] / "docs"
_QUICK = 0.02


def main() -> None:
    options = _options()
    if options.kinds == ["report"]:
        page, figures = DOCS / "performance.md", report.read(DOCS / "performance.json")
        page.write_text(report.filled(page.read_text("utf-8"), figures), "utf-8")
        return
    pin(LOAD_CORE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for kind in options.kinds or KINDS:
        began = time.monotonic()
        taken = _taken(kind, options)
        known = report.read(options.into) | {kind: taken}
        ordered = {name: known[name] for name in KINDS if name in known}
        report.write(options.into, ordered)
        if options.into.parent != DOCS:  # there it would be in place of the page
            options.into.with_suffix(".md").write_text(report.markdown(ordered), "utf-8")
        print(report.markdown({kind: taken}).partition(f"## {kind}\n\n")[2], flush=True)
        print(f"({time.monotonic() - began:.0f} s)\n", flush=True)


def _taken(kind: str, options: argparse.Namespace) -> Taken:
    """Some runs of one kind, each with servers and files of its own."""
    neighbours = Neighbours.now()
    runs = []
    for _ in range(options.runs):
        # On a real disk: a commit that waits for none measures nothing.
        with tempfile.TemporaryDirectory(dir=options.data) as scratch:
            cache = (options.data or Path("build")).resolve()
            setup = Setup(
                Path(scratch).resolve(), cache, options.seconds, options.rounds, options.size
            )
            gc.collect()
            gc.freeze()
            runs.append([_told(kind, row) for row in KINDS[kind](setup)])
    return Taken.now(together(runs), neighbours.share())


def _told(kind: str, row: Row) -> Row:
    print(f"{kind}: {row.work}: taken", file=sys.stderr, flush=True)
    return row


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each stretch of work")
    parser.add_argument("--rounds", type=int, default=1, help="of each stretch, within a run")
    parser.add_argument("--runs", type=int, default=3, help="each with a server of its own")
    parser.add_argument("--size", type=float, default=1.0, help="by what numbers are multiplied")
    parser.add_argument("--quick", action="store_true", help="one run, small and short")
    parser.add_argument("--data", type=Path, help="a folder on a real disk; large files stay there")
    parser.add_argument("--into", type=Path, default=Path("build/benchmarks.json"))
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, "report", []])
    options = parser.parse_args()
    options.into = options.into.resolve()
    if options.quick:
        options.seconds, options.runs, options.size = 0.3, 1, _QUICK
    return options


if __name__ == "__main__":
    main()
