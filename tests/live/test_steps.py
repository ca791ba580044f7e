"""How many steps requests take: a guard on what they cost.

A step is one call of a function of the server, those included that make its objects. Their
least number is the same on every machine; a busy one adds some, where threads answer late. What
a call costs is measured by tests/benchmarks. The bars are a tenth above what there was when they
were last set. Who makes a request dearer on purpose raises the bar, and says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.parts import bare_client
from tests.live.steps import cost
from tinode_py.auth.keys import WantedKey, make_key
from tinode_py.changes import Batch
from tinode_py.changes_backend import PutKey
from tinode_py.client import Client
from tinode_py.testing import RunningServer, running_server


@pytest.fixture
async def server(tmp_path: Path, autojump_clock):
    async with running_server(server={"store": "", "data": str(tmp_path)}) as running:
        yield running


async def group_of(server: RunningServer, count: int) -> tuple[Client, str]:
    """Somebody in a group of which all members are there, and on `me`."""
    people = [await server.user(f"user{n}") for n in range(count)]
    owner = people[0]
    group = (await owner.sub("new1")).topic
    for one in people:
        await one.sub("me")
        if one is not owner:
            await one.sub(group)
    return owner, group


async def test_what_publications_cost(server: RunningServer) -> None:
    alice, bob = await server.user("alice"), await server.user("bob")
    for one, other in ((alice, bob), (bob, alice)):
        await one.sub("me")
        await one.sub(other.user)
    owner, group = await group_of(server, 5)
    private = await cost(lambda: alice.pub(bob.user, "x"))
    bare = await bare_client(server, alice.token)
    await bare.send({"sub": {"id": "s", "topic": bob.user}})

    async def eight() -> None:
        pub = {"topic": bob.user, "content": "x", "noecho": True}
        await bare.send(*({"pub": {"id": str(n), **pub}} for n in range(8)))
        while (await bare.receive()).get("ctrl", {}).get("id") != "7":
            pass

    together = await cost(eight) / 8
    room = await cost(lambda: owner.pub(group, "x"))
    for n in range(5):
        await (await server.user(f"user{n}")).sub("me")
    devices = await cost(lambda: owner.pub(group, "x"))
    print(f"a private message takes {private} steps, one of eight in flight {together}")
    print(f"a message in a room of five takes {room} steps, {devices} with five more on `me`")
    assert private < 223
    assert together < 166
    assert room < 1.5 * private
    assert devices < 580


async def test_what_coming_and_reading_cost(server: RunningServer) -> None:
    alice, bob = await server.user("alice"), await server.user("bob")
    await bob.sub(alice.user)
    for n in range(30):
        await bob.pub(alice.user, n)

    async def come() -> None:
        async with server.connect() as again:
            await again.hi()
            await again.login_token(alice.token)
            await again.sub("me")
            await again.sub(bob.user, get={"what": "data", "data": {"limit": 24}})

    await alice.sub(bob.user)
    page = await cost(lambda: alice.get(bob.user, "data", data={"limit": 24}))
    coming = await cost(come)
    print(f"a page of 24 takes {page} steps, a reconnection {coming}")
    assert page < 98
    # Greater in a process that has run other tests before; the reason is not known yet, so the
    # bar is a tenth above the greater.
    assert coming < 1190


async def key_for_sends(server: RunningServer) -> str:
    inner = server.server.entrance
    text, row = make_key(WantedKey("test", ("messages:send",)), inner.random_bytes, inner.now())
    await inner.store.commit(Batch((PutKey(row),)))
    return text


async def test_what_sends_over_http_cost(tmp_path: Path) -> None:
    """Beside the request that is refused at once, and a publication over the websocket."""
    async with running_server(server={"store": "", "data": str(tmp_path)}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        for one, other in ((alice, bob), (bob, alice)):
            await one.sub("me")
            await one.sub(other.user)
        sent = {"from": alice.user, "user": bob.user, "content": "x"}
        shown = {"Authorization": f"Bearer {await key_for_sends(server)}"}
        async with httpx.AsyncClient(base_url=server.url, headers=shown, timeout=30) as http:

            async def post(path: str, body: Any, status: int) -> None:
                assert (await http.post(path, json=body)).status_code == status

            refused = await cost(lambda: post("/v0/channels", None, 403))
            published = await cost(lambda: alice.pub(bob.user, "x"))
            single = await cost(lambda: post("/v1/messages", sent, 202))
            many = {"messages": [sent] * 25}
            batch = await cost(lambda: post("/v1/messages/batch", many, 200), 3) / 25
    print(f"a refusal takes {refused} steps, a send {single}, one of a batch {batch}")
    assert single < 363
    assert single < 1.3 * (refused + published)  # h11 and Starlette are not counted
    assert batch < 106
