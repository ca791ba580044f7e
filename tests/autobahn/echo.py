"""An echo on our front, for the Autobahn test suite: `python -m tests.autobahn.echo HOST:PORT`.

The suite needs Python 2.7 and stays outside the gate; docs/decisions/0012 says how it is run.
"""

from __future__ import annotations

import sys

import trio

from tests.web.parts import make_world
from tinode_py.web.listen import open_listeners

LIMITS = {"message_size": 1 << 26, "outbox": 1 << 28}


async def main(address: str) -> None:
    world = make_world({"limits": LIMITS})
    await world.front.serve(await open_listeners([address]))


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
