"""The log of events and who reads it, as the rest of the server is given them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import attrs
import trio

from ..config import ConfigError, Settings
from ..hooks.address import networks
from ..store.base import Store
from ..store.watched import News
from .journal import Journal
from .placement import Companions, alone
from .webhooks import Webhooks

WEBHOOKS = "webhooks"  # the job of the node that has them


@attrs.frozen
class Events:
    """`streams` bounds the streams that are read at the same time."""

    journal: Journal
    streams: trio.CapacityLimiter
    webhooks: Webhooks


@contextlib.asynccontextmanager
async def events_of(
    store: Store,
    news: News,
    settings: Settings,
    now: Callable[[], int],
    random_bytes: Callable[[int], bytes],
    companions: Companions | None = None,
) -> AsyncIterator[Events]:
    """Events for the time of the block; at its end nobody reads any more.

    Raises ConfigError for networks that are none.
    """
    rules = settings.webhooks
    try:
        allowed = networks(rules.networks)
    except ValueError as error:
        raise ConfigError("webhooks.networks", str(error)) from None
    journal = Journal(store, news)
    async with trio.open_nursery() as nursery:
        webhooks = Webhooks(store, journal, rules, allowed, now, random_bytes)
        nursery.start_soon(journal.run)
        if companions is None:
            await nursery.start(webhooks.run)
        else:
            nursery.start_soon(alone, companions, WEBHOOKS, webhooks.run)
        try:
            yield Events(journal, trio.CapacityLimiter(settings.events.readers), webhooks)
        finally:
            journal.close()
            nursery.cancel_scope.cancel()
