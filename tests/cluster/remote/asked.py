"""What is asked of a store from another node, and waited for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import trio

from tests.cluster.remote.parts import Two
from tests.store.made import ANN, append
from tinode_py.changes import Batch
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries import UserById


async def outcome_of(ask: Callable[[], Awaitable[Any]], into: list[Any]) -> None:
    """The answer, or the error."""
    try:
        into.append(await ask())
    except StoreError as error:
        into.append(error)


@contextlib.asynccontextmanager
async def committing(it: Two, *batches: Batch) -> AsyncIterator[list[Any]]:
    """Commits of that node, which are under way when the block begins and over when it ends; what
    is yielded takes their answers. Without a batch, one that appends a message.
    """
    found: list[Any] = []
    async with trio.open_nursery() as nursery:
        for batch in batches or (Batch((append(1),)),):
            nursery.start_soon(outcome_of, functools.partial(it.remote.commit, batch), found)
        await trio.sleep(0.1)
        yield found


async def is_back(it: Two) -> None:
    with trio.fail_after(60):
        while True:
            try:
                await it.remote.fetch(UserById(ANN))
            except StoreAway:
                await trio.sleep(0.01)
            else:
                return
