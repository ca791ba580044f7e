"""Connections that break at any moment: shown once, in order, nothing missed, published once."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
import trio
import trio.testing
from trio_websocket import wrap_server_stream

from tinode_py import client
from tinode_py.client import Chat, ClientError, Disconnected, MemoryPositions
from tinode_py.testing import RunningServer

MESSAGES = 40  # of each writer to each topic
BREAKS = 15


async def write(chat: Chat, topic: str, rng: random.Random) -> None:
    for number in range(MESSAGES):
        await chat.publish(topic, f"{chat.user} {number}")
        await trio.sleep(rng.random() * 0.5)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_twice_nothing_missed(
    tinode_server: RunningServer, autojump_clock, seed: int
):
    """Three people write to a group and to each other; the network breaks all the time, and the
    reader's program is started again three times.
    """
    rng = random.Random(seed)
    owner = await tinode_server.user("owner")
    group = (await owner.sub("new1")).topic
    reader_id = (await tinode_server.user("reader")).user
    positions = MemoryPositions()
    async with tinode_server.chat("reader", positions=positions) as reader:
        await reader.follow(group)
    shown: dict[tuple[str, str], list[int]] = defaultdict(list)
    left = 3 * 2 * MESSAGES
    writing = trio.Event()

    async def read(limit: int) -> int:
        async with tinode_server.chat("reader", positions=positions, follow=(group,)) as reader:
            count = 0
            async for message in reader.messages():
                sender, _, number = message.text.partition(" ")
                shown[message.topic, sender].append(int(number))
                count += 1
                if count == limit:
                    return count
                await trio.sleep(rng.random() * 0.02)
        raise AssertionError

    async def break_connections() -> None:
        for _ in range(BREAKS):
            await trio.sleep(rng.random() * 5)
            tinode_server.drop_connections()
        writing.set()

    async with trio.open_nursery() as nursery:
        for name in ("ann", "ben", "cid"):
            chat = await open_chat(tinode_server, nursery, name)
            nursery.start_soon(write, chat, group, random.Random(rng.random()))
            nursery.start_soon(write, chat, reader_id, random.Random(rng.random()))
        nursery.start_soon(break_connections)
        for part in (1, 2, 3):
            left -= await read(80 if part < 3 else left)
        await writing.wait()
        nursery.cancel_scope.cancel()
    assert len(shown) == 6
    for numbers in shown.values():
        assert numbers == list(range(MESSAGES))


async def open_chat(server: RunningServer, nursery: trio.Nursery, name: str) -> Chat:
    async def hold(*, task_status: trio.TaskStatus[Chat]) -> None:
        async with server.chat(name) as chat:
            task_status.started(chat)
            await trio.sleep_forever()

    opened: Chat = await nursery.start(hold)
    return opened


async def test_an_expired_inbox_is_made_up_for(tinode_server: RunningServer, autojump_clock):
    """After more than `inbox.days` the conversations themselves are read."""
    ann, ben = await tinode_server.user("ann"), await tinode_server.user("ben")
    positions = MemoryPositions()
    async with tinode_server.chat("reader", positions=positions) as reader:
        messages = reader.messages()
        for one in (ann, ben):
            await one.sub(reader.user)
            await one.pub(reader.user, 0)
            assert (await anext(messages)).content == 0
    for one in (ann, ben):
        for number in range(1, 131):
            await one.pub(reader.user, number)
        await one.aclose()
    await trio.sleep(15 * 86_400)
    again = await tinode_server.user("ann")
    await again.sub(reader.user)
    await again.pub(reader.user, 131)
    shown: dict[str, list[int]] = defaultdict(list)
    async with tinode_server.chat("reader", positions=positions) as reader:
        messages = reader.messages()
        with trio.move_on_after(60):
            async for message in messages:
                shown[message.topic].append(message.content)
    assert shown == {ann.user: list(range(1, 132)), ben.user: list(range(1, 131))}


async def test_a_silent_server_is_given_up(autojump_clock):
    here, there = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_deaf, there)
        async with client.connect_over(here, timeout=5, heartbeat=60) as deaf:
            began = trio.current_time()
            await deaf.wait_closed()
            assert trio.current_time() - began == pytest.approx(65)
            with pytest.raises(ClientError) as failed:
                await deaf.receive()
            assert failed.value.code == 408
        nursery.cancel_scope.cancel()


async def _deaf(stream: trio.abc.Stream) -> None:
    async with trio.open_nursery() as nursery:
        request = await wrap_server_stream(nursery, stream)
        await request.accept()


async def test_a_server_that_lives_is_kept(tinode_server: RunningServer, autojump_clock):
    """Also one that has nothing to say for a day."""
    async with tinode_server.chat("ann") as ann:
        session = await ann.session()
        await trio.sleep(86_400)
        assert await ann.session() is session
        assert not session.closed


async def test_a_publication_waits_for_a_server_that_is_paused(
    tinode_server: RunningServer, autojump_clock
):
    async with tinode_server.chat("ann") as ann, trio.open_nursery() as nursery:
        await ann.follow("slf")
        pause = tinode_server.pause()
        nursery.start_soon(ann.publish, "slf", "x")
        await trio.sleep(100)
        pause.end()
    assert [it.content for it in await history(tinode_server, "ann")] == ["x"]


async def test_a_publication_waits_for_a_disk_that_is_full(
    tinode_server: RunningServer, autojump_clock
):
    async with tinode_server.chat("ann") as ann, trio.open_nursery() as nursery:
        await ann.follow("slf")
        with tinode_server.fail_commits():
            nursery.start_soon(ann.publish, "slf", "x")
            await trio.sleep(100)
    assert [it.content for it in await history(tinode_server, "ann")] == ["x"]


async def history(server: RunningServer, name: str) -> list[client.Message]:
    async with server.chat(name) as chat:
        return await chat.history("slf")


async def test_events_tell_of_the_connection(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.chat("ann") as ann:
        events = ann.events()
        tinode_server.drop_connections()
        with trio.fail_after(60):
            while not isinstance(event := await anext(events), Disconnected):
                pass
            assert 0.25 <= event.retry_in <= 0.5
            assert (await ann.session()).user == ann.user
