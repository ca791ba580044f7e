"""What is measured about a process, and where processes run."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, also those that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def waited_seconds(pid: int) -> float:
    """How long the threads of a process could have run, and waited for a core that others had."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    nanoseconds = sum(int((it / "schedstat").read_text("ascii").split()[1]) for it in threads)
    return nanoseconds / 1e9


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


def pin(core: int) -> None:
    """Keep this process on one core, if the machine has it. What its parent was kept on does not
    matter: a load on its own core starts servers on theirs.
    """
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})


def start(command: Sequence[str], ready: str) -> tuple[subprocess.Popen[str], str]:
    """A process on the server's core, once it has written a line that holds `ready`."""
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(SERVER_CORE),
        env={k: v for k, v in os.environ.items() if not k.startswith("TINODE_")},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if ready in line:
            return process, line.strip()
    raise RuntimeError(f"{command[0]} ended with {process.wait()} before it was ready")


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)
