"""Webhooks: each a task that reads the log of events and posts it, in order, until it is taken.

At least once: how far a webhook has come is stored after the service has answered, so that a
crash in between repeats events, under the same ids. What is not taken is tried again with growing
pauses, one event at a time, so that the one that cannot be taken is found; after
`webhooks.attempts` it is laid aside (a dead letter), and the next one has its turn. A service
that answers 410 is asked no more.

A webhook waits for its own service only. It holds one portion of the log and no queue.

Of several nodes one has all webhooks (`live/placement.alone`); the others hand it what is asked
of them. Nodes that stop repeat events as a crash does.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

from ..changes import Batch, Change
from ..changes_backend import DropWebhook, PutWebhook
from ..config import Settings
from ..errors import UNAVAILABLE, Refused
from ..hooks.address import Network
from ..queries_backend import DeadCount, WebhooksAfter
from ..records import Webhook
from ..settings.services import Webhooks as Rules
from ..store.base import Store
from .complaints import Outage
from .delivery import Delivery, Switched, Tools, replay_dead, try_out
from .journal import Journal

log = logging.getLogger(__name__)

PAGE = 100

# From a webhook's number: what the audit is told, in the transaction of the change.
Told = Callable[[int], Sequence[Change]]


def _nothing(number: int) -> Sequence[Change]:
    return ()


class TooMany(Exception):
    """There are as many webhooks as may be."""


class Busy(Exception):
    """A replay of this webhook's dead letters is not over yet."""


