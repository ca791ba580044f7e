"""Telling the other nodes which topics are loaded, before anything of them is read.

Whatever is committed elsewhere before a node has heard of a topic is read when the topic is loaded;
whatever is committed after that is told to it. So nothing falls in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

PATIENCE = 0.5  # seconds: a node that hears nothing is soon no member any more


@attrs.define(eq=False)
class Announcing:
    """Topics that are about to be read. `tell` returns when all nodes have heard of some."""

    tell: Callable[[tuple[str, ...]], Awaitable[None]]
    _waiting: dict[str, trio.Event] = attrs.field(factory=dict)
    _more: trio.Event = attrs.field(factory=trio.Event)

    async def announce(self, topic: str) -> None:
        """Return when every node has heard that the topic is loaded here."""
        self._waiting[topic] = heard = trio.Event()
        self._more.set()
        await heard.wait()

    async def run(self) -> None:
        """Announce what waits, all of it at once, until cancelled."""
        while True:
            await self._more.wait()
            self._more = trio.Event()
            waiting, self._waiting = self._waiting, {}
            with trio.move_on_after(PATIENCE):
                await self.tell(tuple(waiting))
            for heard in waiting.values():
                heard.set()
