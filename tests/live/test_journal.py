"""Many readers of one log: nothing is missed or told twice, nobody waits for anybody."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
import trio.testing

from tests.live.parts import TrickyStore
from tests.store.made import ANN, GROUP, append, message, people, put, topic
from tinode_py.changes import AppendMessage, PutTopic
from tinode_py.changes_backend import PurgeEvents
from tinode_py.live import journal as module
from tinode_py.live.journal import Journal
from tinode_py.store.memory import MemoryStore
from tinode_py.store.watched import News, Watched


@pytest.fixture
async def parts(nursery, autojump_clock):
    news = News()
    tricky = TrickyStore(MemoryStore())
    store = Watched(tricky, news)
    journal = Journal(store, news)
    nursery.start_soon(journal.run)
    await people(store)
    return store, journal, tricky


async def read(journal: Journal, after: int, until: int, pause: float = 0) -> list[int]:
    """The numbers that a reader gets, one portion after the other."""
    found: list[int] = []
    with journal.reading():
        while after < until:
            portion = await journal.after(after)
            found += [event.id for event in portion.events]
            after = portion.reached
            await trio.sleep(pause)
    return found


async def test_what_was_and_what_comes_is_one_stream(parts, nursery, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    found: list[int] = []

    async def reader() -> None:
        found.extend(await read(journal, 0, last + 40))

    async with trio.open_nursery() as readers:
        readers.start_soon(reader)
        for seq in range(1, 41):
            await put(store, append(seq))
            await trio.sleep(0.005)
    assert found == list(range(1, last + 41))


async def test_a_thousand_readers_cost_one_look(parts, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    results: list[list[int]] = []

    async def reader() -> None:
        results.append(await read(journal, last, last + 20))

    async with trio.open_nursery() as readers:
        for _ in range(1000):
            readers.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        before = store.statistics().queries
        for seq in range(1, 21):
            await put(store, append(seq))
            await trio.sleep(0.6)
    assert results == [list(range(last + 1, last + 21))] * 1000
    assert store.statistics().queries - before <= 45


async def test_nobody_reads_nothing_is_read(parts, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    await read(journal, last - 1, last)
    await put(store, append(1))  # the task sees that nobody is there any more
    await trio.sleep(1)
    before = store.statistics().queries
    for seq in range(2, 20):
        await put(store, append(seq))
    await trio.sleep(1)
    assert store.statistics().queries == before
    assert await read(journal, last, last + 19) == list(range(last + 1, last + 20))


async def test_a_slow_reader_falls_behind_alone(parts, monkeypatch, autojump_clock):
    """The ring goes on without him, and he reads on from the store."""
    monkeypatch.setattr(module, "RING", 4000)
    monkeypatch.setattr(module, "PORTION", 500)
    store, journal, _ = parts
    last = (await journal.bounds()).last
    took: dict[float, tuple[list[int], float]] = {}

    async def reader(pause: float) -> None:
        found = await read(journal, last, last + 200, pause)
        took[pause] = (found, trio.current_time())

    began = trio.current_time()
    async with trio.open_nursery() as readers:
        readers.start_soon(reader, 0)
        readers.start_soon(reader, 5)
        for seq in range(1, 201):
            await put(store, append(seq))
            await trio.sleep(0.001)
    expected = list(range(last + 1, last + 201))
    assert took[0][0] == took[5][0] == expected
    assert took[0][1] - began < 5 < took[5][1] - began


async def test_the_ring_and_a_portion_are_bounded(parts, autojump_clock):
    store, journal, _ = parts
    big = b'"' + b"x" * 100_000 + b'"'
    with journal.reading():
        for seq in range(1, 101):
            await put(store, AppendMessage(message(seq, content=big)))
            await trio.sleep(0.05)
        assert journal._size <= module.RING
        assert 0 < len(journal._ring) < 45
        portion = await journal.after(0)
        assert sum(len(event.frame) for event in portion.events) <= module.PORTION
        last = (await journal.bounds()).last
        portion = await journal.after(last - 1)
        assert len(portion.events) == 1
        assert len(portion.events[0].frame) > 100_000


async def test_a_store_that_fails_is_asked_again(parts, autojump_clock):
    store, journal, tricky = parts
    last = (await journal.bounds()).last
    with journal.reading():
        await trio.sleep(1)
        tricky.unreadable = True
        await put(store, append(1))
        await trio.sleep(3)
        tricky.unreadable = False
        portion = await journal.after(last)
        assert [event.id for event in portion.events] == [last + 1]


async def test_what_was_purged_shows(parts, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    await put(store, PurgeEvents(0, 10))
    await put(store, append(1))
    await put(store, PurgeEvents(99, 99))
    with journal.reading():
        portion = await journal.after(2)
    assert portion.first == last + 1
    assert [event.id for event in portion.events] == [last + 1]


async def test_closing_lets_everybody_go(parts, nursery, autojump_clock):
    _, journal, _ = parts
    last = (await journal.bounds()).last
    ended: list[Any] = []

    async def reader() -> None:
        with journal.reading():
            ended.append(await journal.after(last))

    async with trio.open_nursery() as readers:
        for _ in range(3):
            readers.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        journal.close()
    assert [portion.events for portion in ended] == [()] * 3
    with journal.reading():
        assert (await journal.after(0)).events == ()


async def test_an_event_is_one_line_of_json(parts, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    odd = b'{"a" :\r\n\n [1,\t2]}'
    await put(store, AppendMessage(message(1, content=odd, head=b'{"mime":\n"x"}')))
    await put(store, PutTopic(topic(tags=("x",), seq=1)))
    with journal.reading():
        portion = await journal.after(last)
    first, second = portion.events
    assert first.frame == b"id: %d\nevent: message.stored\ndata: %s\n\n" % (last + 1, first.data)
    assert first.data == (
        b'{"id":%d,"kind":"message.stored","ts":"1970-01-01T00:00:00.101Z","topic":"%s",'
        b'"user":"%s","message":{"seq":1,"head":{"mime": "x"},"content":{"a" :    [1,\t2]}}}'
        % (last + 1, GROUP.encode(), ANN.encode())
    )
    assert second.data.endswith(b'"detail":{"changed":["tags"]}}')
    assert b"\n" not in second.data


async def test_positions_in_the_ring_are_found(parts, autojump_clock):
    store, journal, _ = parts
    last = (await journal.bounds()).last
    with journal.reading():
        await trio.sleep(1)
        for seq in range(1, 11):
            await put(store, append(seq))
        await trio.sleep(1)
        for start, size in itertools.product(range(11), (1, 1000, 10_000)):
            if start < 10:
                portion = await journal.after(last + start, size)
                assert portion.events[0].id == last + start + 1
                assert portion.events[-1].id <= portion.reached


async def test_a_thousand_readers_let_others_work(parts, autojump_clock):
    """Between some readers and the next the rest of the server has its turn."""
    store, journal, _ = parts
    last = (await journal.bounds()).last
    order: list[str] = []

    async def reader() -> None:
        await read(journal, last, last + 1)
        order.append("reader")

    async with trio.open_nursery() as readers:
        for _ in range(1000):
            readers.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        await put(store, append(1))
        while order.count("reader") < 1000:
            await trio.lowlevel.checkpoint()
            order.append("other")
    runs = [len(list(run)) for who, run in itertools.groupby(order) if who == "reader"]
    assert max(runs) <= 4 * module.TURN
    assert len(runs) >= 10
