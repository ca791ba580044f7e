"""Who is in a benchmark: users, conversations and rooms, written straight into a new store."""

from __future__ import annotations

import base64
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from tinode_py import access, ids
from tinode_py.access import Level
from tinode_py.auth.base import VALIDATED
from tinode_py.auth.secrets import load_secrets, make_folder
from tinode_py.auth.token import TokenKeeper
from tinode_py.changes import (
    AppendMessage,
    Batch,
    Change,
    PutSubscription,
    PutTopic,
    PutUser,
    SetMarks,
)
from tinode_py.config import Settings
from tinode_py.records import Message, Subscription, Topic, User
from tinode_py.store.base import Store
from tinode_py.store.sqlite import open_sqlite

FIRST = 100_000  # numbers of messages begin here, so that frames of one run are of one length
PRIVATE = access.p2p_mask(delete_enabled=True)
HISTORY = 200  # messages in each conversation, if nothing else is said


@attrs.frozen
class Person:
    user: str
    token: str  # base64


@attrs.frozen
class People:
    """All that a store was filled with. Pair `i` is persons `2i` and `2i + 1`; each room has five
    of those who come after the pairs, or a session in the one would hear of the other on `me`;
    everybody is in the hall.
    """

    everybody: tuple[Person, ...]
    hall: str
    rooms: tuple[str, ...]
    pairs: tuple[tuple[Person, Person], ...]

    def members(self, room: int) -> tuple[Person, ...]:
        """Who is in a room, by its place in `rooms`."""
        first = 2 * len(self.pairs) + 5 * room
        return self.everybody[first : first + 5]


def settle(folder: Path, count: int, pairs: int, rooms: int, history: int = HISTORY) -> People:
    """Fill the store of a data folder; `history`: messages in each conversation."""
    make_folder(folder)
    now = time.time_ns() // 1_000_000
    defaults = Settings().auth.token
    keeper = TokenKeeper(
        load_secrets(folder).token_key, serial=defaults.serial, expire=defaults.expire
    )
    users = tuple("usr" + ids.new_body(os.urandom) for _ in range(count))
    everybody = tuple(
        Person(user, base64.b64encode(keeper.make(user, Level.AUTH, VALIDATED, now)[0]).decode())
        for user in users
    )
    hall = "grp" + ids.new_body(os.urandom)
    halls = tuple("grp" + ids.new_body(os.urandom) for _ in range(rooms))
    couples = tuple((everybody[2 * i], everybody[2 * i + 1]) for i in range(pairs))
    people = People(everybody, hall, halls, couples)
    trio.run(_write, folder / "tinode.db", people, now, history)
    return people


async def _write(path: Path, people: People, now: int, history: int) -> None:
    async with open_sqlite(path, inline=True) as store:
        await fill(store, people, now, history)


async def fill(store: Store, people: People, now: int = 0, history: int = 0) -> None:
    """Put people with their groups and conversations into a store; `now`: 0 for the clock's."""
    now = now or time.time_ns() // 1_000_000
    await store.commit(Batch(tuple(_accounts(people, now))))
    await store.commit(Batch(tuple(_groups(people, now))))
    await store.commit(Batch(tuple(_conversations(people, now, history))))


def _accounts(people: People, now: int) -> Iterator[Change]:
    for n, person in enumerate(people.everybody):
        yield PutUser(User(person.user, now, now, public=b'{"fn":"Person %d"}' % n))


def _groups(people: People, now: int) -> Iterator[Change]:
    users = [person.user for person in people.everybody]
    yield from group_of(people.hall, users, now)
    for r, room in enumerate(people.rooms):
        yield from group_of(room, [person.user for person in people.members(r)], now)


def group_of(name: str, users: list[str], now: int) -> Iterator[Change]:
    yield PutTopic(Topic(name, now, now, now, owner=users[0], auth=access.GROUP_AUTH, seq=FIRST))
    for user in users:
        mode = access.FULL if user == users[0] else access.GROUP_AUTH
        yield PutSubscription(Subscription(name, user, now, now, mode, mode))


def _conversations(people: People, now: int, history: int) -> Iterator[Change]:
    for one, other in people.pairs:
        name = ids.p2p_name(one.user, other.user)
        yield PutTopic(Topic(name, now, now, now, seq=FIRST))
        for person in (one, other):
            sub = Subscription(name, person.user, now, now, PRIVATE, PRIVATE)
            yield PutSubscription(sub)
        for seq in range(FIRST + 1, FIRST + 1 + history):
            text = b'"%064d"' % seq
            yield AppendMessage(Message(name, seq, one.user, now, None, text))
        yield SetMarks(name, one.user, FIRST + history, FIRST + history)


def mute(path: Path, topic: str) -> None:
    """Members hear of messages, and of nobody's coming and going."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE subscription SET want = want & ~? WHERE topic = ?", (access.PRES, topic))
    db.close()
