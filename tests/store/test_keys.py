"""Keys of the business API."""

from __future__ import annotations

from tests.store.made import put
from tinode_py.changes import PutKey
from tinode_py.queries import KeyById, KeysAfter
from tinode_py.records import ApiKey

KEY = ApiKey("a", "name", "digest", ("x:y", "z"), ("grpA",), ("ä",), 5, 7)


async def test_a_key_comes_back_as_it_was_put(store):
    await put(store, PutKey(KEY))
    assert await store.fetch(KeyById("a")) == KEY
    assert await store.fetch(KeyById("b")) is None
    later = ApiKey("a", "name", "digest", (), (), (), 0, 7, revoked=9, former="x", former_until=8)
    await put(store, PutKey(later))
    assert await store.fetch(KeyById("a")) == later


async def test_keys_come_by_pages(store):
    keys = [ApiKey(name, "", "", (), (), (), 0, 0) for name in "abcde"]
    await put(store, *map(PutKey, reversed(keys)))
    assert await store.fetch(KeysAfter("", 2)) == tuple(keys[:2])
    assert await store.fetch(KeysAfter("b", 9)) == tuple(keys[2:])
    assert await store.fetch(KeysAfter("e", 9)) == ()
