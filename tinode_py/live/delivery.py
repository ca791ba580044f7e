"""What one webhook does: read a portion, post it, note how far it has come."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from ..changes import Batch, Change
from ..changes_backend import DropDeadLetter, MoveWebhook, PutDeadLetter, PutWebhook
from ..errors import StoreError
from ..hooks.address import Network
from ..hooks.post import HookError, Poster, new_client
from ..queries_backend import DeadLettersOf
from ..records import DeadLetter, Webhook
from ..settings.services import Webhooks as Rules
from ..store.base import Store
from .complaints import Outage
from .journal import Journal
from .telling import Told

log = logging.getLogger(__name__)

SIZE = 1 << 18  # bytes of events in one request, or one event
FIRST_PAUSE = 1.0  # seconds; doubled from attempt to attempt
PAUSE = 1.0  # seconds after the store has failed
UNSAVED = 1000  # events passed over before that is stored
LONGEST_ERROR = 500
GONE = 410


class Switched(Exception):
    """The service wants no more events, ever."""


@attrs.frozen
class Tools:
    """What deliveries work with. `now` is in milliseconds."""

    store: Store
    journal: Journal
    rules: Rules
    networks: Sequence[Network]
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    outage: Outage

    def pause(self, tries: int) -> float:
        """Seconds to wait after so many attempts: growing, and never the same for two."""
        longest: float = min(FIRST_PAUSE * 2 ** min(tries - 1, 30), self.rules.longest_pause)
        return longest * (0.5 + int.from_bytes(self.random_bytes(2), "big") / 131_072)

    @asynccontextmanager
    async def poster(self, hook: Webhook) -> AsyncIterator[Poster]:
        """What posts to a webhook's service, while the block runs."""
        secrets = (hook.former, hook.former_until)
        timeout = self.rules.timeout
        async with new_client(self.networks, timeout, 1) as client:
            yield Poster(client, hook.url, hook.secret, timeout, self.now, *secrets)

    async def commit(self, *changes: Change) -> None:
        """Commit, however often it takes."""
        while True:
            try:
                await self.store.commit(Batch(changes))
            except StoreError as error:
                self.outage.failed(error)
                await trio.sleep(PAUSE)
            else:
                self.outage.over()
                return


def body_of(hook: Webhook, events: Sequence[bytes]) -> bytes:
    """`{"hook": number, "events": [...]}`"""
    return b'{"hook":%d,"events":[%s]}' % (hook.id, b",".join(events))


def headers_of(hook: Webhook, first: int, last: int, tries: int) -> dict[str, str]:
    """The delivery's name is the same for the same events, whenever they are sent."""
    name = f"{hook.id}-{first}-{last}"
    return {"x-tinode-delivery": name, "x-tinode-attempt": str(tries)}


