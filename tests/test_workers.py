"""`tinode-py serve --workers N`: several processes on one machine that are one server."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from tests.process import PATIENCE, Packet, ServerProcess, Talker, connected, serving
from tests.test_serve import ended
from tinode_py.worker import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LEASE = 15.0  # seconds: nothing here waits until one has run out


def workers(data: Path, url: str, *more: str) -> AbstractAsyncContextManager[ServerProcess]:
    few = ("--workers", "2", "--set", f"cluster.lease={LEASE}")
    return serving(data, "--store", url, *few, *more)


@attrs.define
class Processes:
    """Those of a server's workers, by number. One that is stopped takes no connection, so that
    the next one goes to another.
    """

    server: ServerProcess

    def __getitem__(self, number: int) -> int:
        tasks = Path(f"/proc/{self.server.process.pid}/task").iterdir()
        children = [it for task in tasks for it in (task / "children").read_text().split()]
        for child in children:
            *_, word, text = Path(f"/proc/{child}/cmdline").read_text().rstrip("\0").split("\0")
            if word == "--worker" and Worker.of(text).number == number:
                return int(child)
        raise LookupError(number)

    @asynccontextmanager
    async def person(self, number: int) -> AsyncIterator[Talker]:
        """A client who is at this worker."""
        other = self[3 - number]
        os.kill(other, signal.SIGSTOP)
        async with AsyncExitStack() as stack:
            try:
                talker = await stack.enter_async_context(connected(self.server.url))
            finally:
                os.kill(other, signal.SIGCONT)
            yield talker


async def heard(talker: Talker, content: object) -> list[object]:
    """All messages that came, once this one is among them."""
    with trio.fail_after(PATIENCE):
        while True:
            found = [packet["data"]["content"] for packet in talker.heard if "data" in packet]
            if content in found:
                return found
            await trio.sleep(0.01)


async def group_of(*people: Talker) -> str:
    first, *others = people
    new = {"topic": "new1", "set": {"desc": {"defacs": {"auth": "JRWPS"}}}}
    group = str((await first.ask(sub=new))["topic"])
    for person in others:
        assert (await person.ask(sub={"topic": group}))["code"] == 200
    return group


async def test_one_chat_by_two_workers(tmp_path: Path, postgres_url: str) -> None:
    data = tmp_path / "data"
    async with workers(data, postgres_url) as server, AsyncExitStack() as stack:
        assert server.said[-1] == f"listening on {server.url}"
        processes = Processes(server)
        alice, bob = [await stack.enter_async_context(processes.person(n)) for n in (1, 2)]
        await alice.register("alice")
        await bob.register("bobby")
        group = await group_of(alice, bob)
        for person, other, text in ((alice, bob, "from alice"), (bob, alice, "from bob")):
            answer = await person.ask(pub={"topic": group, "content": text})
            assert answer["code"] == 202
            await heard(other, text)

        server.process.send_signal(signal.SIGHUP)
        for number in (1, 2):
            await server.wait_said(f"the settings were read again, changed: none worker={number}")
        code, said = await ended("serve", "--data", str(data), "--listen", "127.0.0.1:0")
        assert (code, f"in use by process {server.process.pid}" in said) == (2, True)

        await one_worker_is_killed(server, processes, group, alice, bob)

        assert await server.terminate() == 0
        await bob.ended.wait()
        assert bob.socket.closed is not None
        assert bob.socket.closed.code == 1001
        assert list((data / "workers").glob("link-*")) == []


async def one_worker_is_killed(
    server: ServerProcess, processes: Processes, group: str, alice: Talker, bob: Talker
) -> None:
    """Under load. What was acknowledged is there; the port never refuses; another one comes."""
    acknowledged: list[int] = []

    def keep(number: int) -> Callable[[Packet | None], None]:
        def take(answer: Packet | None) -> None:
            if answer is not None and answer["code"] == 202:
                acknowledged.append(number)

        return take

    dead = processes[1]  # where the topic is
    for number in range(200):
        await bob.send(keep(number), pub={"topic": group, "content": number})
        if number == 100:
            os.kill(dead, signal.SIGKILL)
    await alice.ended.wait()
    async with httpx.AsyncClient() as web:  # a connection that is refused is an error
        while not any("worker 1 serves again" in line for line in server.said):
            answer = await web.get(f"{server.url}/health/live", headers={"connection": "close"})
            assert answer.status_code == 200
    with trio.fail_after(PATIENCE):
        while (await bob.ask(pub={"topic": group, "content": "after"}))["code"] != 202:  # noqa: ASYNC110
            await trio.sleep(0.05)
    async with processes.person(1) as again:
        await again.login("alice")
        await again.ask(sub={"topic": group})
        there = [message["content"] for message in await again.history(group)]
        assert [it for it in acknowledged if it not in there] == []
        assert len(there) == len(set(map(str, there)))
        assert there[-1] == "after"
    print(f"{len(acknowledged)} acknowledged, all there")


async def test_workers_end_by_themselves_where_their_parent_is_killed(
    tmp_path: Path, postgres_url: str
) -> None:
    data = tmp_path / "data"
    async with workers(data, postgres_url) as server:
        processes = Processes(server)
        pids = [processes[1], processes[2]]
        async with processes.person(2) as alice:
            await alice.register("alice")
            await server.kill()
            await alice.ended.wait()
            assert alice.socket.closed is not None
            assert alice.socket.closed.code == 1001
        with trio.fail_after(PATIENCE):
            while any(map(lives, pids)):  # noqa: ASYNC110
                await trio.sleep(0.02)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_what_a_worker_finds_wrong_ends_with_2_and_is_said_once(
    tmp_path: Path, postgres_url: str
) -> None:
    start = ("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0")
    code, told = await ended(
        *start, "--store", postgres_url, "--workers", "2", "--set", "web.tls.cert=/nowhere"
    )
    assert (code, told.count("web.tls.cert"), "Traceback" in told) == (2, 1, False)
