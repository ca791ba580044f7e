"""Nodes as an operator runs them: processes, sockets, one database of PostgreSQL, `kill -9`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from tests.process import PATIENCE, ServerProcess, Talker, connected, serving
from tests.web.files import MULTIPART, form
from tests.web.parts import KEY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LEASE = 2.0


@contextlib.asynccontextmanager
async def nodes(
    tmp_path: Path, url: str, count: int, lease: float = LEASE
) -> AsyncIterator[list[ServerProcess]]:
    """So many nodes on one database, which have links to each other."""
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for number in range(count):
            servers.append(await stack.enter_async_context(one(tmp_path, url, number, lease)))
        for server in servers:
            await linked(server, count - 1)
        yield servers


@contextlib.asynccontextmanager
async def one(tmp_path: Path, url: str, number: int, lease: float) -> AsyncIterator[ServerProcess]:
    settings = (f"cluster.name=n{number}", "cluster.listen=127.0.0.1:0", f"cluster.lease={lease}")
    args = [word for setting in settings for word in ("--set", setting)]
    async with serving(tmp_path / f"data{number}", "--store", url, *args) as server:
        yield server


async def linked(server: ServerProcess, count: int) -> None:
    with trio.fail_after(PATIENCE):
        while sum("there is a link to node" in line for line in server.said) < count:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def published(talker: Talker, topic: str, content: object) -> float:
    """Publish until it is taken; how long that took."""
    began = trio.current_time()
    with trio.fail_after(PATIENCE):
        while True:
            ctrl = await talker.ask(pub={"topic": topic, "content": content})
            if ctrl["code"] == 202:
                return trio.current_time() - began
            assert ctrl["code"] in (502, 503), ctrl
            await trio.sleep(0.05)


async def heard(talker: Talker, content: object) -> list[object]:
    """All messages that came, once this one is among them."""
    with trio.fail_after(PATIENCE):
        while True:
            found = [packet["data"]["content"] for packet in talker.heard if "data" in packet]
            if content in found:
                return found
            await trio.sleep(0.01)


async def uploaded(person: Talker, here: str, there: str) -> None:
    """A file that was sent to one node comes from the other."""
    data = bytes(range(256)) * 1000
    mine = {"X-Tinode-APIKey": KEY, "Authorization": f"Token {person.token}"}
    async with httpx.AsyncClient(timeout=PATIENCE, headers=mine) as web:
        sent = await web.post(
            f"{here}/v0/file/u/", content=form(("file", "a", "x/y", data)), headers=MULTIPART
        )
        url = sent.json()["ctrl"]["params"]["url"]
        got = await web.get(there + url)
    assert (got.status_code, got.content) == (200, data)


async def test_three_nodes_of_which_one_is_killed_and_one_stops(
    tmp_path: Path, postgres_url: str
) -> None:
    """The lease is longer than anybody waits here: that a process has ended is seen at once."""
    async with (
        nodes(tmp_path, postgres_url, 3, 4 * PATIENCE) as (one, two, three),
        contextlib.AsyncExitStack() as stack,
    ):
        alice, bob, carol = [
            await stack.enter_async_context(connected(server.url)) for server in (one, two, three)
        ]
        for person, name in ((alice, "alice"), (bob, "bobby"), (carol, "carol")):
            await person.register(name, desc={"public": {"fn": name}})
        made = await alice.ask(
            sub={"topic": "new1", "set": {"desc": {"defacs": {"auth": "JRWPS"}}}}
        )
        group = made["topic"]
        for person in (bob, carol):
            assert (await person.ask(sub={"topic": group}))["code"] == 200
        for i in range(5):
            await published(bob, group, i)
        assert await heard(carol, 4) == [0, 1, 2, 3, 4]
        await uploaded(alice, one.url, three.url)
        await one.kill()
        took = await published(bob, group, "after")
        assert await heard(carol, "after") == [0, 1, 2, 3, 4, "after"]
        print(f"a topic was back after {took:.2f} s")
        # The topic is on one of the two that are left: each is told to stop, in turn.
        assert await two.terminate() == 0
        await published(carol, group, "and after that")
        assert (await heard(carol, "and after that"))[-2:] == ["after", "and after that"]


async def test_a_node_that_nobody_met_is_killed(tmp_path: Path, postgres_url: str) -> None:
    """It was the only one. The next one, which has another address, need not wait for its lease."""
    lease = PATIENCE / 3
    async with one(tmp_path, postgres_url, 1, lease) as former, connected(former.url) as alice:
        await alice.register("alice")
        group = (await alice.ask(sub={"topic": "new1"}))["topic"]
        await former.kill()
    async with one(tmp_path, postgres_url, 2, lease) as server, connected(server.url) as again:
        await again.login("alice")
        with trio.fail_after(PATIENCE):
            while (await again.ask(sub={"topic": group}))["code"] != 200:  # noqa: ASYNC110
                await trio.sleep(0.05)
        await published(again, group, "after")
        assert any("has ended: it is no member any more" in line for line in server.said)


async def test_a_node_that_is_stopped_and_goes_on(tmp_path: Path, postgres_url: str) -> None:
    """As a machine that sleeps: it finds that it is no member, and becomes one again."""
    async with nodes(tmp_path, postgres_url, 2) as (one, two), contextlib.AsyncExitStack() as stack:
        alice, bob = [
            await stack.enter_async_context(connected(server.url)) for server in (one, two)
        ]
        await alice.register("alice")
        await bob.register("bobby")
        made = await alice.ask(
            sub={"topic": "new1", "set": {"desc": {"defacs": {"auth": "JRWPS"}}}}
        )
        group = made["topic"]
        await bob.ask(sub={"topic": group})
        one.process.send_signal(signal.SIGSTOP)
        await published(bob, group, "meanwhile")
        one.process.send_signal(signal.SIGCONT)
        with trio.fail_after(PATIENCE):
            await alice.ended.wait()
        await linked(two, 2)
        async with connected(one.url) as again:
            await again.login("alice")
            assert (await again.ask(sub={"topic": group}))["code"] == 200
            await published(again, group, "back")
        assert await heard(bob, "back") == ["meanwhile", "back"]
