"""The command `tinode-py`, which notes what the garbage collector takes from `listening` on.

    python -m tests.benchmarks.collecting {tuned,frozen,stock} FILE serve …

`tuned`: as the command sets it; `frozen`: thresholds are Python's; `stock`: nothing is frozen,
either. At its end it writes FILE: JSON of a `Collections`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

import attrs

from tinode_py.__main__ import main


@attrs.define
class Collections:
    """Of all generations. Times are of the thread's processor time, in seconds."""

    full: int = 0
    longest: float = 0.0
    total: float = 0.0
    _began: float = attrs.field(default=0.0, init=False)

    def note(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._began = now
            return
        took = now - self._began
        self.full += info["generation"] == 2
        self.longest = max(self.longest, took)
        self.total += took


def leave_alone(*_: int) -> None:
    pass


def run(kind: str, into: Path) -> None:
    collections, freeze = Collections(), gc.freeze

    def listening() -> None:
        """In place of `gc.freeze`, which the command calls as soon as it listens."""
        if kind != "stock":
            freeze()
        gc.callbacks.append(collections.note)

    gc.freeze = listening
    if kind != "tuned":
        gc.set_threshold = leave_alone
    try:
        main()
    finally:
        gc.callbacks.clear()
        found = (collections.full, collections.longest, collections.total)
        into.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    run(sys.argv.pop(1), Path(sys.argv.pop(1)))