@attrs.define(eq=False)
class Delivery:
    """One webhook at work. `hook` tells how far it has come."""

    hook: Webhook
    tools: Tools
    _most: int = 0  # events in the next request
    _saved: int = 0

    async def run(self) -> None:
        """Deliver until cancelled, or until the journal is closed. Raises Switched."""
        tools, hook = self.tools, self.hook
        self._most, self._saved = tools.rules.batch, hook.done
        async with tools.poster(hook) as poster:
            with tools.journal.reading():
                while not tools.journal.closed:
                    await self._portion(poster)

    async def _portion(self, poster: Poster) -> None:
        position = self.hook.done
        try:
            portion = await self.tools.journal.after(position, SIZE)
        except StoreError as error:
            self.tools.outage.failed(error)
            await trio.sleep(PAUSE)
            return
        self.tools.outage.over()
        if portion.first > position + 1:
            lost = (self.hook.id, position + 1, portion.first - 1)
            log.error("webhook %s: events %s to %s were purged before it took them", *lost)
        events = [event for event in portion.events if self._wants(event)]
        while events:
            settled = await self._deliver(poster, events[: self._most])
            done = events[settled - 1].id
            events = events[settled:]
            if events:
                await self._move(done)
            else:
                await self._move(portion.reached)
        await self._passed_over(portion.reached)

    def _wants(self, event: Told) -> bool:
        hook = self.hook
        return (not hook.kinds or event.kind in hook.kinds) and (
            not hook.topics or event.topic in hook.topics
        )

    async def _move(self, done: int) -> None:
        self.hook = attrs.evolve(self.hook, done=done)
        self._saved = done
        await self.tools.commit(MoveWebhook(self.hook.id, done, self.hook.failing))

    async def _passed_over(self, reached: int) -> None:
        """What is not wanted is noted now and then: reading it again does no harm."""
        if reached - self._saved >= UNSAVED:
            await self._move(reached)
        elif reached > self.hook.done:
            self.hook = attrs.evolve(self.hook, done=reached)

    async def _deliver(self, poster: Poster, events: Sequence[Told]) -> int:
        """How many of the events are settled: taken, or the first one laid aside."""
        tries = 0
        while True:
            tries += 1
            body = body_of(self.hook, [event.data for event in events])
            headers = headers_of(self.hook, events[0].id, events[-1].id, tries)
            try:
                await poster.post(body, headers)
            except HookError as error:
                await self._failed(error)
                events, self._most = events[:1], 1
                if tries >= self.tools.rules.attempts:
                    await self._lay_aside(events[0], tries, error)
                    return 1
                await trio.sleep(self.tools.pause(tries))
            else:
                self._most = min(self._most * 2, self.tools.rules.batch)
                if self.hook.failing:
                    self.hook = attrs.evolve(self.hook, failing=0)
                return len(events)

    async def _failed(self, error: HookError) -> None:
        if error.status == GONE:
            self.hook = attrs.evolve(self.hook, active=False)
            await self.tools.commit(PutWebhook(self.hook))
            raise Switched
        log.info("webhook %s: %s", self.hook.id, error)
        if not self.hook.failing:
            self.hook = attrs.evolve(self.hook, failing=self.tools.now())
            await self.tools.commit(MoveWebhook(self.hook.id, self._saved, self.hook.failing))

    async def _lay_aside(self, event: Told, tries: int, error: HookError) -> None:
        log.warning("webhook %s: event %s is laid aside: %s", self.hook.id, event.id, error)
        at, text = self.tools.now(), str(error)[:LONGEST_ERROR]
        letter = DeadLetter(self.hook.id, event.id, event.kind, at, tries, text, event.data)
        await self.tools.commit(PutDeadLetter(letter))


async def try_out(hook: Webhook, tools: Tools) -> None:
    """Post a request without events once. Raises HookError."""
    async with tools.poster(hook) as poster:
        body = b'{"hook":%d,"test":true,"events":[]}' % hook.id
        headers = {"x-tinode-delivery": f"{hook.id}-test", "x-tinode-attempt": "1"}
        await poster.post(body, headers)


async def replay_dead(hook: Webhook, tools: Tools) -> None:
    """Send the dead letters again, in order; stops at the first that is not taken."""
    async with tools.poster(hook) as poster:
        after = 0
        while True:
            try:
                found = await tools.store.fetch(DeadLettersOf(hook.id, after, 1))
            except StoreError:
                log.exception("dead letters of webhook %s could not be read", hook.id)
                return
            if not found or not await _sent_again(hook, found[0], poster, tools):
                return
            after = found[0].event


async def _sent_again(hook: Webhook, letter: DeadLetter, poster: Poster, tools: Tools) -> bool:
    tries = letter.tries + 1
    headers = headers_of(hook, letter.event, letter.event, tries)
    try:
        await poster.post(body_of(hook, [letter.data]), headers)
    except HookError as error:
        text = str(error)[:LONGEST_ERROR]
        again = attrs.evolve(letter, tries=tries, error=text, at=tools.now())
        await tools.commit(PutDeadLetter(again))
        return False
    await tools.commit(DropDeadLetter(hook.id, letter.event))
    return True
