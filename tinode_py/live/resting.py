"""The tasks of topics: an idle topic has none.

Every user who is logged in has a topic, `me`, and most of the time nothing happens there. A
topic to which nothing has come for a while keeps its state and lets go of its task and its
queue; the next item that comes gives it new ones (docs/decisions/0029).
"""

from __future__ import annotations

from typing import Any, Protocol

import trio

from .alarms import Alarms
from .inbox import Inbox

REST = 1.0  # seconds without an item; a topic rests after one to two times that


class Named(Protocol):
    name: str


class Resting(Protocol):
    """A topic that may rest: `run` returns when its inbox is nudged and nothing is there."""

    inbox: Inbox[Any]
    busy_at: float  # when something was last taken from the inbox, by Trio's clock

    @property
    def state(self) -> Named: ...

    async def run(self) -> None: ...


class Tasks:
    """The topics that have a task at the moment, begun here; in `nursery`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.alarms = Alarms(nursery)
        self._nursery = nursery
        self._awake: dict[str, Resting] = {}
        self._looking = False  # an alarm is set

    def begin(self, topic: Resting) -> None:
        """Give a topic a task."""
        name = topic.state.name
        self._awake[name] = topic
        self._nursery.start_soon(topic.run, name=f"topic {name}")
        if not self._looking:
            self._look_later()

    def ended(self, name: str) -> None:
        """A topic has no task any more."""
        self._awake.pop(name, None)

    def _look_later(self) -> None:
        self._looking = bool(self._awake)
        if self._looking:
            self.alarms.at(trio.current_time() + REST, self._look)

    def _look(self) -> None:
        since = trio.current_time() - REST
        for topic in self._awake.values():
            if topic.busy_at <= since:
                topic.inbox.nudge()
        self._look_later()
