"""Network namespaces: machines of their own, as far as the network goes, and cuts between them.

Each node has a namespace with an address on a bridge; the database has one there, too. A cut is
an entry for an address that nobody has: what is sent there is lost, and the sender never hears
of it. So one direction can be cut and the other not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.durability.fleet import Place

BRIDGE, NETWORK = "tnbr0", "10.177.0"
HERE, DATABASE = f"{NETWORK}.1", f"{NETWORK}.2"  # clients; PostgreSQL
NOBODY = "02:00:00:00:00:99"


def ip(*args: str) -> None:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(args)}: {done.stderr.strip()}")


@contextmanager
def namespaces(count: int) -> Iterator[list[Place]]:
    """So many places. Skips the test where none can be made."""
    if os.getuid() or not shutil.which("ip"):
        pytest.skip("network namespaces need root, and the program ip")
    names = [f"tnn{number}" for number in range(count)]
    _remove(names)
    try:
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        ip("link", "set", BRIDGE, "up")
        for address in (HERE, DATABASE):
            ip("addr", "add", f"{address}/24", "dev", BRIDGE)
        yield [_made(number, name) for number, name in enumerate(names)]
    finally:
        _remove(names)


def _made(number: int, name: str) -> Place:
    host, wire = f"{NETWORK}.{10 + number}", f"tnv{number}"
    ip("netns", "add", name)
    ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", wire, "master", BRIDGE, "up")
    ip("-n", name, "addr", "add", f"{host}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        ip("-n", name, "link", "set", device, "up")
    return Place(host, ("ip", "netns", "exec", name))


def _remove(names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            ip("netns", "del", name)
    with suppress(OSError):
        ip("link", "del", BRIDGE)


def cut(here: Place, address: str) -> None:
    """What is sent from there to an address is lost."""
    entry = (address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
    ip("-n", here.within[-1], "neigh", "replace", *entry)


def mend(here: Place, address: str) -> None:
    """What is sent arrives again."""
    with suppress(OSError):
        ip("-n", here.within[-1], "neigh", "del", address, "dev", "eth0")


def sent_again(here: Place) -> int:
    """Segments of TCP that were sent again from there, since the first one."""
    line = [*here.within, "cat", "/proc/net/snmp"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    names, values = [row.split() for row in done.stdout.splitlines() if row.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])
