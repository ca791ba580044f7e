"""What a server does from time to time, whoever is there: letting old things go."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from ..changes import Batch, PurgeIdem, PurgeInbox
from ..changes_backend import PurgeAudit, PurgeEvents
from ..errors import StoreError
from ..queries import InboxUsers
from ..store.base import Store
from .collecting import DAY, Collector
from .complaints import Outage
from .retention import Retention

log = logging.getLogger(__name__)

EVERY = 3600.0  # seconds from one round to the next
PAGE = 200  # users in one commit


async def purge_inboxes(store: Store, before: int) -> None:
    """Let go of inbox items from before a time (ms), a page of users at a time."""
    after = ""
    while users := await store.fetch(InboxUsers(after, PAGE)):
        await store.commit(Batch(tuple(PurgeInbox(user, before) for user in users)))
        after = users[-1]


async def keep_up(
    store: Store,
    now: Callable[[], int],
    collector: Collector,
    retention: Retention,
) -> None:
    """Do the rounds until cancelled; a round that the store fails is tried again at the next."""
    outage = Outage(log, "upkeep")
    while True:
        try:
            days = collector.settings
            await purge_inboxes(store, now() - days.inbox.days * DAY)
            at = now()
            events = PurgeEvents(at - days.events.days * DAY, at)
            audit = PurgeAudit(at - days.audit.days * DAY)
            await store.commit(Batch((PurgeIdem(at - DAY), events, audit)))
            await collector.collect()
            await retention.sweep()
        except StoreError as error:
            outage.failed(error)
        else:
            outage.over()
        await trio.sleep(EVERY)
