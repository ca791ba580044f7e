"""Inboxes: dense numbers per user, given out with the message; old items go, numbers do not."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from tests.store.made import ANN, BOB, GROUP, PAIR, append, message, people, put, topic
from tinode_py import ids
from tinode_py.changes import (
    AppendMessage,
    Batch,
    Committed,
    DeleteMessages,
    DeleteTopic,
    DeleteUser,
    PurgeInbox,
    PutNotice,
    PutTopic,
)
from tinode_py.queries import InboxOf, InboxUsers
from tinode_py.records import InboxPage, Range

OTHER_PAIR = ids.p2p_name(ANN, ids.user_name(99))


def private(seq: int, where: str = PAIR) -> AppendMessage:
    return structs.replace(append(seq, where), inboxes=(ANN, BOB))


async def numbers(
    store, user: str = ANN, since: int = 1, limit: int = 100
) -> list[tuple[Any, ...]]:
    page = await store.fetch(InboxOf(user, since, limit))
    return [(item.n, item.topic, item.seq, item.message is not None) for item in page.items]


async def test_nobody_has_an_inbox_at_first(store):
    assert await store.fetch(InboxOf(ANN, 1, 10)) == InboxPage(1, 0)


async def test_a_message_takes_a_place_on_each_side(store):
    await people(store)
    await put(store, private(1), private(2))
    await put(store, private(3))
    expected = [(n, PAIR, n, True) for n in (1, 2, 3)]
    assert await numbers(store, ANN) == await numbers(store, BOB) == expected
    page = await store.fetch(InboxOf(ANN, 2, 1))
    assert (page.first, page.last) == (1, 3)
    assert [item.message for item in page.items] == [message(2, PAIR)]


async def test_messages_of_groups_take_none(store):
    await people(store)
    await put(store, append(1))
    assert await store.fetch(InboxOf(ANN, 1, 10)) == InboxPage(1, 0)


async def test_large_content_has_its_place(store):
    await people(store)
    big = b'"' + b"x" * 50_000 + b'"'
    await put(store, AppendMessage(message(1, PAIR, big), (ANN, BOB)))
    assert (await store.fetch(InboxOf(BOB, 1, 10))).items[0].message == message(1, PAIR, big)


async def test_what_is_written_together_has_places_in_order(store):
    """Messages of two conversations in turns, one of them large, in one commit and the next."""
    await people(store)
    await put(store, PutTopic(topic(OTHER_PAIR)))
    big = b'"' + b"x" * 50_000 + b'"'
    large = AppendMessage(message(3, PAIR, big), (ANN, BOB))
    await put(
        store,
        *(private(1), private(2), private(1, OTHER_PAIR), large),
        *(private(2, OTHER_PAIR), private(3, OTHER_PAIR), private(4)),
    )
    await put(store, private(4, OTHER_PAIR), private(5))
    expected = [
        *((1, PAIR, 1), (2, PAIR, 2), (3, OTHER_PAIR, 1), (4, PAIR, 3), (5, OTHER_PAIR, 2)),
        *((6, OTHER_PAIR, 3), (7, PAIR, 4), (8, OTHER_PAIR, 4), (9, PAIR, 5)),
    ]
    for user in (ANN, BOB):
        assert await numbers(store, user) == [(*each, True) for each in expected]
    assert (await store.fetch(InboxOf(BOB, 4, 1))).items[0].message == message(3, PAIR, big)


async def test_notices_and_messages_share_the_numbers(store):
    await people(store)
    await put(store, private(1))
    await put(store, PutNotice(ANN, GROUP, "invite", 200, b'{"act":"x"}'))
    await put(store, private(2))
    page = await store.fetch(InboxOf(ANN, 1, 10))
    assert [(i.n, i.kind, i.detail) for i in page.items] == [
        (1, "", None),
        (2, "invite", b'{"act":"x"}'),
        (3, "", None),
    ]
    assert (await store.fetch(InboxOf(BOB, 1, 10))).last == 2


async def test_deleted_messages_keep_their_places(store):
    await people(store)
    await put(store, private(1), private(2), private(3))
    await put(store, DeleteMessages(PAIR, 1, "", (Range(1, 2),), 9))
    await put(store, DeleteMessages(PAIR, 2, ANN, (Range(3, 4),), 9))
    assert [there for *_, there in await numbers(store, ANN)] == [False, True, False]
    assert [there for *_, there in await numbers(store, BOB)] == [False, True, True]


async def test_a_topic_that_began_anew_does_not_fill_old_places(store):
    await people(store)
    await put(store, private(1))
    await put(store, DeleteTopic(PAIR), PutTopic(topic(PAIR)))
    await put(store, AppendMessage(message(1, PAIR, b'"new"', ts=500), (ANN, BOB)))
    assert await numbers(store) == [(1, PAIR, 1, False), (2, PAIR, 1, True)]


async def test_old_items_go_and_their_numbers_with_them(store):
    await people(store)
    await put(store, private(1), private(2), private(3))  # at 101, 102, 103
    await put(store, PurgeInbox(ANN, 102))
    page = await store.fetch(InboxOf(ANN, 1, 10))
    assert (page.first, page.last, len(page.items)) == (2, 3, 2)
    await put(store, PurgeInbox(ANN, 999))
    assert await store.fetch(InboxOf(ANN, 1, 10)) == InboxPage(4, 3)
    await put(store, private(4))
    assert await numbers(store) == [(4, PAIR, 4, True)]
    assert (await store.fetch(InboxOf(BOB, 1, 10))).first == 1


async def test_users_with_an_inbox_are_listed_in_pages(store):
    await people(store)
    await put(store, private(1))
    both = tuple(sorted((ANN, BOB)))
    assert await store.fetch(InboxUsers("", 10)) == both
    assert await store.fetch(InboxUsers("", 1)) == both[:1]
    assert await store.fetch(InboxUsers(both[0], 10)) == both[1:]


async def test_an_account_ends_with_its_inbox(store):
    await people(store)
    await put(store, private(1))
    await put(store, DeleteUser(ANN, hard=False, now=9))
    assert await store.fetch(InboxOf(ANN, 1, 10)) == InboxPage(1, 0)
    assert await store.fetch(InboxUsers("", 10)) == (BOB,)


async def test_a_batch_that_is_refused_gives_out_no_number(store):
    await people(store)
    assert await store.commit(Batch((private(5),))) != Committed()
    await put(store, private(1))
    assert await numbers(store) == [(1, PAIR, 1, True)]
