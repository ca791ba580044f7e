"""What a topic's task is made of: what waits for it, its state and rules, what is around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
import msgspec
from msgspec import structs

from ..changes import Change, Conflict, Stale
from ..core.decision import Decision, Env, Facts
from ..core.effects import Effect, EndSessions, FollowChannel, Publish, Push, SendCode
from ..core.events import Asked, Event, Gone
from ..core.pages import Alone
from ..core.state import Attachments
from ..errors import DUPLICATE_CREDENTIAL, EXISTS, UNAVAILABLE, Answer
from ..queries import Query
from .complaints import Complaints
from .fanout import FanOut
from .link import Link
from .resting import Tasks
from .tally import Tally

OFF_DELAY = 4000  # ms for which nobody must be here before others are told


class Item(msgspec.Struct, frozen=True):
    """What waits in an inbox: an event, and the link of the session that asked, if one did."""

    event: Event
    link: Link | None = None


class State(Protocol):
    """What the three kinds of topic state have in common."""

    name: str
    attached: Attachments
    online: bool
    off_at: int

    @property
    def wake_at(self) -> int: ...

    @property
    def is_void(self) -> bool: ...

    @property
    def last_seq(self) -> int: ...

    def address(self, user: str, *, reader: bool = False) -> str: ...

    def load(self, *rows: Any) -> None: ...

    def apply(self, change: Change) -> None: ...

    def follow(self, effect: Effect) -> None: ...


def _never(event: Event) -> bool:
    return False


def _no_page(state: Any, asked: Asked) -> Alone | None:
    return None


def _nobody(state: Any) -> tuple[str, ...]:
    return ()


def _as_they_came(items: list[Item]) -> list[Item]:
    return items


def gone_together(items: list[Item]) -> list[Item]:
    """With the sessions that have gone as one item, in the place of the first of them.

    If thousands go at once, those who stay are looked up and told once.
    """
    gone = [item.event for item in items if isinstance(item.event, Gone)]
    if len(gone) < 2:
        return items
    first = gone[0]
    together = Item(structs.replace(first, others=tuple(event.sid for event in gone[1:])))
    return [
        together if item.event is first else item
        for item in items
        if item.event is first or not isinstance(item.event, Gone)
    ]


@attrs.frozen
class Rules:
    """The pure half of one kind of topic."""

    rows: Callable[[str], tuple[Query[Any], ...]]
    needs: Callable[[Any, Event, Env], tuple[Query[Any], ...]]
    decide: Callable[[Any, Event, Facts, Env], Decision]
    is_plain: Callable[[Event], bool] = _never  # may share a commit with its neighbours
    gathered: Callable[[list[Item]], list[Item]] = _as_they_came
    is_brief: Callable[[Event], bool] = _never  # changes nothing, and needs no long reads
    alone: Callable[[Any, Asked], Alone | None] = _no_page  # the page, of a {get} of nothing else
    stored: bool = True  # else changes are of the state alone
    look: Event | None = None  # by which the topic finds what it has not heard
    shown: Callable[[Any], tuple[str, ...]] = _nobody  # contacts that sessions take for online


def is_of_no_use(state: State, now: int) -> bool:
    """Whether there is no topic of the name. Else, where nobody is in the foreground, it is to
    look again in a while.
    """
    if state.is_void and not len(state.attached):
        return True
    if 0 < state.off_at <= now:
        state.off_at = 0
    if not state.off_at and not state.attached.anyone_online:
        state.off_at = now + OFF_DELAY
    return False


def refusal_of(outcome: Conflict | Stale) -> tuple[Answer, Any]:
    """What is answered where a batch was not written."""
    match outcome:
        case Conflict(what="auth"):
            return DUPLICATE_CREDENTIAL, {"what": "auth"}
        case Conflict():
            return EXISTS, None
        case _:
            return UNAVAILABLE, None


class Surroundings(Protocol):
    """What a topic's task asks of the hub."""

    closing: bool

    def holds(self) -> bool: ...

    now: Callable[[], int]
    tally: Tally

    @property
    def tasks(self) -> Tasks: ...

    complaints: Complaints

    def tell(self, topic: str, item: Item) -> None: ...

    def forget(self, topic: str) -> None: ...

    def went(self, topic: str, *, online: bool) -> None: ...

    def attached(self, topic: str, sid: str) -> None: ...

    def detached(self, topic: str, sid: str) -> None: ...

    def end_sessions(self, effect: EndSessions) -> None: ...

    def send_code(self, effect: SendCode) -> None: ...

    def published(self, fanout: FanOut, effect: Publish) -> None: ...

    def push(self, effect: Push | FollowChannel) -> None: ...

    def env(self) -> Env: ...
