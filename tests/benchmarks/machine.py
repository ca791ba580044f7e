"""What is measured about a process, and where processes run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

SERVER_CORE, LOAD_CORE = 0, 1
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, also those that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def cpu_nanoseconds(pid: int) -> int:
    """Time on a core of all threads that a process has now."""
    return sum(ran for ran, _ in _schedules(pid))


@attrs.frozen
class Meter:
    """CPU of a process from one moment on."""

    pid: int
    ticks: float
    nanoseconds: int

    @classmethod
    def of(cls, pid: int) -> Meter:
        return cls(pid, cpu_seconds(pid), cpu_nanoseconds(pid))

    def spent(self) -> float:
        """Seconds. Ticks are coarse, and nanoseconds know nothing of threads that ended."""
        exact = (cpu_nanoseconds(self.pid) - self.nanoseconds) / 1e9
        return max(exact, cpu_seconds(self.pid) - self.ticks)


def waited_seconds(pid: int) -> float:
    """How long the threads of a process could have run, and waited for a core that others had."""
    return sum(waited for _, waited in _schedules(pid)) / 1e9


def _schedules(pid: int) -> Iterable[tuple[int, int]]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        ran, waited, _ = (thread / "schedstat").read_text("ascii").split()
        yield int(ran), int(waited)


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return _status(pid, "VmRSS:")


def peak(pid: int) -> int:
    """The most that it held since `forget_peak`."""
    return _status(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


@attrs.frozen
class Neighbours:
    """What programs other than ours use of the cores. Ours are this process and its children,
    those that ended and were waited for; so ask when all have ended.
    """

    began: float
    busy: float
    ours: float

    @classmethod
    def now(cls) -> Neighbours:
        ticks = [
            int(it) for it in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
        ]
        mine = os.times()
        idle = ticks[3] + ticks[4]
        return cls(time.perf_counter(), (sum(ticks) - idle) / _TICK, sum(mine[:4]))

    def share(self) -> float:
        """Of all cores, since then."""
        now = Neighbours.now()
        others = (now.busy - self.busy) - (now.ours - self.ours)
        return max(0.0, others / (now.began - self.began) / (os.cpu_count() or 1))


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
    process.communicate(timeout=60)
