"""Many who read the log at once: all get all, nobody waits for anybody, a place is a place."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs
import trio
import trio.testing

from tests.web.v1.conftest import key_for
from tests.web.v1.streams import streaming
from tinode_py.testing import RunningServer, running_server

READERS, MESSAGES = 200, 30
SOON = 30  # seconds
MARK = "@"


@attrs.define
class Reading:
    """A stream over a bare socket, of which marks are counted."""

    stream: trio.SocketStream
    head: bytes = b""
    seen: bytes = b""

    async def begin(self, key: str) -> None:
        lines = [
            "GET /v1/events?kinds=message.stored HTTP/1.1",
            *("Host: localhost", f"Authorization: Bearer {key}", "", ""),
        ]
        await self.stream.send_all("\r\n".join(lines).encode())
        while b"stream.at" not in self.head:
            self.head += await self.stream.receive_some()

    async def until(self, count: int) -> None:
        """Read until so many marks have come."""
        while self.seen.count(MARK.encode()) < count:
            data = await self.stream.receive_some()
            assert data, "the stream has ended"
            self.seen += data


async def opened(url: str) -> Reading:
    host, _, port = url.rpartition("//")[2].partition(":")
    return Reading(await trio.open_tcp_stream(host, int(port)))


@contextlib.asynccontextmanager
async def crowd(server: RunningServer, key: str) -> AsyncIterator[list[Reading]]:
    """So many streams that have begun."""
    readers = [await opened(server.url) for _ in range(READERS)]
    try:
        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(reader.begin, key)
        yield readers
    finally:
        for reader in readers:
            await trio.aclose_forcefully(reader.stream)


async def test_two_hundred_readers():
    async with running_server(events={"readers": READERS}) as server:
        key = await key_for(server)
        ann, bob = await server.user("ann"), await server.user("bob")
        group = (await ann.sub("new1")).topic
        await bob.sub(ann.user)
        await ann.sub(bob.user)
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with crowd(server, key) as readers:
            each = (trio.lowlevel.current_statistics().tasks_living - tasks) / READERS
            assert each < 3  # the connection's, and one that sees it end
            async with trio.open_nursery() as nursery:
                for reader in readers:
                    nursery.start_soon(reader.until, MESSAGES)
                with trio.fail_after(SOON):
                    for n in range(MESSAGES):
                        await ann.pub(group, f"{MARK}{n}," + "x" * 3000, noecho=True)
                        await ann.pub(bob.user, f"private {n}", noecho=True)
                        while "data" not in (packet := await bob.receive()):
                            pass
                        assert packet["data"]["content"] == f"private {n}"
                nursery.cancel_scope.deadline = trio.current_time() + SOON
            starved = [n for n, it in enumerate(readers) if it.seen.count(b"@") < MESSAGES]
            assert starved == []
            first = [int(it.partition(b",")[0]) for it in readers[-1].seen.split(b"@")[1:]]
            assert first == list(range(MESSAGES))
            await _one_more(server.url, key)
        with trio.fail_after(SOON):
            while server.server.events.streams.borrowed_tokens:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.server.events.journal.readers == 0


async def _one_more(url: str, key: str) -> None:
    """There is no room, and it is said; what is not a stream is answered as ever."""
    late = await opened(url)
    async with late.stream:
        await late.stream.send_all(
            f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
            "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        answers = b"".join([data async for data in late.stream])
    assert answers.startswith(b"HTTP/1.1 503")
    assert b"\r\nretry-after: 5\r\n" in answers.lower()
    assert b"HTTP/1.1 200" in answers


async def test_signs_of_life_cost_nothing_of_a_keys_rate():
    """A key is looked at with every one of them; its owner may still ask for something."""
    async with running_server(events={"heartbeat": 0.1}) as server:
        key = await key_for(server, rate=1)
        async with streaming(server.url, key) as stream:
            with trio.fail_after(SOON):
                while stream.beats < 15:
                    await stream.beat()
            other = await opened(server.url)
            async with other.stream:
                await other.begin(key)
            assert other.head.startswith(b"HTTP/1.1 200")
