"""Users, logins, secrets and their ends."""

from __future__ import annotations

import attrs
from msgspec import structs

from tests.store.made import ANN, BOB, CAT, GROUP, PAIR, people, put, sub, user
from tinode_py.access import Level
from tinode_py.changes import (
    Batch,
    ClaimTags,
    Conflict,
    DeleteMessages,
    DeleteUser,
    PutFindQuery,
    PutLogin,
    PutSubscription,
    PutUser,
    SetSeen,
)
from tinode_py.changes_backend import PutSecret
from tinode_py.queries import (
    FindByTags,
    FindQueryOf,
    LoginByName,
    LoginsOf,
    MembersOf,
    OwnerOfTag,
    SubscriptionOf,
    UserById,
    UsersById,
)
from tinode_py.queries_backend import SecretNamed
from tinode_py.records import Login, Range, State

FULL = user(
    ANN,
    state=State.SUSPENDED,
    auth=47,
    anon=1,
    public=b'{ "fn" : "\xc3\x84nn",\n"x":1.0e2}',
    trusted=b'{"staff":true}',
    private=b'"\\u00e4\\u0000"',
    tags=("tel:1", "cook", "alias:ann"),
    want=33,
    last_seen=77,
    user_agent="ua/1",
    serial=9,
)


async def test_a_user_comes_back_as_it_was_put(store):
    await put(store, PutUser(FULL))
    assert await store.fetch(UserById(ANN)) == FULL
    again = structs.replace(FULL, public=None, tags=("x",), serial=10)
    await put(store, PutUser(again))
    assert await store.fetch(UserById(ANN)) == again


async def test_seen_is_all_that_changes_when_somebody_is_seen(store):
    await put(store, PutUser(FULL), PutUser(user(BOB, state=State.DELETED)))
    await put(store, SetSeen(ANN, 78, "ua/2"), SetSeen(BOB, 78, "ua/2"), SetSeen(CAT, 78, "ua/2"))
    seen = structs.replace(FULL, last_seen=78, user_agent="ua/2")
    assert await store.fetch(UserById(ANN)) == seen
    assert await store.fetch(UsersById((ANN, BOB, CAT))) == {ANN: seen}
    assert await store.fetch(OwnerOfTag("alias:ann")) == ANN


async def test_an_unknown_user_is_none(store):
    assert await store.fetch(UserById(ANN)) is None


async def test_users_by_id_leaves_out_who_is_not_there(store):
    await put(store, PutUser(user(ANN)), PutUser(user(BOB, state=State.DELETED)))
    assert await store.fetch(UsersById((ANN, BOB, CAT))) == {ANN: user(ANN)}


async def test_a_tag_that_is_claimed_has_one_owner(store):
    await put(store, PutUser(user(ANN, tags=("cook", "desk:1"))))
    taken = Batch((ClaimTags(BOB, ("desk:1", "desk:2")), PutUser(user(BOB, tags=("desk:1",)))))
    assert await store.commit(taken) == Conflict("tags")
    assert await store.fetch(UserById(BOB)) is None
    assert await store.fetch(OwnerOfTag("desk:1")) == ANN
    assert await store.fetch(OwnerOfTag("desk:2")) is None
    await put(store, ClaimTags(ANN, ("desk:1", "desk:2")), PutUser(user(ANN, tags=("desk:2",))))
    await put(store, ClaimTags(BOB, ("desk:1",)), PutUser(user(BOB, tags=("desk:1",))))


async def test_an_alias_has_one_owner(store):
    await put(store, PutUser(user(ANN, tags=("alias:x", "cook"))))
    taken = PutUser(user(BOB, tags=("cook", "alias:x")))
    assert await store.commit(Batch((PutUser(user(CAT)), taken))) == Conflict("tags")
    assert await store.fetch(UsersById((ANN, BOB, CAT))) == {
        ANN: user(ANN, tags=("alias:x", "cook"))
    }
    assert await store.fetch(OwnerOfTag("alias:x")) == ANN
    assert await store.fetch(OwnerOfTag("cook")) == ANN
    assert await store.fetch(OwnerOfTag("alias:y")) is None


async def test_an_alias_given_up_is_free_within_the_same_batch(store):
    await put(store, PutUser(user(ANN, tags=("alias:x",))))
    await put(store, PutUser(user(ANN)), PutUser(user(BOB, tags=("alias:x",))))
    assert await store.fetch(OwnerOfTag("alias:x")) == BOB