@attrs.define(eq=False)
class Webhooks:
    """All webhooks of a server. Who changes one waits until that is stored."""

    store: Store
    journal: Journal
    rules: Rules
    networks: Sequence[Network]
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    _nursery: trio.Nursery | None = None  # while they are at work here
    _begun: bool = False
    _hooks: dict[int, Delivery] = attrs.field(factory=dict)
    _tasks: dict[int, _Task] = attrs.field(factory=dict)
    _replays: dict[int, _Task] = attrs.field(factory=dict)
    _lock: trio.Lock = attrs.field(factory=trio.Lock)
    _outage: Outage = attrs.field(factory=lambda: Outage(log, "delivery to webhooks"))

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What lets other settings hold, also for deliveries that have begun."""

        def put_in_force() -> None:
            self.rules = settings.webhooks
            for delivery in self._hooks.values():
                delivery.tools = self._tools()

        return put_in_force

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Go on with all that are stored, until cancelled; started when all have begun."""
        async with trio.open_nursery() as nursery:
            try:
                await self._begin(nursery)
                task_status.started()
                await trio.sleep_forever()
            finally:
                await self._end()

    async def _begin(self, nursery: trio.Nursery) -> None:
        async with self._lock:
            self._hooks.clear()
            self._nursery = nursery
            after = 0
            while rows := await self.store.fetch(WebhooksAfter(after, PAGE)):
                for row in rows:
                    self._start(row)
                after = rows[-1].id
            self._begun = True

    async def _end(self) -> None:
        """What is being changed is stored before another node can have them."""
        self._begun = False
        with trio.CancelScope(shield=True):
            async with self._lock:
                self._nursery = None

    def check(self) -> None:
        """Refused with 503 if they are not at work here, or not yet."""
        if not self._begun:
            raise Refused(UNAVAILABLE)

    def _at_work(self) -> trio.Nursery:
        if self._nursery is None:
            raise Refused(UNAVAILABLE)
        return self._nursery

    def all(self) -> list[Webhook]:
        """As they are now, by number."""
        return [self._hooks[number].hook for number in sorted(self._hooks)]

    def get(self, number: int) -> Webhook | None:
        found = self._hooks.get(number)
        return None if found is None else found.hook

    async def dead(self, number: int) -> int:
        """How many events a webhook has not taken."""
        return await self.store.fetch(DeadCount(number))

    async def create(
        self,
        url: str,
        kinds: tuple[str, ...],
        topics: tuple[str, ...],
        secret: str,
        *,
        active: bool,
        told: Told = _nothing,
    ) -> Webhook:
        """A webhook for what happens from now on. Raises TooMany, StoreError."""
        async with self._lock:
            if len(self._hooks) >= self.rules.most:
                raise TooMany
            number = max(self._hooks, default=0) + 1
            last = (await self.journal.bounds()).last
            secret = secret or self._new_secret()
            row = Webhook(number, self.now(), url, secret, kinds, topics, active, last)
            await self._commit(PutWebhook(row), *told(number))
            self._start(row)
            return row

    async def change(self, number: int, told: Told = _nothing, **members: Any) -> Webhook | None:
        """Change members of the row; None if there is no such webhook."""
        return await self._replace(number, told, lambda row: attrs.evolve(row, **members))

    async def rotate(
        self, number: int, secret: str, grace: int, told: Told = _nothing
    ) -> Webhook | None:
        """Sign with another secret (empty: a new one), for `grace` milliseconds with that of
        until now as well; one from before that is void at once.
        """
        secret = secret or self._new_secret()
        until = self.now() + grace if grace else 0

        def rotated(row: Webhook) -> Webhook:
            former = row.secret if grace else ""
            return attrs.evolve(row, secret=secret, former=former, former_until=until)

        return await self._replace(number, told, rotated)

    def _new_secret(self) -> str:
        return base64.urlsafe_b64encode(self.random_bytes(32)).decode()

    async def _replace(
        self, number: int, told: Told, changed_of: Callable[[Webhook], Webhook]
    ) -> Webhook | None:
        async with self._lock:
            if number not in self._hooks:
                return None
            await self._stop(number)
            row = self._hooks[number].hook
            try:
                changed = changed_of(row)
                await self._commit(PutWebhook(changed), *told(number))
                row = changed
            finally:
                self._start(row)
            return row

    async def try_out(self, number: int) -> None:
        """Ask the service once, whether the webhook is active or not. Raises HookError."""
        await try_out(self._hooks[number].hook, self._tools())

    async def remove(self, number: int, told: Told = _nothing) -> bool:
        """End a webhook; False if there is none."""
        async with self._lock:
            if number not in self._hooks:
                return False
            await self._stop(number)
            if number in self._replays:
                await self._replays[number].end()
            await self._commit(DropWebhook(number), *told(number))
            del self._hooks[number]
            return True

    async def replay(self, number: int, told: Told = _nothing) -> int:
        """Begin to send the dead letters again; how many there are. Raises Busy."""
        async with self._lock:
            if number not in self._hooks:
                return 0
            if number in self._replays:
                raise Busy
            count = await self.dead(number)
            if said := told(number):
                await self._commit(*said)
            hook = self._hooks[number].hook
            task = self._replays[number] = _Task()
            self._at_work().start_soon(self._replay, hook, task)
        return count

    async def _replay(self, hook: Webhook, task: _Task) -> None:
        try:
            with task.scope:
                await replay_dead(hook, self._tools())
        finally:
            del self._replays[hook.id]
            task.ended.set()

    async def _commit(self, *changes: Change) -> None:
        await self.store.commit(Batch(changes))

    # --- tasks ---------------------------------------------------------------------------

    def _tools(self) -> Tools:
        return Tools(
            *(self.store, self.journal, self.rules, self.networks),
            *(self.now, self.random_bytes, self._outage),
        )

    def _start(self, row: Webhook) -> None:
        delivery = self._hooks[row.id] = Delivery(row, self._tools())
        if row.active:
            nursery, task = self._at_work(), _Task()
            self._tasks[row.id] = task
            nursery.start_soon(self._run, delivery, task, name=f"webhook {row.id}")

    async def _run(self, delivery: Delivery, task: _Task) -> None:
        try:
            with task.scope:
                await delivery.run()
        except Switched:
            log.warning("webhook %s is switched off: it answered 410", delivery.hook.id)
        finally:
            self._tasks.pop(delivery.hook.id, None)
            task.ended.set()

    async def _stop(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            await task.end()


@attrs.frozen
class _Task:
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def end(self) -> None:
        self.scope.cancel()
        await self.ended.wait()
