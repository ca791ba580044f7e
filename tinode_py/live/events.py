"""The log of events and who reads it, as the rest of the server is given them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs
import trio

from ..settings import Events as Rules
from ..store.base import Store
from ..store.watched import News
from .journal import Journal


@attrs.frozen
class Events:
    """`streams` bounds the streams that are read at the same time."""

    journal: Journal
    streams: trio.CapacityLimiter


@contextlib.asynccontextmanager
async def events_of(store: Store, news: News, rules: Rules) -> AsyncIterator[Events]:
    """Events for the time of the block; at its end nobody reads any more."""
    journal = Journal(store, news)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        try:
            yield Events(journal, trio.CapacityLimiter(rules.readers))
        finally:
            journal.close()
            nursery.cancel_scope.cancel()