async def test_logins(store):
    basic = Login("basic", "ann", ANN, "$argon2id$x", Level.ROOT, 5)
    rest = Login("rest", "ann", ANN, "")
    await put(store, PutLogin(rest), PutLogin(basic))
    assert await store.fetch(LoginByName("basic", "ann")) == basic
    assert await store.fetch(LoginByName("basic", "bob")) is None
    assert await store.fetch(LoginsOf(ANN)) == (basic, rest)


async def test_a_login_name_has_one_user(store):
    ours, theirs = Login("basic", "ann", ANN, "s"), Login("basic", "ann", BOB, "t")
    await put(store, PutLogin(ours))
    assert await store.commit(Batch((PutUser(user(BOB)), PutLogin(theirs)))) == Conflict("auth")
    assert await store.fetch(LoginByName("basic", "ann")) == ours
    assert await store.fetch(UserById(BOB)) is None


async def test_a_refused_login_leaves_the_old_one(store):
    await put(
        store, PutLogin(Login("basic", "ann", ANN, "s")), PutLogin(Login("basic", "bob", BOB, "t"))
    )
    taken = Batch((PutLogin(Login("basic", "ann", BOB, "t")),))
    assert await store.commit(taken) == Conflict("auth")
    assert await store.fetch(LoginByName("basic", "bob")) is not None


async def test_a_new_login_ends_the_old_one_of_its_scheme(store):
    await put(store, PutLogin(Login("basic", "ann", ANN, "s")))
    renamed = Login("basic", "anna", ANN, "s2")
    await put(store, PutLogin(renamed))
    assert await store.fetch(LoginsOf(ANN)) == (renamed,)
    changed = attrs.evolve(renamed, secret="s3")
    await put(store, PutLogin(changed))
    assert await store.fetch(LoginByName("basic", "anna")) == changed


async def test_a_secret_is_kept_once(store):
    assert await store.fetch(SecretNamed("key")) is None
    await put(store, PutSecret("key", b"\x00\xff"))
    await put(store, PutSecret("key", b"other"))
    assert await store.fetch(SecretNamed("key")) == b"\x00\xff"


async def test_a_find_query_is_kept_until_it_is_taken_back(store):
    assert await store.fetch(FindQueryOf(ANN)) is None
    await put(store, PutFindQuery(ANN, b'"a"'), PutFindQuery(BOB, b'"b"'))
    await put(store, PutFindQuery(ANN, b'"\xc3\xa4,  c"'))
    assert await store.fetch(FindQueryOf(ANN)) == b'"\xc3\xa4,  c"'
    await put(store, PutFindQuery(ANN, None), DeleteUser(BOB, hard=False, now=5))
    assert await store.fetch(FindQueryOf(ANN)) is None
    assert await store.fetch(FindQueryOf(BOB)) is None


async def _ann_in_full(store):
    await people(store)
    await put(
        store,
        PutUser(FULL),
        PutLogin(Login("basic", "ann", ANN, "s")),
        PutSubscription(sub(GROUP, ANN, private=b'"p"')),
    )


async def test_a_soft_end_keeps_the_account_without_personal_data(store):
    await _ann_in_full(store)
    await put(store, DeleteUser(ANN, hard=False, now=50))
    assert await store.fetch(UserById(ANN)) is None
    assert await store.fetch(LoginsOf(ANN)) == ()
    assert await store.fetch(OwnerOfTag("alias:ann")) is None
    assert await store.fetch(FindByTags(((("cook",)),), (), "", True, 10)) == ()
    assert await store.fetch(MembersOf(GROUP)) == (sub(GROUP, BOB),)
    ended = await store.fetch(SubscriptionOf(GROUP, ANN))
    assert (ended.deleted, ended.updated, ended.private) == (50, 50, None)
    assert await store.fetch(SubscriptionOf(PAIR, BOB)) == sub(PAIR, BOB)


async def test_a_hard_end_removes_the_rows(store):
    await _ann_in_full(store)
    await put(store, DeleteMessages(GROUP, 1, ANN, (Range(1, 2),), 5))
    await put(store, DeleteUser(ANN, hard=True, now=50))
    assert await store.fetch(UserById(ANN)) is None
    assert await store.fetch(LoginsOf(ANN)) == ()
    assert await store.fetch(SubscriptionOf(GROUP, ANN)) is None
    assert await store.fetch(SubscriptionOf(PAIR, ANN)) is None
    assert await store.fetch(SubscriptionOf(PAIR, BOB)) == sub(PAIR, BOB)
    await put(store, PutUser(user(BOB, tags=("alias:ann",))))
