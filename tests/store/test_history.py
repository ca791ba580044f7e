"""Messages, their numbers, their deletion."""

from __future__ import annotations

import pytest

from tests.store.made import (
    ALL,
    ANN,
    BOB,
    CAT,
    CHANNEL,
    GROUP,
    OTHER,
    append,
    message,
    people,
    published,
    put,
    seen,
    sub,
    topic,
)
from tinode_py.changes import Batch, DeleteMessages, PutSubscription, PutTopic, SetMarks, Stale
from tinode_py.queries import (
    DeletionsIn,
    MessageAt,
    MessagesIn,
    SeqSince,
    SubscriptionOf,
    TopicByName,
)
from tinode_py.records import Deletions, Range


async def test_a_message_raises_its_topic(store):
    await people(store)
    await put(store, append(1, ts=500), SetMarks(GROUP, ANN, 1, 1))
    await put(store, append(2, ts=400))
    assert await store.fetch(TopicByName(GROUP)) == topic(GROUP, seq=2, touched=500)
    assert (await store.fetch(SubscriptionOf(GROUP, ANN))).read == 1


@pytest.mark.parametrize(
    "content",
    [
        b'{ "txt" : "a" , "n": 1.50e+3 }',
        '"žluťoučký 🐴 \\ud83d\\udc34 \\u0000 \\" \\\\"'.encode(),
        b'"' + b"\\n\xe2\x82\xac" * 300_000 + b'"',
        b"null",
        b" [ 1,2 ]\n",
    ],
    ids=["spaces", "unicode", "huge", "null", "around"],
)
async def test_content_comes_back_byte_for_byte(store, content):
    await people(store)
    await put(store, append(1, content=content, head=b'{"mime": "x/\xc3\xa4"}'))
    wanted = message(1, content=content, head=b'{"mime": "x/\xc3\xa4"}')
    assert await store.fetch(MessageAt(GROUP, 1)) == wanted
    assert await store.fetch(MessagesIn(GROUP, ANN, ALL, 5)) == (wanted,)


@pytest.mark.parametrize("seq", [0, 2, 3, 5, -1])
async def test_a_number_that_is_not_the_next_is_stale(store, seq):
    await people(store)
    await published(store, 3)
    assert await store.commit(Batch((SetMarks(GROUP, ANN, 3, 3), append(seq)))) == Stale()
    assert (await store.fetch(SubscriptionOf(GROUP, ANN))).read == 0
    assert await seen(store) == [3, 2, 1]


async def test_a_gap_inside_a_batch_is_stale(store):
    await people(store)
    assert await store.commit(Batch((append(1), append(3)))) == Stale()
    assert await seen(store) == []


async def test_a_message_without_a_topic_is_stale(store):
    assert await store.commit(Batch((append(1),))) == Stale()


async def test_a_new_topic_and_its_first_message_in_one_batch(store):
    await put(store, PutTopic(topic(OTHER)), append(1, OTHER), append(2, OTHER))
    assert await seen(store, where=OTHER) == [2, 1]


async def test_pages_run_downwards_through_ranges(store):
    await people(store)
    await published(store, 20)
    ranges = (Range(1, 3), Range(5, 6), Range(8, 30))
    assert await seen(store, ranges=ranges) == [*range(20, 7, -1), 5, 2, 1]
    assert await seen(store, ranges=ranges, limit=14) == [*range(20, 7, -1), 5]
    assert await seen(store, ranges=(Range(5, 10),), limit=2) == [9, 8]
    assert await seen(store, ranges=()) == []
    assert await seen(store, ranges=ALL, limit=0) == []


async def test_thousands_of_ranges_to_two_billion(store):
    await people(store)
    await published(store, 30)
    near = tuple(Range(low, low + 1) for low in range(1, 30, 2))
    far = tuple(Range(low, low + 400_000) for low in range(1_000, 2_000_000_000, 500_000))
    assert await seen(store, ranges=near + far[: 4_096 - len(near)]) == [*range(29, 0, -2)]


async def test_what_was_deleted_for_all_is_gone_and_its_number_stays_taken(store):
    await people(store)
    await published(store, 6)
    await put(store, DeleteMessages(GROUP, 1, "", (Range(2, 4), Range(6, 9)), 50))
    assert await seen(store) == [5, 4, 1]
    assert await store.fetch(MessageAt(GROUP, 6)) is None
    assert await store.commit(Batch((append(6),))) == Stale()
    await put(store, append(7))
    assert await seen(store, BOB) == [7, 5, 4, 1]
    assert (await store.fetch(TopicByName(GROUP))).delid == 1


async def test_what_a_user_deleted_for_himself_only_he_misses(store):
    await people(store)
    await published(store, 12)
    await put(store, DeleteMessages(GROUP, 1, ANN, (Range(2, 4), Range(8, 9)), 50))
    await put(store, DeleteMessages(GROUP, 2, ANN, (Range(3, 6), Range(11, 12)), 50))
    await put(store, DeleteMessages(GROUP, 3, ANN, (Range(6, 7),), 50))
    assert await seen(store) == [12, 10, 9, 7, 1]
    assert await seen(store, limit=3) == [12, 10, 9]
    assert await seen(store, ranges=(Range(2, 8), Range(9, 10))) == [9, 7]
    assert await seen(store, BOB) == [*range(12, 0, -1)]
    assert await store.fetch(MessageAt(GROUP, 2)) == message(2)
    assert (await store.fetch(SubscriptionOf(GROUP, ANN))).clear == 3
    assert (await store.fetch(SubscriptionOf(GROUP, BOB))).clear == 0


