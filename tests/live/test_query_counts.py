"""How often the store is asked: no request on the hot path asks per member or per message."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from tinode_py.testing import RunningServer, running_server


async def cost(server: RunningServer, work: Awaitable[Any]) -> tuple[int, int]:
    """Queries and batches of one request."""
    before = server.server.store.statistics()
    await work
    after = server.server.store.statistics()
    return after.queries - before.queries, after.batches - before.batches


@pytest.mark.parametrize("store", ["memory:", ""])
async def test_what_requests_cost(store: str, tmp_path: Path, autojump_clock):
    async with running_server(server={"store": store, "data": str(tmp_path)}) as server:
        alice = await server.user("alice")
        group = (await alice.sub("new1")).topic
        others = [await server.user(f"user{n}") for n in range(8)]
        for other in others:
            await other.sub(group)
        bob = others[0]
        for n in range(30):
            await alice.pub(group, n, noecho=True)

        assert await cost(server, alice.pub(group, "x")) == (0, 1)
        assert await cost(server, alice.pub(group, "x", head={"mime": "text/x-drafty"})) == (0, 1)
        assert await cost(server, bob.note(group, "kp")) == (0, 0)
        await bob.leave(group)
        assert await cost(server, bob.sub(group)) == (0, 0)
        assert await cost(server, bob.get(group, "desc")) == (0, 0)
        assert await cost(server, bob.get(group, "sub")) == (1, 0)
        assert await cost(server, bob.get(group, "data")) == (1, 0)
        assert await cost(server, bob.get(group, "del")) == (1, 0)

        assert await cost(server, alice.sub(bob.user)) == (5, 1)
        assert await cost(server, alice.pub(bob.user, "x")) == (0, 1)
        assert await cost(server, alice.sub("me", get={"what": "desc sub tags cred"})) == (4, 0)
