"""Messages go when a topic has kept them as long as it should (`topic retention`).

What a topic's own setting says goes before `messages.retention_days`. Deletions go through the
topic's task, a few hundred messages at a time, so that others get their turn in between.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from ..config import Settings
from ..core.events import Event, Expire
from ..queries import OldestIn, RetentionOf
from ..queries_backend import RetentionsAfter, TopicsAfter
from ..store.base import Store

log = logging.getLogger(__name__)

PAGE = 100  # topics looked at in one go
DAY = 86_400_000  # ms


@attrs.define(eq=False)
class Retention:
    """Looks through the topics. `settle` hands an event to one and waits until it is done."""

    settings: Settings
    store: Store
    now: Callable[[], int]
    settle: Callable[[str, Event], Awaitable[bool]]

    async def sweep(self) -> None:
        """One round through all topics that keep messages for a time. Raises StoreError."""
        async for topic, days in self._limited():
            if days:
                await self._expire(topic, self.now() - days * DAY)

    async def _limited(self) -> AsyncIterator[tuple[str, int]]:
        after = ""
        while page := await self.store.fetch(RetentionsAfter(after, PAGE)):
            for topic, days in page:
                yield topic, days
            after = page[-1][0]
        after, days = "", self.settings.messages.retention_days
        while days and (topics := await self.store.fetch(TopicsAfter(after, PAGE))):
            for row, _ in topics:
                if await self.store.fetch(RetentionOf(row.name)) is None:
                    yield row.name, days
            after = topics[-1][0].name

    async def _expire(self, topic: str, before: int) -> None:
        """Until nothing so old is left, or the topic is too busy: then at the next round."""
        first = await self._oldest(topic, before)
        while first:
            if not await self.settle(topic, Expire(before)):
                return
            reached, first = first, await self._oldest(topic, before)
            if first == reached:
                log.warning("old messages could not be deleted", extra={"topic": topic})
                return

    async def _oldest(self, topic: str, before: int) -> int:
        """The number of the first message, if it is so old; else 0."""
        found = await self.store.fetch(OldestIn(topic, 1))
        return found[0][0] if found and found[0][1] < before else 0