async def test_a_reader_deletes_for_himself_too(store):
    await people(store)
    await put(store, PutSubscription(sub(CHANNEL, CAT)))
    await published(store, 2)
    await put(store, DeleteMessages(GROUP, 4, CAT, (Range(1, 2),), 50))
    assert await seen(store, CAT) == [2]
    assert (await store.fetch(SubscriptionOf(CHANNEL, CAT))).clear == 4


async def test_hundreds_of_holes(store):
    await people(store)
    await published(store, 1_300)
    holes = tuple(Range(low, low + 1) for low in range(1, 1_300, 2))
    await put(store, DeleteMessages(GROUP, 1, ANN, holes, 50))
    assert await seen(store, limit=2_000) == [*range(1_300, 0, -2)]


async def test_a_deletion_by_a_former_owner_is_stale(store):
    await people(store)
    await put(store, DeleteMessages(GROUP, 5, "", (Range(1, 2),), 50))
    assert await store.commit(Batch((DeleteMessages(GROUP, 4, "", ALL, 50),))) == Stale()
    assert await store.commit(Batch((DeleteMessages(OTHER, 9, "", ALL, 50),))) == Stale()


async def test_the_first_message_since_a_time(store):
    await people(store)
    await published(store, 9)  # at 101 to 109
    await put(store, DeleteMessages(GROUP, 1, "", (Range(4, 7),), 50))
    wanted = {0: 1, 101: 1, 102: 2, 104: 7, 106: 7, 107: 7, 108: 8, 109: 9, 110: 0}
    assert {ts: await store.fetch(SeqSince(GROUP, ts)) for ts in wanted} == wanted
    assert await store.fetch(SeqSince(OTHER, 0)) == 0


async def _deleted(store):
    await people(store)
    await put(store, DeleteMessages(GROUP, 1, "", (Range(8, 10),), 50))
    await put(store, DeleteMessages(GROUP, 2, ANN, (Range(1, 3), Range(20, 30)), 50))
    await put(store, DeleteMessages(GROUP, 3, BOB, (Range(40, 41),), 50))
    await put(store, DeleteMessages(GROUP, 4, "", (Range(3, 5), Range(9, 12)), 50))


async def test_deletions_are_merged_for_each_user(store):
    await _deleted(store)
    ann = Deletions(4, (Range(1, 5), Range(8, 12), Range(20, 30)))
    bob = Deletions(4, (Range(3, 5), Range(8, 12), Range(40, 41)))
    assert await store.fetch(DeletionsIn(GROUP, ANN, 0, 0, 100)) == ann
    assert await store.fetch(DeletionsIn(GROUP, BOB, 0, 0, 100)) == bob


async def test_deletions_by_number(store):
    await _deleted(store)
    two = Deletions(2, (Range(1, 3), Range(20, 30)))
    assert await store.fetch(DeletionsIn(GROUP, ANN, 2, 4, 100)) == two
    assert await store.fetch(DeletionsIn(GROUP, ANN, 5, 0, 100)) is None
    assert await store.fetch(DeletionsIn(GROUP, ANN, 3, 4, 100)) is None
    assert await store.fetch(DeletionsIn(OTHER, ANN, 0, 0, 100)) is None


async def test_a_page_of_deletions_never_cuts_one_in_two(store):
    await _deleted(store)
    one = Deletions(1, (Range(8, 10),))
    assert await store.fetch(DeletionsIn(GROUP, ANN, 0, 0, 2)) == one
    two = Deletions(2, (Range(1, 3), Range(20, 30)))
    assert await store.fetch(DeletionsIn(GROUP, ANN, 2, 0, 1)) == two
    three = Deletions(2, (Range(1, 3), Range(8, 10), Range(20, 30)))
    assert await store.fetch(DeletionsIn(GROUP, ANN, 0, 0, 3)) == three


async def test_edits_are_found_by_what_they_replace(store):
    from tinode_py.changes import AppendMessage
    from tinode_py.queries import EditsOf
    from tinode_py.records import Message

    await people(store)
    await published(store, 2)
    heads = [b'{"replace":":1"}', b'{"mime":"x"}', b'{"replace":":2"}', b'{"replace":":1","a":"b"}']
    for seq, head in enumerate(heads, 3):
        await put(store, AppendMessage(Message(GROUP, seq, ANN, 200 + seq, head, b'"new"')))

    async def found(*seqs, limit=9):
        return [row.seq for row in await store.fetch(EditsOf(GROUP, seqs, limit))]

    assert await found(1) == [3, 6]
    assert await found(2, 1, 1, 5) == [3, 5, 6]
    assert await found(1, limit=1) == [3]
    assert await found(4) == await found() == []
