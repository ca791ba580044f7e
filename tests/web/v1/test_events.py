"""The stream of events: what is told, where it goes on, who may read it, how many may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio.testing

from tests.web.v1.conftest import Api, key_for
from tests.web.v1.streams import streaming
from tinode_py.changes import Batch
from tinode_py.changes_backend import PurgeEvents, PutKey
from tinode_py.queries_backend import EventsAfter, KeysAfter
from tinode_py.testing import RunningServer, running_server

SOON = 30  # seconds


async def last(server: RunningServer) -> int:
    page: Any = await server.server.store.fetch(EventsAfter(0, 0))
    return int(page.last)


async def test_a_day_of_a_chat(server: RunningServer):
    key = await key_for(server, "events:read")
    async with streaming(server.url, key) as stream:
        ann = await server.user("ann")
        group = (await ann.sub("new1", set={"desc": {"public": {"fn": "Tea"}}})).topic
        await ann.pub(group, {"txt": "hi"}, head={"mime": "text/x-drafty"})
        found = {}
        with trio.fail_after(SOON):
            while "message.stored" not in found:  # it would go with the topic
                event = await stream.next()
                found[event["kind"]] = event
        await ann.set(group, desc={"public": {"fn": "Coffee"}})
        await ann.leave(group)
        await ann.del_("topic", topic=group)
        await ann.aclose()
        with trio.fail_after(SOON):
            while (event := await stream.next())["kind"] != "user.offline":
                found[event["kind"]] = event
        assert list(found) == [
            *("account.created", "user.online", "topic.created", "subscription.created"),
            *("message.stored", "topic.changed", "topic.deleted"),
        ]
        stored = found["message.stored"]
        assert (stored["topic"], stored["user"]) == (group, ann.user)
        message = {"seq": 1, "head": {"mime": "text/x-drafty"}, "content": {"txt": "hi"}}
        assert stored["message"] == message
        assert found["topic.changed"]["detail"] == {"changed": ["public"]}
        assert found["subscription.created"]["detail"]["mode"] == "JRWPASDO"
        assert event["detail"]["user_agent"] == "ann"
        assert int(stream.last) == event["id"] == await last(server)


async def test_a_reader_goes_on_where_it_left_off(server: RunningServer):
    key = await key_for(server, "events:read")
    ann = await server.user("ann")
    async with streaming(server.url, key, 0) as stream:
        await stream.kinds(3)  # of `sys`, the account, and that it is online
        left = stream.last
    group = (await ann.sub("new1")).topic
    for n in range(300):
        await ann.pub(group, n, noecho=True)
    for after in ({"last": left}, {"after": int(left)}):
        async with streaming(server.url, key, **after) as stream:
            assert await stream.kinds(2) == ["topic.created", "subscription.created"]
            with trio.fail_after(SOON):
                told = [(await stream.next())["message"]["content"] for _ in range(300)]
            assert told == list(range(300))


async def test_from_now_without_an_id(server: RunningServer):
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    await ann.pub(group, "before")
    async with streaming(server.url, await key_for(server)) as stream:
        assert int(stream.last) == await last(server)
        await ann.pub(group, "after")
        assert (await stream.next())["message"]["content"] == "after"


async def test_kinds_can_be_chosen(server: RunningServer):
    key = await key_for(server, "events:read")
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    await ann.pub(group, "x")
    kinds = "user.online, topic.created"
    async with streaming(server.url, key, 0, kinds=kinds) as stream:
        assert await stream.kinds(2) == ["topic.created", "user.online"]  # the first is of `sys`
        assert await stream.kinds(1) == ["topic.created"]
        await ann.pub(group, "x")
        await ann.sub("new2")
        assert await stream.kinds(1) == ["topic.created"]


async def test_signs_of_life(api: Api):
    async with running_server(events={"heartbeat": 0.1}) as server:
        key = await key_for(server)
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        async with streaming(server.url, key, kinds="topic.deleted") as stream:
            with trio.fail_after(SOON):
                begun = int(stream.last)
                await ann.pub(group, "not asked for")
                event = await stream.raw()
                assert event == {"id": begun + 1, "kind": "stream.at"}
                assert stream.last == str(begun + 1)
            await ann.leave(group)
            await ann.del_("topic", topic=group)
            assert await stream.kinds(1) == ["topic.deleted"]
            await trio.sleep(0.3)
            await ann.sub("new2")
            await stream.raw()
            assert stream.beats >= 1


async def test_what_is_too_old_is_said(server: RunningServer):
    store = server.server.store
    await store.commit(Batch((PurgeEvents(0, 10),)))
    ann = await server.user("ann")
    await store.commit(Batch((PurgeEvents(99, 99),)))
    async with streaming(server.url, await key_for(server), 0) as stream:
        assert int(stream.last) == 0
        gap = await stream.next()
        assert (gap["kind"], gap["detail"]) == ("stream.gap", {"after": 0, "first": 2})
        assert gap["id"] == 1
        assert (await stream.next())["user"] == ann.user


@pytest.mark.parametrize(
    ("headers", "query", "status", "text"),
    [
        ({"last-event-id": "x"}, "", 400, "Last-Event-ID"),
        ({"last-event-id": "-1"}, "", 400, "Last-Event-ID"),
        ({"last-event-id": "9" * 50}, "", 400, "Last-Event-ID"),
        ({"last-event-id": "99999"}, "", 409, "backup"),
        ({}, "?after=99999", 409, "backup"),
        ({}, "?after=-1", 400, "after"),
        ({}, "?after=x", 400, "after"),
        ({}, "?kinds=message.stored,what", 400, "'what'"),
        ({}, "?kinds=" + "x" * 600, 400, "kinds"),
        ({}, "?what=1", 400, "what"),
    ],
)
async def test_what_makes_no_sense_is_named(api: Api, headers, query, status, text):
    got = await api("GET", f"/events{query}", headers=headers)
    assert got.status == status
    assert text in got["detail"]


async def test_the_header_goes_before_the_query(server: RunningServer):
    key = await key_for(server)
    await server.user("ann")
    async with streaming(server.url, key, 0, last="2") as stream:
        assert stream.last == "2"


async def test_who_may_not(server: RunningServer, api: Api):
    assert (await api("GET", "/events", key="")).status == 401
    assert (await api("GET", "/events", key=await key_for(server, "users:read"))).status == 403
    narrow = await key_for(server, "events:read", tags=("x",))
    assert "tags" in (await api("GET", "/events", key=narrow))["detail"]
    ann = await server.user("ann")
    assert (await api("GET", "/events", key=ann.token)).status == 403


async def test_a_key_for_a_topic_reads_of_it_alone(server: RunningServer):
    ann = await server.user("ann")
    mine, other = [(await ann.sub(f"new{n}")).topic for n in (1, 2)]
    key = await key_for(server, "events:read", topics=(mine,))
    for topic in (other, mine, other):
        await ann.pub(topic, topic)
    async with streaming(server.url, key, 0) as stream:
        assert await stream.kinds(2) == ["topic.created", "subscription.created"]
        assert (await stream.next())["topic"] == mine
        await ann.pub(other, "x")
        await ann.pub(mine, "x")
        assert (await stream.next())["topic"] == mine


async def test_a_key_that_was_revoked_ends_its_stream():
    async with (
        running_server(events={"heartbeat": 0.1}) as server,
        streaming(server.url, await key_for(server)) as stream,
    ):
        store = server.server.store
        (row,) = await store.fetch(KeysAfter("", 9))
        await store.commit(Batch((PutKey(attrs.evolve(row, revoked=1)),)))
        with trio.fail_after(SOON):
            await stream.wait_ended()


async def test_one_reader_too_many(api: Api):
    async with running_server(events={"readers": 2}) as server:
        key = await key_for(server)
        headers = {"authorization": f"Bearer {key}"}
        async with streaming(server.url, key), streaming(server.url, key):
            async with httpx.AsyncClient(base_url=server.url) as client:
                got = await client.get("/v1/events", headers=headers)
            assert (got.status_code, got.headers["retry-after"]) == (503, "5")
            assert "2 streams" in got.json()["detail"]
        with trio.fail_after(SOON):
            while server.server.events.streams.borrowed_tokens:
                await trio.testing.wait_all_tasks_blocked(0.01)
        async with streaming(server.url, key):
            pass


async def test_head_shows_what_would_come(server: RunningServer):
    headers = {"authorization": f"Bearer {await key_for(server)}"}
    async with httpx.AsyncClient(base_url=server.url) as client:
        got = await client.head("/v1/events", headers=headers)
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("text/event-stream")


async def test_a_reader_that_takes_nothing_holds_nobody_up(server: RunningServer):
    """It is behind, others are not; when it reads again it has missed nothing."""
    key = await key_for(server)
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    start = await last(server)
    big = "x" * 50_000
    async with streaming(server.url, key) as slow, streaming(server.url, key) as fast:
        for n in range(150):  # more than the sockets and the ring hold
            await ann.pub(group, [n, big], noecho=True)
            with trio.fail_after(SOON):
                assert (await fast.next())["message"]["content"][0] == n
        assert server.server.events.journal._size < 5 << 20
        with trio.fail_after(30):
            for n in range(150):
                event = await slow.next()
                assert (event["id"], event["message"]["content"][0]) == (start + n + 1, n)


async def test_a_stop_ends_streams_in_good_order(tmp_path: Path):
    place: dict[str, Any] = {"store": f"sqlite:///{tmp_path / 't.db'}", "data": str(tmp_path)}
    place |= {"drain_seconds": 60.0}
    ended: list[float] = []

    async def read(url: str, key: str, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with streaming(url, key) as stream:
            task_status.started()
            await stream.wait_ended()
            ended.append(trio.current_time())

    async with trio.open_nursery() as readers, running_server(server=place) as server:
        key = await key_for(server)
        for _ in range(3):
            await readers.start(read, server.url, key)
        stopping = trio.current_time()
    assert max(ended) - stopping < 30  # not broken off by the drain's deadline


async def test_nothing_is_lost_over_a_restart(tmp_path: Path):
    place: dict[str, Any] = {"store": f"sqlite:///{tmp_path / 't.db'}", "data": str(tmp_path)}
    async with running_server(server=place) as server:
        key = await key_for(server)
        async with streaming(server.url, key) as stream:
            await server.user("ann")
            await stream.kinds(2)
            left = stream.last
    async with (
        running_server(server=place) as server,
        streaming(server.url, key, last=left) as stream,
    ):
        assert await stream.kinds(1) == ["user.offline"]
