"""Which node owns a topic: asked of the store, all that is asked at the same time at once."""

from __future__ import annotations

import logging

import attrs
import trio

from ..errors import Fenced, StoreAway, StoreError
from ..store.coordination import Coordination

log = logging.getLogger(__name__)

PAUSE = 0.2  # seconds before another attempt to let go of topics


@attrs.define(eq=False)
class _Asked:
    answered: trio.Event = attrs.field(factory=trio.Event)
    owner: int = 0
    error: StoreError | None = None


@attrs.define(eq=False)
class Claims:
    """The claims of one node. What is let go of before it is asked for is let go of first."""

    coordination: Coordination
    node: int
    _asked: dict[str, _Asked] = attrs.field(factory=dict)
    _released: list[str] = attrs.field(factory=list)
    _failed: bool = False  # the last attempt to let go
    _more: trio.Event = attrs.field(factory=trio.Event)
    _idle: trio.Event = attrs.field(factory=trio.Event)

    async def owner(self, topic: str) -> int:
        """The node that owns a topic: this one, if no other does. StoreError if that cannot be
        found out.
        """
        asked = self._asked.setdefault(topic, _Asked())
        self._more.set()
        await asked.answered.wait()
        if asked.error is not None:
            raise asked.error
        return asked.owner

    def release(self, topic: str) -> None:
        """Let go of a topic, as soon as may be."""
        self._released.append(topic)
        self._more.set()

    async def give(self, topic: str, to: int) -> bool | None:
        """Make another node the owner of a topic of ours. Whether it is; None: nobody knows."""
        try:
            return await self.coordination.give(self.node, topic, to)
        except StoreError as error:
            log.warning("a topic cannot be given to node %s: %s", to, error)
            return None

    async def wait_released(self) -> None:
        """Wait until nothing is to be let go of."""
        while self._released:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Ask and let go, until cancelled. Fenced if the node is no member any more."""
        try:
            while True:
                await self._more.wait()
                self._more = trio.Event()
                if not await self._let_go():
                    await trio.sleep(PAUSE)
                    self._more.set()
                await self._ask()
        finally:
            self._answer(self._asked, {}, StoreAway("the node is no member of the cluster"))

    async def _let_go(self) -> bool:
        topics = self._released
        if not topics:
            return True
        self._released = []
        try:
            await self.coordination.release(self.node, topics)
        except StoreError as error:
            if not self._failed:
                log.error("topics cannot be let go of: %s", error)
            self._failed = True
            self._released = topics + self._released
            return False
        self._failed = False
        if not self._released:
            self._idle.set()
        return True

    async def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        if not asked:
            return
        # What could not be let go of is needed again: it would be taken from its new task.
        self._released = [topic for topic in self._released if topic not in asked]
        owners: dict[str, int] = {}
        failure: StoreError | None = StoreAway("the node ends")
        try:
            owners = await self.coordination.claim(self.node, list(asked))
            failure = None
        except Fenced as error:
            failure = error
            raise
        except StoreError as error:
            failure = error
        finally:
            self._answer(asked, owners, failure)

    def _answer(
        self, asked: dict[str, _Asked], owners: dict[str, int], error: StoreError | None
    ) -> None:
        for topic, one in asked.items():
            one.owner, one.error = owners.get(topic, 0), error
            one.answered.set()
