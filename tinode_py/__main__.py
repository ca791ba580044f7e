"""`python -m tinode_py` is the command `tinode-py`, found by its entry point."""

from __future__ import annotations

import importlib.metadata
import sys


def main() -> None:
    """Run the installed command with this process's arguments."""
    scripts = importlib.metadata.entry_points(group="console_scripts", name="tinode-py")
    if not scripts:
        sys.exit("tinode-py is not installed: pip install .")
    command = next(iter(scripts)).load()
    command(prog_name="python -m tinode_py")


if __name__ == "__main__":
    main()
