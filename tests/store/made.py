"""Records and batches that tests of stores are made of."""

from __future__ import annotations

from typing import Any

from tinode_py import ids
from tinode_py.changes import (
    AppendMessage,
    Batch,
    Change,
    Committed,
    PutSubscription,
    PutTopic,
    PutUser,
)
from tinode_py.queries import MessagesIn
from tinode_py.records import Message, Range, Subscription, Topic, User
from tinode_py.store.base import Store

ANN, BOB, CAT = (ids.user_name(number) for number in (11, 22, 33))
GROUP, OTHER = ("grp" + ids.user_name(number)[3:] for number in (44, 55))
CHANNEL = ids.channel_of(GROUP)
PAIR = ids.p2p_name(ANN, BOB)
ALL = (Range(1, 2**31),)


def user(name: str = ANN, **fields: Any) -> User:
    return User(name, 1, 2, **fields)


def topic(name: str = GROUP, **fields: Any) -> Topic:
    return Topic(name, 1, 2, **fields)


def sub(where: str = GROUP, who: str = ANN, **fields: Any) -> Subscription:
    values: dict[str, Any] = {"created": 1, "updated": 1, "want": 47, "given": 255} | fields
    return Subscription(where, who, **values)


def message(seq: int, where: str = GROUP, content: bytes = b'"hi"', **fields: Any) -> Message:
    values: dict[str, Any] = {"sender": ANN, "ts": 100 + seq, "head": None} | fields
    return Message(where, seq, content=content, **values)


def append(seq: int, where: str = GROUP, **fields: Any) -> AppendMessage:
    return AppendMessage(message(seq, where, **fields))


async def put(store: Store, *changes: Change) -> None:
    """Commit, and insist."""
    assert await store.commit(Batch(changes)) == Committed()


async def people(store: Store) -> None:
    """Three users; Ann and Bob in a group and in a conversation of two."""
    await put(
        store,
        *(PutUser(user(name)) for name in (ANN, BOB, CAT)),
        *(PutTopic(topic(name)) for name in (GROUP, PAIR)),
        *(PutSubscription(sub(name, who)) for name in (GROUP, PAIR) for who in (ANN, BOB)),
    )


async def published(store: Store, last: int, where: str = GROUP) -> None:
    """Messages 1 to `last`."""
    await put(store, *(append(seq, where) for seq in range(1, last + 1)))


async def seen(
    store: Store,
    who: str = ANN,
    ranges: tuple[Range, ...] = ALL,
    limit: int = 1000,
    where: str = GROUP,
) -> list[int]:
    """The numbers of a page of history."""
    return [m.seq for m in await store.fetch(MessagesIn(where, who, ranges, limit))]
