"""A whole server inside a test: no port needed, nothing on disk, ready in milliseconds.

    async with running_server(limits={"message_size": 4096}) as server:
        alice = await server.user("alice")
        await alice.sub("me")

It is the server that `serve` runs, with other parts: passwords cost nothing, the store and
password checks run on the loop's thread, and time is Trio's, so that tests under a virtual
clock never wait. Nothing is tuned for the whole process. Suites without Trio use
`server_in_thread`; pytest has the fixtures `tinode_server`, `tinode_client` and `tinode_thread`.
"""

from __future__ import annotations

from .faults import Fault
from .running import CheapHasher, RunningServer, password_of, running_server, trio_clock
from .thread import ThreadServer, server_in_thread

__all__ = [
    "CheapHasher",
    "Fault",
    "RunningServer",
    "ThreadServer",
    "password_of",
    "running_server",
    "server_in_thread",
    "trio_clock",
]
