"""Searches in SQL give what the definition of them gives, in the same order."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.store.made import put, sub, topic, user
from tinode_py import ids
from tinode_py.changes import Change, PutSubscription, PutTopic, PutUser
from tinode_py.queries import FindByTags
from tinode_py.records import State
from tinode_py.store.memory import MemoryStore
from tinode_py.store.sqlite import open_sqlite

TAGS = ("a", "b", "c", "d", "tel:1", "tel:2")
USERS = [ids.user_name(number) for number in range(1, 31)]
GROUPS = ["grp" + ids.user_name(number)[3:] for number in range(101, 121)]


def population(chance: random.Random) -> Iterator[Change]:
    """Users and groups with tags; some suspended, some groups with members and readers."""
    states = [State.OK, State.OK, State.OK, State.SUSPENDED]
    for number, name in enumerate(USERS):
        alias = (f"alias:u{number}",) if number < 3 else ()
        yield PutUser(user(name, state=chance.choice(states), tags=some(chance) + alias))
    for number, name in enumerate(GROUPS):
        alias = (f"alias:g{number}",) if number < 3 else ()
        channel = chance.random() < 0.3
        yield PutTopic(topic(name, channel=channel, tags=some(chance) + alias))
        for member in chance.sample(USERS, chance.choice((0, 0, 1, 2, 5))):
            where = ids.channel_of(name) if channel and chance.random() < 0.5 else name
            yield PutSubscription(sub(where, member))


def some(chance: random.Random, most: int = 4) -> tuple[str, ...]:
    return tuple(sorted(chance.sample(TAGS, chance.randint(0, most))))


def search(chance: random.Random) -> FindByTags:
    known = (*TAGS, *(f"alias:{kind}{n}" for kind in "ug" for n in range(3)), "nobody")
    required = [
        tuple(chance.sample(known, chance.choice((1, 1, 1, 1, 2))))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))
    ]
    return FindByTags(
        required=tuple(required),
        optional=tuple(chance.sample(known, chance.randint(0, 6))),
        exclude=chance.choice((*USERS, "")),
        any_state=chance.random() < 0.2,
        limit=chance.choice((1, 2, 5, 10, 100)),
    )


@pytest.mark.parametrize("seed", range(5))
async def test_both_stores_find_the_same_in_the_same_order(tmp_path, seed: int):
    chance = random.Random(seed)
    changes = list(population(chance))
    memory = MemoryStore()
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        for each in (memory, store):
            await put(each, *changes)
        several = 0
        for _ in range(150):
            query = search(chance)
            expected = await memory.fetch(query)
            assert await store.fetch(query) == expected, query
            several += len(expected) > 1
        assert several > 30  # or nothing was said about the order
