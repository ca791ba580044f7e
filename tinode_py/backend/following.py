"""How the log of events is followed, whoever does the waiting.

Pure, as `exchange` is: a generator says what is to be done next and is told what came of it.
What makes it show every event once: the position is that of the last event handed on; a stream
always begins after it, and what is not above it is passed over.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias

import attrs

from ..client.backoff import Backoff
from .call import Got, problem
from .errors import Nonsense, Unreachable
from .events import AT, Event, event_of
from .exchange import Lost, Terms, Wait
from .sse import Parser

log = logging.getLogger(__name__)

EVENT_SIZE = 8 * 1024 * 1024  # bytes of one event
FIRST = 0.5  # seconds before a stream is opened again
LONGEST = 60.0
LASTED = 5.0  # seconds after which a stream counts as a good one
_PASSING = (408, 425, 429, 500, 502, 503, 504)


@attrs.frozen
class Begin:
    """Tell the position that is kept, None if there is none."""


@attrs.frozen
class Open:
    """Open the stream; the answer is Opened, Got where there is no stream, or Lost."""

    after: int | None
    kinds: str

    def parameters(self) -> dict[str, str]:
        found = {"kinds": self.kinds} if self.kinds else {}
        return found if self.after is None else {**found, "after": str(self.after)}


@attrs.frozen
class Opened:
    """There is a stream."""


@attrs.frozen
class Read:
    """The next bytes of the stream, or Lost at its end."""


@attrs.frozen
class Happened:
    """Hand this on."""

    event: Event


@attrs.frozen
class Passed:
    """Nothing that was asked for happened up to here."""

    position: int


Step: TypeAlias = Begin | Open | Read | Happened | Passed | Wait
Outcome: TypeAlias = int | Opened | Got | bytes | Lost | None
Following: TypeAlias = Generator[Step, Outcome, None]


class _Interrupted(Exception):
    """The stream is to be opened again, after `wait` seconds at least."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@attrs.define
class Follower:
    """Follows the log from after `position`; None: from now on. `kinds` as the query has them."""

    position: int | None
    kinds: str
    now: Callable[[], float]
    backoff: Backoff
    patience: float  # seconds for the first stream

    @classmethod
    def new(
        cls, terms: Terms, position: int | None, kinds: str, now: Callable[[], float]
    ) -> Follower:
        return cls(position, kinds, now, Backoff(FIRST, LONGEST, terms.chance), terms.patience)

    def steps(self) -> Following:
        """For ever. Problem or Nonsense where asking again would not help; Unreachable if there
        was no stream in time, at first.
        """
        kept = yield Begin()
        due = self.now() + self.patience
        if isinstance(kept, int):
            self.position = kept
        while True:
            began = self.now()
            try:
                yield from self._stream()
            except _Interrupted as ended:
                if self.now() - began > LASTED:
                    self.backoff.reset()
                wait = max(self.backoff.next(), ended.wait)
                if self.patience < math.inf and self.now() + wait > due:
                    raise Unreachable(str(ended), maybe_done=False) from None
                log.info("the stream of events is opened again in %.1f s: %s", wait, ended)
                yield Wait(wait)

    def _stream(self) -> Following:
        opened = yield Open(self.position, self.kinds)
        if isinstance(opened, Lost):
            if opened.final:
                raise Unreachable(opened.text, maybe_done=False)
            raise _Interrupted(opened.text)
        if isinstance(opened, Got):
            self._refused(opened)
        self.patience = math.inf
        parser = Parser(EVENT_SIZE)
        while True:
            part = yield Read()
            if not isinstance(part, bytes):
                raise _Interrupted(part.text if isinstance(part, Lost) else "it has ended")
            for event in self._events(parser, part):
                if event.kind == AT:
                    yield Passed(event.id)
                else:
                    yield Happened(event)

    def _events(self, parser: Parser, part: bytes) -> Iterator[Event]:
        """Those that are new."""
        try:
            for block in parser.feed(part):
                event = event_of(block.data)
                if self.position is None or event.id > self.position:
                    self.position = event.id
                    self.backoff.reset()
                    yield event
        except Nonsense as error:
            raise _Interrupted(str(error)) from None

    def _refused(self, got: Got) -> None:
        refused = problem(got)
        if got.status in _PASSING:
            raise _Interrupted(str(refused), refused.retry_after)
        if got.status < 400:
            raise Nonsense(f"GET /v1/events is answered with {got.status} and no stream of events")
        raise refused
