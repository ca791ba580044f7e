"""What is decided: from an event, the facts that it needs and an `Env` to changes and effects.

Rules of this layer: no Trio, no SQL, no sockets, no clock. A topic's task hands an event (from
`events`), the facts and an `Env` to a `decide` function and gets a `Decision`, or `Refused` is
raised and nothing has changed. Deciding never changes the state; applying the changes does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..changes import Change
from ..config import Settings
from ..errors import Answer
from ..queries import Query
from ..wire.parts import Time
from ..wire.server_packets import Ctrl
from .effects import Effect, Reply
from .events import Asked

Facts = Mapping[Query[Any], Any]


def _none() -> int:
    return 0


def _in_none(user: str) -> int:
    return 0


def _no_chance(length: int) -> bytes:
    raise RuntimeError("a decision left to chance was given none")


class Env(msgspec.Struct, frozen=True):
    """What a decision may know besides state, event and facts.

    `now` is milliseconds since 1970; `online` tells whether a user (`usr…`) or a group
    (`grp…`) is online as far as this server knows. `pushing`: somebody takes notifications, so
    that it is worth while to make some. `random_bytes` gives so many of them. `rooms`: in how
    many rooms there is somebody now; `rooms_of`: in how many of them a user is.
    """

    settings: Settings
    now: int
    online: Callable[[str], bool]
    pushing: bool = False
    random_bytes: Callable[[int], bytes] = _no_chance
    rooms: Callable[[], int] = _none
    rooms_of: Callable[[str], int] = _in_none


class Decision(msgspec.Struct, frozen=True):
    """What a request changes and causes. `then` is asked next, before all that waits."""

    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    then: Asked | None = None

    def __add__(self, other: Decision) -> Decision:
        return Decision(
            self.changes + other.changes, self.effects + other.effects, other.then or self.then
        )


NOTHING = Decision()


def ctrl(
    env: Env,
    answer: Answer,
    asked: Asked | None = None,
    *,
    topic: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Ctrl:
    """The {ctrl} that answers a request: its id, and the topic as the requester knows it."""
    ident = getattr(asked.request, "id", "") if asked else ""
    name = topic if topic is not None else asked.named if asked else ""
    return Ctrl(
        code=answer.code,
        text=answer.text,
        ts=Time(env.now),
        id=ident,
        topic=name,
        params=dict(params) if params else None,
    )


def reply(
    env: Env,
    answer: Answer,
    asked: Asked,
    *,
    topic: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Reply:
    return Reply(asked.caller.sid, ctrl(env, answer, asked, topic=topic, params=params))
