"""How far a program has got in the log of events: given out, done with, kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import attrs

from .events import Event
from .exchange import Wait
from .following import Begin, Follower, Happened, Open, Outcome, Passed, Read, Step

NAME = "backend"
_STREAM = "events"


class BlockingPositions(Protocol):
    """A store of positions for programs that block, as FilePositions and MemoryPositions are."""

    def read(self, user: str) -> Mapping[str, int]:
        """All positions under a name; empty if there are none."""

    def write(self, user: str, positions: Mapping[str, int]) -> None:
        """Keep all positions under a name, in place of those before."""


@attrs.frozen
class Keep:
    """Keep these positions."""

    positions: Mapping[str, int]


Task: TypeAlias = Begin | Keep | Open | Read | Wait | Happened
Done: TypeAlias = Outcome | Mapping[str, int]


class Reading:
    """What a driver is to do next for whoever reads events, and what came of it.

    What was given out is done with when the next event is asked for. Before anything that may
    take time, how far it is done is kept. A task that was cancelled is simply done again.
    """

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self._steps = follower.steps()
        self._step: Step | None = next(self._steps)
        self._given: int | None = None
        self._done: int | None = None
        self._kept: int | None = None

    def task(self) -> Task | None:
        """The next task; None after an error, or the end."""
        while isinstance(step := self._step, Passed):
            self._given = self._done = step.position
            self._advance(None)
        if step is None or isinstance(step, Begin | Happened):
            return step
        return self.to_keep() or step

    def told(self, task: Task, came: Done) -> None:
        """A task was done. Raises what ends the stream."""
        if isinstance(task, Keep):
            self._kept = task.positions[_STREAM]
        elif isinstance(task, Begin):
            assert came is None or isinstance(came, Mapping)
            self._given = self._done = self._kept = (came or {}).get(_STREAM)
            self._advance(self._kept)
        else:
            assert not isinstance(came, Mapping)
            self._advance(came)

    def take(self, happened: Happened) -> Event:
        """Give an event out."""
        self._given = happened.event.id
        self._advance(None)
        return happened.event

    def finish(self) -> None:
        """The program is done with what it was given."""
        self._done = self._given

    def end(self) -> None:
        """There is nothing more."""
        self._step = None
        self._steps.close()

    def to_keep(self) -> Keep | None:
        """How far it is done, None if that is kept."""
        if self._done is None or self._done == self._kept:
            return None
        return Keep({_STREAM: self._done})

    def _advance(self, came: Outcome) -> None:
        self._step = None  # and so it stays if this raises
        self._step = self._steps.send(came)
