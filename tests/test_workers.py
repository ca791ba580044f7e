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

from tests.process import KEY, PATIENCE, Packet, ServerProcess, Talker, connected, secret, serving
from tests.test_serve import ended
from tinode_py.store.lock import LockedError, data_lock
from tinode_py.worker import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LEASE = 15.0  # seconds: nothing here waits until one has run out


def workers(data: Path, *more: str) -> AbstractAsyncContextManager[ServerProcess]:
    return serving(data, "--workers", "2", "--set", f"cluster.lease={LEASE}", *more)


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

    @asynccontextmanager
    async def web(self, number: int) -> AsyncIterator[httpx.AsyncClient]:
        """A connection to this worker over HTTP, which is kept."""
        other = self[3 - number]
        key = {"X-Tinode-APIKey": KEY}
        limits = httpx.Limits(max_connections=1, keepalive_expiry=PATIENCE)
        async with httpx.AsyncClient(
            base_url=self.server.url, headers=key, limits=limits, timeout=PATIENCE
        ) as client:
            os.kill(other, signal.SIGSTOP)
            try:
                assert (await client.get("/health/live")).status_code == 200
            finally:
                os.kill(other, signal.SIGCONT)
            yield client


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
    async with workers(data, "--store", postgres_url) as server, AsyncExitStack() as stack:
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
        with pytest.raises(LockedError, match=f"in use by process {server.process.pid}"):
            data_lock(data).__enter__()

        async with processes.web(1) as one, processes.web(2) as two:
            await a_session_polls_at_any_worker(one, two, bob, group)
            await figures_are_of_all(one, two, data)
        await one_worker_is_killed(server, processes, group, alice, bob)

        assert await server.terminate() == 0
        await bob.ended.wait()
        assert bob.socket.closed is not None
        assert bob.socket.closed.code == 1001
        assert list((data / "workers").glob("link-*")) == []


async def a_session_polls_at_any_worker(
    one: httpx.AsyncClient, two: httpx.AsyncClient, bob: Talker, group: str
) -> None:
    """It is made at one worker, and goes on at both; and so with an upload."""
    path = "/v0/channels/lp"
    sid = (await one.post(path)).json()["ctrl"]["params"]["sid"]
    account = {"user": "new", "scheme": "basic", "secret": secret("carol", "secret-of-tests")}
    packets: list[Packet] = [
        {"hi": {"id": "1", "ver": "0.25", "ua": "test/1"}},
        {"acc": {"id": "2", **account, "login": True}},
        {"sub": {"id": "3", "topic": group}},
        {"pub": {"id": "4", "topic": group, "content": "from carol"}},
    ]
    for number, packet in enumerate(packets):
        here, there = (one, two)[number % 2], (one, two)[(number + 1) % 2]
        posted = await here.post(path, params={"sid": sid}, json=packet)
        assert posted.status_code == 200, posted.text
        while True:
            told = (await there.get(path, params={"sid": sid})).json()
            if told.get("ctrl", {}).get("id") == str(number + 1):
                assert told["ctrl"]["code"] < 300
                break
    await heard(bob, "from carol")
    body = os.urandom(300_000)
    for here, there in ((one, two), (two, one)):
        sent = await here.post("/v0/file/u/", data={"sid": sid}, files={"file": ("a.bin", body)})
        assert sent.status_code == 200, sent.text
        found = await there.get(
            sent.json()["ctrl"]["params"]["url"], headers={"X-Tinode-Auth": f"Token {bob.token}"}
        )
        assert found.content == body
    gone = await two.get(path, params={"sid": sid[:-1] + "x"})
    assert gone.status_code == 403


async def figures_are_of_all(one: httpx.AsyncClient, two: httpx.AsyncClient, data: Path) -> None:
    for web in (one, two):
        text = (await web.get("/metrics")).text
        for number in (1, 2):
            assert f'tinode_worker_up{{worker="{number}"}} 1.0' in text
            assert f'tinode_sessions{{transport="websocket",worker="{number}"}} 1.0' in text
        assert 'tinode_sessions{transport="longpoll",worker="1"} 1.0' in text
    door = httpx.AsyncHTTPTransport(uds=str(data / "control"))
    async with httpx.AsyncClient(transport=door, timeout=PATIENCE) as command:
        figures = (await command.get("http://control/statistics")).json()
    assert figures["workers"] == {"count": 2, "answering": 2}
    assert figures["front"]["sockets"] == 2


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


async def test_one_file_for_two_workers(tmp_path: Path) -> None:
    """The first has it. Where the second is killed, another comes; where the first is, all come
    back to the next one, and nothing that was acknowledged is lost.
    """
    data = tmp_path / "data"
    async with workers(data) as server, AsyncExitStack() as stack:
        processes = Processes(server)
        alice, bob = [await stack.enter_async_context(processes.person(n)) for n in (1, 2)]
        await alice.register("alice")
        await bob.register("bobby")
        group = await group_of(alice, bob)
        async with processes.web(1) as one, processes.web(2) as two:
            await a_session_polls_at_any_worker(one, two, bob, group)
        for number in range(20):
            said = await bob.ask(pub={"topic": group, "content": number})
            assert said["code"] == 202
        await heard(alice, 19)
        os.kill(processes[1], signal.SIGKILL)
        for person in (alice, bob):
            with trio.fail_after(PATIENCE):
                await person.ended.wait()
        await server.wait_said("worker 1 serves again")
        async with back(processes, 2, "bobby") as again:
            await again.ask(sub={"topic": group})
            there = [message["content"] for message in await again.history(group)]
            assert there == ["from carol", *range(20)]
            await the_first_process_is_killed(server, processes, again)


async def the_first_process_is_killed(
    server: ServerProcess, processes: Processes, somebody: Talker
) -> None:
    """The workers notice, and drain."""
    pids = [processes[1], processes[2]]
    await server.kill()
    with trio.fail_after(PATIENCE):
        await somebody.ended.wait()
        assert somebody.socket.closed is not None
        assert somebody.socket.closed.code == 1001
        while any(map(lives, pids)):  # noqa: ASYNC110
            await trio.sleep(0.02)


@asynccontextmanager
async def back(processes: Processes, number: int, name: str) -> AsyncIterator[Talker]:
    """A person who comes back as soon as it is possible."""
    async with processes.person(number) as talker:
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    await talker.login(name)
                    break
                except AssertionError:  # 503
                    await trio.sleep(0.1)
        yield talker


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_what_a_worker_finds_wrong_ends_with_2_and_is_said_once(tmp_path: Path) -> None:
    start = ("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0")
    code, told = await ended(*start, "--workers", "2", "--set", "web.tls.cert=/nowhere")
    assert (code, told.count("web.tls.cert"), "Traceback" in told) == (2, 1, False)
