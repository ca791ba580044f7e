"""Topics, subscriptions, contacts and search."""

from __future__ import annotations

from msgspec import structs

from tests.store.made import (
    ANN,
    BOB,
    CAT,
    CHANNEL,
    GROUP,
    OTHER,
    PAIR,
    append,
    people,
    published,
    put,
    seen,
    sub,
    topic,
    user,
)
from tinode_py.changes import (
    Batch,
    Conflict,
    DeleteMessages,
    DeleteTopic,
    PutSubscription,
    PutTopic,
    PutUser,
    SetMarks,
)
from tinode_py.queries import (
    ContactsOf,
    DeletionsIn,
    FindByTags,
    GroupsOwnedBy,
    MembersOf,
    OwnerOfTag,
    SubscriptionOf,
    TopicByName,
)
from tinode_py.records import Contact, Found, Range, State

FULL = topic(
    GROUP,
    touched=4,
    owner=ANN,
    state=State.SUSPENDED,
    channel=True,
    auth=47,
    anon=1,
    public=b'{"fn": "\xe2\x82\xac"}',
    trusted=b"true",
    aux=b'{"pins":[1, 2]}',
    tags=("b", "a"),
    seq=5,
    delid=6,
    readers=7,
)


async def test_a_topic_comes_back_as_it_was_put(store):
    await put(store, PutTopic(FULL))
    assert await store.fetch(TopicByName(GROUP)) == FULL
    assert await store.fetch(TopicByName(OTHER)) is None


async def test_a_topic_and_a_user_cannot_share_an_alias(store):
    await put(store, PutUser(user(ANN, tags=("alias:x",))))
    taken = Batch((PutTopic(topic(tags=("alias:x",))),))
    assert await store.commit(taken) == Conflict("tags")
    assert await store.fetch(TopicByName(GROUP)) is None


async def test_a_subscription_comes_back_as_it_was_put(store):
    full = sub(GROUP, ANN, private=b"[1, 2]", read=1, recv=2, clear=3, deleted=4)
    await put(store, PutSubscription(full))
    assert await store.fetch(SubscriptionOf(GROUP, ANN)) == full
    live = structs.replace(full, deleted=0, private=None)
    await put(store, PutSubscription(live))
    assert await store.fetch(SubscriptionOf(GROUP, ANN)) == live


async def test_members_in_order_of_creation(store):
    rows = [sub(GROUP, BOB, created=1), sub(GROUP, ANN, created=2, deleted=9)]
    reader = sub(CHANNEL, CAT)
    await put(store, *map(PutSubscription, reversed(rows)), PutSubscription(reader))
    assert await store.fetch(MembersOf(GROUP)) == (rows[0],)
    assert await store.fetch(MembersOf(GROUP, former=True)) == tuple(rows)
    assert await store.fetch(SubscriptionOf(CHANNEL, CAT)) == reader


async def test_marks_never_go_back(store):
    await people(store)
    await put(store, PutSubscription(sub(CHANNEL, CAT)))
    await put(store, SetMarks(GROUP, ANN, 3, 5), SetMarks(GROUP, ANN, 2, 6))
    await put(store, SetMarks(GROUP, ANN, 1, 1), SetMarks(CHANNEL, CAT, 1, 2))
    await put(store, SetMarks(OTHER, ANN, 1, 1))
    assert await store.fetch(SubscriptionOf(GROUP, ANN)) == sub(GROUP, ANN, read=3, recv=6)
    assert await store.fetch(SubscriptionOf(CHANNEL, CAT)) == sub(CHANNEL, CAT, read=1, recv=2)
    assert await store.fetch(SubscriptionOf(OTHER, ANN)) is None


async def test_contacts_newest_first(store):
    await people(store)
    await put(store, append(1, PAIR))
    pair, group = await store.fetch(ContactsOf(ANN))
    assert pair == Contact(sub(PAIR, ANN), topic(PAIR, seq=1, touched=101), user(BOB))
    assert group == Contact(sub(GROUP, ANN), topic(GROUP), None, members=2)
    assert await store.fetch(ContactsOf(ANN, topic=GROUP)) == (group,)
    assert await store.fetch(ContactsOf(CAT)) == ()


async def test_a_contact_whose_account_is_gone_has_no_peer(store):
    await people(store)
    await put(store, PutUser(user(BOB, state=State.DELETED)))
    (contact,) = await store.fetch(ContactsOf(ANN, topic=PAIR))
    assert contact.peer is None


async def test_a_reader_has_the_channel_among_his_contacts(store):
    await people(store)
    await put(store, PutSubscription(sub(CHANNEL, CAT)))
    (contact,) = await store.fetch(ContactsOf(CAT))
    assert contact == Contact(sub(CHANNEL, CAT), topic(GROUP), members=3)
    assert await store.fetch(ContactsOf(CAT, topic=CHANNEL)) == (contact,)


