"""Keys of the business API."""

from __future__ import annotations

import attrs

from tests.store.made import put
from tinode_py.changes import Batch, Conflict
from tinode_py.changes_backend import PutKey
from tinode_py.queries_backend import KeyById, KeysAfter
from tinode_py.records import ApiKey

KEY = ApiKey("a", "name", "digest", ("x:y", "z"), ("grpA",), ("ä",), 5, 7)


async def test_a_key_comes_back_as_it_was_put(store):
    await put(store, PutKey(KEY))
    assert await store.fetch(KeyById("a")) == KEY
    assert await store.fetch(KeyById("b")) is None
    later = ApiKey("a", "name", "digest", (), (), (), 0, 7, revoked=9, former="x", former_until=8)
    await put(store, PutKey(later))
    assert await store.fetch(KeyById("a")) == later


async def test_a_key_takes_the_place_of_the_one_that_was_read(store):
    """Of two who rotate one key, the second learns that it is another one by now."""
    first, second, third = (attrs.evolve(KEY, digest=digest) for digest in ("d1", "d2", "d3"))
    await put(store, PutKey(first))
    await put(store, PutKey(second, "d1"))
    assert await store.commit(Batch((PutKey(third, "d1"),))) == Conflict("key")
    assert await store.fetch(KeyById("a")) == second
    await put(store, PutKey(attrs.evolve(second, revoked=5)))
    assert await store.commit(Batch((PutKey(third, "d2"),))) == Conflict("key")
    missing = attrs.evolve(KEY, id="b")
    assert await store.commit(Batch((PutKey(missing, "d1"),))) == Conflict("key")
    assert await store.fetch(KeyById("b")) is None


async def test_keys_come_by_pages(store):
    keys = [ApiKey(name, "", "", (), (), (), 0, 0) for name in "abcde"]
    await put(store, *map(PutKey, reversed(keys)))
    assert await store.fetch(KeysAfter("", 2)) == tuple(keys[:2])
    assert await store.fetch(KeysAfter("b", 9)) == tuple(keys[2:])
    assert await store.fetch(KeysAfter("e", 9)) == ()
