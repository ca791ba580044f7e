"""A PostgreSQL server for tests: on a socket in a folder of its own, gone with the tests.

Each process of a test run starts its own, when a test first asks for it; CI installs the
programs. Where they are missing, the tests that need them are skipped.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import pytest

from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.migrate import OWN, TABLES, migrate, packaged
from tinode_py.store.postgres.statements import WRITING, Connection, connect

_PREFIX = "tinode-pg-"
_FAST = "-c fsync=off -c synchronous_commit=on -c full_page_writes=off -c autovacuum=off"
_SAFE = "-c fsync=on"
_RESET = """; UPDATE event_bounds SET first = 1, last = 0; UPDATE audit_bound SET before = 0;
UPDATE writer SET audit = 0; DELETE FROM node; DELETE FROM node_beat; DELETE FROM node_gone;
DELETE FROM claim"""
_SMALL = "-c shared_buffers=32MB -c max_connections=60 -c max_wal_size=256MB"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, if they are here."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@attrs.define(eq=False)
class Cluster:
    """A server that can be stopped, killed and started again; `database` makes one in it."""

    folder: Path
    options: str
    _as_other: tuple[str, ...] = ()
    _programs: Path = attrs.field(factory=lambda: programs() or Path())
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)
    _has_template: bool = False

    def run(self, program: str, *args: str) -> None:
        line = [*self._as_other, str(self._programs / program), "-D", str(self.folder / "data")]
        done = subprocess.run([*line, *args], capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' {_SMALL} {self.options}"
        log = self.folder / "log"
        try:
            self.run("pg_ctl", "-w", "-t", "30", "-l", str(log), "-o", options, "start")
        except AssertionError:
            print(log.read_text()[-2000:])
            raise

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    @property
    def is_running(self) -> bool:
        found = self.folder / "data" / "postmaster.pid"
        return found.exists() and _lives(int(found.read_text().split()[0]))

    def kill(self) -> None:
        """As the kernel does it when memory is out: no goodbye to anybody."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGSTOP)  # so that it has no more children
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        processes = [first, *map(int, children)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while any(map(_lives, processes)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # Nobody may have collected it: then its number is still taken, and bars the way.
        (self.folder / "data" / "postmaster.pid").unlink()
        (self.folder / ".s.PGSQL.5432.lock").unlink()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> Connection:
        return connect(Address.of(self.url(database)), WRITING)

    def database(self, *, empty: bool = False) -> str:
        """The URL of a new database, with this version's schema unless it is to be empty."""
        if not empty and not self._has_template:
            self._create("pattern", "template0")
            with self.connect("pattern") as made:
                migrate(made, "pattern", packaged())
            self._has_template = True
        name = f"t{next(self._numbers)}"
        self._create(name, "template0" if empty else "pattern")
        return self.url(name)

    def _create(self, name: str, pattern: str, more: str = "ENCODING 'UTF8'") -> None:
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {pattern} {more}")


@contextmanager
def running_cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Skips the test if PostgreSQL is not installed."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    _end_forgotten()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))  # short: a socket is in it
    (folder / "owner").write_text(str(os.getpid()))
    as_other: tuple[str, ...] = ()
    if os.getuid() == 0:  # whom PostgreSQL does not work for
        other = next(user for user in ("postgres", "nobody") if _is_there(user))
        shutil.chown(folder, other)
        as_other = ("runuser", "-u", other, "--")
    cluster = Cluster(folder, _SAFE if durable else _FAST, as_other)
    try:
        cluster.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        cluster.start()
        try:
            yield cluster
        finally:
            if cluster.is_running:
                cluster.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end_forgotten() -> None:
    """Servers whose tests were killed before they could stop them."""
    for owner in Path("/tmp").glob(f"{_PREFIX}*/owner"):
        with suppress(OSError, ValueError):
            if not Path(f"/proc/{int(owner.read_text())}").exists():
                process = (owner.parent / "data" / "postmaster.pid").read_text().split()[0]
                if str(owner.parent) in Path(f"/proc/{process}/cmdline").read_text():
                    os.kill(int(process), signal.SIGQUIT)
                shutil.rmtree(owner.parent)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _is_there(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def emptied(url: str) -> str:
    """The database without a row, as if it had just been made."""
    with connect(Address.of(url), WRITING) as connection:
        kept = (*OWN, "event_bounds", "audit_bound")
        tables = [name for (name,) in connection.execute(TABLES).fetchall() if name not in kept]
        wipe = "; ".join(f"DELETE FROM {name}" for name in tables)
        wipe = "SET session_replication_role = replica; " + wipe  # no trigger counts
        connection.execute(wipe + _RESET, prepare=False)
    return url
