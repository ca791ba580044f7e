"""The command `tinode-py`, with the garbage collector as Python has it: for comparison only.

    python -m tests.benchmarks.untuned {frozen,stock} serve …

`frozen`: thresholds are left alone; `stock`: nothing is frozen, either.
"""

from __future__ import annotations

import gc
import sys

from tinode_py.__main__ import main


def leave_alone(*_: int) -> None:
    pass


if __name__ == "__main__":
    kind = sys.argv.pop(1)
    gc.set_threshold = leave_alone
    if kind == "stock":
        gc.freeze = leave_alone
    main()