async def test_contacts_that_ended_are_asked_for_by_time(store):
    await people(store)
    await put(store, PutSubscription(sub(GROUP, ANN, deleted=50)))
    names = [
        {c.subscription.topic for c in await store.fetch(ContactsOf(ANN, since))}
        for since in (0, 49, 50)
    ]
    assert names == [{PAIR}, {PAIR, GROUP}, {PAIR}]


async def test_a_topic_leaves_nothing_behind(store):
    await people(store)
    await put(store, PutTopic(topic(tags=("alias:g",))), PutSubscription(sub(CHANNEL, CAT)))
    await published(store, 3)
    await put(store, DeleteMessages(GROUP, 1, ANN, (Range(1, 2),), 5))
    await put(store, DeleteTopic(GROUP))
    assert await store.fetch(TopicByName(GROUP)) is None
    assert await store.fetch(MembersOf(GROUP, former=True)) == ()
    assert await store.fetch(SubscriptionOf(CHANNEL, CAT)) is None
    assert await store.fetch(OwnerOfTag("alias:g")) is None
    await put(store, PutTopic(topic(GROUP)), append(1))
    assert await seen(store) == [1]
    assert await store.fetch(DeletionsIn(GROUP, ANN, 0, 0, 10)) is None
    assert len(await store.fetch(ContactsOf(ANN))) == 1


async def test_groups_of_an_owner(store):
    await put(
        store,
        PutTopic(topic(GROUP, owner=ANN)),
        PutTopic(topic(OTHER, owner=BOB)),
        PutTopic(topic("slf" + ANN[3:], owner=ANN)),
        PutTopic(topic(PAIR)),
        *(PutSubscription(sub(GROUP, user)) for user in (ANN, BOB)),
    )
    assert await store.fetch(GroupsOwnedBy(ANN)) == {GROUP: tuple(sorted((ANN, BOB)))}
    assert await store.fetch(GroupsOwnedBy("")) == {}


async def _findable(store):
    await put(
        store,
        PutUser(user(ANN, tags=("cook", "tel:1", "alias:ann"))),
        PutUser(user(BOB, tags=("cook", "chess"), state=State.SUSPENDED)),
        PutUser(user(CAT, tags=("chess", "tel:2"))),
        PutTopic(topic(GROUP, tags=("cook", "chess"))),
        PutTopic(topic(OTHER, tags=("cook",))),
        *(PutSubscription(sub(OTHER, who)) for who in (ANN, BOB)),
        PutSubscription(sub(OTHER, CAT, deleted=3)),
        PutSubscription(sub(CHANNEL, CAT)),
    )


def _names(found: tuple[Found, ...]) -> list[str]:
    return [f.name for f in found]


async def test_any_optional_tag_finds(store):
    await _findable(store)
    found = await store.fetch(FindByTags((), ("cook", "chess"), "", False, 10))
    assert _names(found) == [GROUP, OTHER, ANN, CAT]
    group = topic(GROUP, tags=("cook", "chess"))
    seen = (group.updated, group.auth, group.anon, group.public, group.trusted)
    assert found[0] == Found(GROUP, ("chess", "cook"), *seen, members=1)
    assert found[1].members == 2
    assert found[2].tags == ("cook",)


async def test_required_tags_are_a_conjunction_of_alternatives(store):
    await _findable(store)
    find = FindByTags((("cook", "chess"), ("tel:1", "tel:2")), ("alias:ann",), "", False, 10)
    found = await store.fetch(find)
    assert _names(found) == [ANN, CAT]
    assert found[0].tags == ("alias:ann", "cook", "tel:1")
    nobody = structs.replace(find, required=(("cook",), ("tel:9",)))
    assert await store.fetch(nobody) == ()
    assert await store.fetch(structs.replace(find, required=(("cook",), ()))) == ()


async def test_an_alias_outweighs_tags(store):
    await _findable(store)
    found = await store.fetch(FindByTags((), ("cook", "chess", "alias:ann"), "", False, 10))
    assert _names(found)[0] == ANN


async def test_suspended_accounts_are_found_by_who_may_see_any_state(store):
    await _findable(store)
    assert BOB not in _names(await store.fetch(FindByTags((), ("cook",), "", False, 10)))
    assert BOB in _names(await store.fetch(FindByTags((), ("cook",), "", True, 10)))


async def test_search_leaves_out_and_cuts(store):
    await _findable(store)
    assert _names(await store.fetch(FindByTags((), ("cook",), OTHER, False, 1))) == [GROUP]
    assert await store.fetch(FindByTags((), (), "", False, 10)) == ()
