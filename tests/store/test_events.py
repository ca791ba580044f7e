"""The log of events: one order of all that was committed, kept for a while, no number twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import structs

from tests.store.made import (
    ANN,
    BOB,
    CAT,
    CHANNEL,
    GROUP,
    append,
    message,
    people,
    published,
    put,
    sub,
    topic,
    user,
)
from tinode_py.changes import (
    AppendMessage,
    Batch,
    Change,
    DeleteMessages,
    DeleteTopic,
    DeleteUser,
    PutSubscription,
    PutTopic,
    PutUser,
    SetMarks,
    Stale,
)
from tinode_py.changes_backend import PurgeEvents, PutOffline, PutOnline
from tinode_py.queries_backend import EventsAfter, OnlineAfter
from tinode_py.records import EventPage, Range, State
from tinode_py.store.base import Store
from tinode_py.store.sqlite import open_sqlite

ALL = EventsAfter(0, 1000)


async def last(store: Store) -> int:
    return (await store.fetch(EventsAfter(0, 0))).last


async def told(store: Store, *changes: Change, now: int = 0) -> list[tuple[Any, ...]]:
    """What changes leave in the log: kind, topic, user, detail."""
    before = await last(store)
    await store.commit(Batch(changes, now))
    page = await store.fetch(EventsAfter(before, 100))
    return [(e.kind, e.topic, e.user, e.detail and json.loads(e.detail)) for e in page.events]


async def test_a_log_is_empty_at_first(store):
    assert await store.fetch(ALL) == EventPage(1, 0, 0)


async def test_messages_are_told_in_their_order_among_others(store):
    await people(store)
    before = await last(store)
    await put(store, append(1), append(2))
    await put(store, PutOnline(ANN, 5, b"{}"))
    await put(store, append(3))
    page = await store.fetch(EventsAfter(before, 100))
    assert [(e.id - before, e.kind) for e in page.events] == [
        (1, "message.stored"),
        (2, "message.stored"),
        (3, "user.online"),
        (4, "message.stored"),
    ]
    first = page.events[0]
    assert (first.message, first.ts, first.topic, first.user) == (message(1), 101, GROUP, ANN)
    assert page.reached == page.last == before + 4


async def test_messages_large_and_small_beside_other_changes_have_a_place(store):
    await people(store)
    before = await last(store)
    big = b'"' + b"x" * 50_000 + b'"'
    await put(store, append(1), AppendMessage(message(2, content=big)))
    await put(store, append(3), PutOnline(ANN, 5, b"{}"))  # not by the statement of the hot path
    page = await store.fetch(EventsAfter(before, 100))
    numbers = {e.id: e.message and e.message.seq for e in page.events}
    assert sorted(numbers) == [before + n for n in (1, 2, 3, 4)]
    assert set(numbers.values()) == {1, 2, 3, None}


async def test_a_page_ends_by_number_or_by_size(store):
    await people(store)
    before = await last(store)
    await put(store, *(AppendMessage(message(n, content=b'"' + b"x" * 998)) for n in (1, 2, 3)))
    page = await store.fetch(EventsAfter(before, 2))
    assert (len(page.events), page.reached) == (2, before + 2)
    page = await store.fetch(EventsAfter(before, 9, size=1500))
    assert (len(page.events), page.reached) == (1, before + 1)
    page = await store.fetch(EventsAfter(before, 9, size=1))
    assert len(page.events) == 1
    page = await store.fetch(EventsAfter(page.reached, 2))
    assert (len(page.events), page.reached) == (2, before + 3)


async def test_messages_can_be_left_out(store):
    await people(store)
    await published(store, 5)
    page = await store.fetch(EventsAfter(0, 100, messages=False))
    assert "message.stored" not in {e.kind for e in page.events}
    assert page.reached == page.last == await last(store)


async def test_the_life_of_an_account(store):
    account = user(public=b'{"fn":"Ann"}')
    assert await told(store, PutUser(account)) == [("account.created", "", ANN, None)]
    seen = structs.replace(account, last_seen=9, user_agent="x", private=b"1")
    assert await told(store, PutUser(seen)) == []
    other = structs.replace(seen, public=None, auth=1)
    changed = {"changed": ["public", "defacs"]}
    assert await told(store, PutUser(other)) == [("account.changed", "", ANN, changed)]
    held = structs.replace(other, state=State.SUSPENDED)
    assert await told(store, PutUser(held)) == [("account.suspended", "", ANN, None)]
    assert await told(store, PutUser(other)) == [("account.restored", "", ANN, None)]
    gone = DeleteUser(ANN, hard=False, now=9)
    assert await told(store, gone) == [("account.deleted", "", ANN, {"hard": False})]
    assert await told(store, gone) == []


async def test_the_life_of_a_topic(store):
    group = topic(owner=ANN)
    created = [("topic.created", GROUP, ANN, {"channel": False})]
    assert await told(store, PutTopic(group)) == created
    counted = structs.replace(group, readers=3, updated=9)
    assert await told(store, PutTopic(counted)) == []
    changed = [("topic.changed", GROUP, BOB, {"changed": ["tags", "owner"]})]
    assert await told(store, PutTopic(structs.replace(group, owner=BOB, tags=("a",)))) == changed
    assert await told(store, DeleteTopic(GROUP)) == [("topic.deleted", GROUP, BOB, None)]
    assert await told(store, DeleteTopic(GROUP)) == []


async def test_the_life_of_a_subscription(store):
    await people(store)
    rights = {"want": "JRWPS", "given": "JRWPS", "mode": "JRWPS", "reader": False}
    mine = sub(who=CAT, want=47, given=47)
    created = [("subscription.created", GROUP, CAT, rights)]
    assert await told(store, PutSubscription(mine)) == created
    assert await told(store, SetMarks(GROUP, CAT, 1, 1)) == []
    assert await told(store, PutSubscription(structs.replace(mine, private=b"1", read=3))) == []
    fewer = structs.replace(mine, given=3)
    changed = rights | {"given": "JR", "mode": "JR"}
    assert await told(store, PutSubscription(fewer)) == [
        ("subscription.changed", GROUP, CAT, changed)
    ]
    ended = structs.replace(fewer, deleted=9)
    assert await told(store, PutSubscription(ended)) == [
        ("subscription.ended", GROUP, CAT, changed)
    ]
    assert await told(store, PutSubscription(ended)) == []
    assert await told(store, PutSubscription(mine)) == created
    (reader,) = await told(store, PutSubscription(structs.replace(mine, topic=CHANNEL)))
    assert reader == ("subscription.created", GROUP, CAT, rights | {"reader": True})


async def test_messages_that_are_wiped_leave_the_log_with_an_event(store):
    await people(store)
    await published(store, 3)
    before = await last(store)
    gone = [("message.deleted", GROUP, "", {"delseq": [{"low": 2, "hi": 4}]})]
    assert await told(store, DeleteMessages(GROUP, 1, "", (Range(2, 4),), 9)) == gone
    assert await told(store, DeleteMessages(GROUP, 2, ANN, (Range(1, 2),), 9)) == []
    page = await store.fetch(ALL)
    assert [e.message.seq for e in page.events if e.message] == [1]
    assert page.last == before + 1


async def test_the_time_of_events_is_the_batchs(store):
    await store.commit(Batch((PutUser(user()),), 777))
    (event,) = (await store.fetch(ALL)).events
    assert event.ts == 777


async def test_what_was_refused_is_not_told(store):
    await people(store)
    before = await last(store)
    batch = Batch((PutTopic(topic(GROUP, tags=("x",))), append(7)))
    assert await store.commit(batch) == Stale()
    assert await last(store) == before
    await put(store, append(1))
    assert await last(store) == before + 1


async def test_online_and_offline_take_turns(store):
    assert await told(store, PutOffline(ANN, 5, b"{}")) == []
    online = [("user.online", "", ANN, {"a": 1})]
    assert await told(store, PutOnline(ANN, 5, b'{"a":1}')) == online
    assert await told(store, PutOnline(ANN, 6, b"{}")) == []
    await put(store, PutOnline(BOB, 6, b"{}"))
    both = tuple(sorted((ANN, BOB)))
    assert await store.fetch(OnlineAfter("", 10)) == both
    assert await store.fetch(OnlineAfter(both[0], 10)) == both[1:]
    assert await told(store, PutOffline(ANN, 7, b"{}")) == [("user.offline", "", ANN, {})]
    assert await told(store, PutOffline(ANN, 8, b"{}")) == []
    assert await store.fetch(OnlineAfter("", 10)) == (BOB,)


async def test_old_events_go_messages_stay(store):
    await people(store)
    await published(store, 2)
    old = await last(store)
    await put(store, PurgeEvents(0, 1000))
    await put(store, append(3))
    await put(store, PurgeEvents(500, 1500))  # nothing was known at 500
    assert (await store.fetch(ALL)).first == 1
    await put(store, PurgeEvents(1200, 2200))
    page = await store.fetch(ALL)
    assert (page.first, page.last) == (old + 1, old + 1)
    assert [e.message.seq for e in page.events] == [3]
    await put(store, PurgeEvents(9000, 9000))
    assert await store.fetch(ALL) == EventPage(old + 2, old + 1, old + 1)
    await put(store, append(4))
    assert [e.id for e in (await store.fetch(ALL)).events] == [old + 2]


async def test_no_number_is_given_out_twice(tmp_path: Path):
    """Whatever was wiped and purged, and however often the store was opened."""
    rounds: list[tuple[Change, ...]] = [
        (PutTopic(topic()), append(1), append(2)),
        (DeleteMessages(GROUP, 1, "", (Range(1, 9),), 9),),
        (PurgeEvents(9000, 1000),),
        (append(3),),
        (DeleteTopic(GROUP),),
        (PurgeEvents(99000, 9000),),
        (PurgeEvents(99000, 9000),),
        (PutTopic(topic()), append(1)),
    ]
    seen = 0
    for changes in rounds:
        async with open_sqlite(tmp_path / "t.db", inline=True) as store:
            assert await last(store) == seen
            await put(store, *changes)
            page = await store.fetch(EventsAfter(seen, 9))
            assert page.last == seen + len(changes) - isinstance(changes[0], PurgeEvents)
            seen = page.last


async def test_messages_from_before_there_was_a_log_are_not_told(tmp_path: Path):
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        await people(store)
        await published(store, 2)
        store._statements[0].run("UPDATE message SET event = 0 WHERE seq = 1")
        found = (await store.fetch(ALL)).events
        assert [e.message.seq for e in found if e.message] == [2]
