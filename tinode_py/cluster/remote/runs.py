"""What the owner of a store knows of each program that uses it."""

from __future__ import annotations

import attrs
import trio

from ..peer import Peer
from .words import Done, Failed, Settled

WINDOW = 2048  # requests of one run that are at work at the same time, at most
SPAN = 16 * WINDOW  # between the number of a commit that is not answered and the next, at most
GONE = 64  # runs without a connection whose commits are remembered


@attrs.define(eq=False)
class Run:
    """One run of a program. It has one connection at a time, and is one member at most."""

    id: bytes
    node: int = 0  # as which it has joined
    peer: Peer | None = None
    connections: int = 0  # that there ever were
    greeting: trio.Lock = attrs.field(factory=trio.Lock)
    at_work: int = 0  # requests
    weight: int = 0  # bytes of those
    _answers: dict[int, Done | Failed] = attrs.field(factory=dict)  # of commits, perhaps not heard
    _writing: int = 0  # commits under way
    _idle: trio.Event = attrs.field(factory=trio.Event)
    _room: trio.Event = attrs.field(factory=trio.Event)

    def begin(self, size: int) -> None:
        """A request of so many bytes is at work."""
        self.at_work += 1
        self.weight += size

    def end(self, size: int) -> None:
        self.at_work -= 1
        self.weight -= size
        self._room.set()

    async def wait_room(self, most: int) -> None:
        """Wait until one more request may be at work, beside `most` bytes of others."""
        while self.at_work >= WINDOW or self.weight > most:
            self._room = trio.Event()
            await self._room.wait()

    def write(self, seen: int) -> bool:
        """A commit is under way; those below `seen` are answered, and heard. False if too many
        answers were not: it must not be written.
        """
        while self._answers and (first := next(iter(self._answers))) < seen:
            del self._answers[first]
        if len(self._answers) > SPAN:
            return False
        self._writing += 1
        return True

    def written(self, answer: Done | Failed) -> None:
        """A commit is over."""
        self._answers[answer.no] = answer
        self._writing -= 1
        if not self._writing:
            self._idle.set()

    async def settled(self) -> tuple[Settled, ...]:
        """What became of all commits that came, of those not known to be heard; it waits until
        none is under way. Nothing may come meanwhile.
        """
        while self._writing:
            self._idle = trio.Event()
            await self._idle.wait()
        return tuple(Settled(no, answer) for no, answer in self._answers.items())


class Runs:
    """The runs that have a connection, and the last ones that had."""

    def __init__(self) -> None:
        self._runs: dict[bytes, Run] = {}  # who came last is last

    def find(self, id: bytes) -> tuple[Run, bool]:
        """A run, and whether it was known."""
        known = self._runs.pop(id, None)
        run = self._runs[id] = known or Run(id)
        gone = [it for it in self._runs.values() if it.peer is None and it is not run]
        for it in gone[: max(0, len(gone) - GONE)]:
            if not it.greeting.locked():
                del self._runs[it.id]
        return run, known is not None

    def connected(self) -> int:
        return sum(run.peer is not None for run in self._runs.values())
