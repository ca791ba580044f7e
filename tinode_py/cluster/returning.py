"""How a session returns to a topic that has moved: by a {sub} that it never sees."""

from __future__ import annotations

import attrs

from .. import ids
from ..ids import Kind
from ..wire.client_parts import GetData, GetInbox, GetQuery

MISSED = 100  # messages that a returning session gets at once
LATE = "the topic has moved, and too much was missed"
TURNED_AWAY = "the topic has moved, and cannot be joined now"


@attrs.define
class Return:
    """A session on its way back to a topic that has moved. `had`: the last message that it got;
    `shown`: contacts that it takes for online; `joined`: the topic's last message when it was
    attached again, None before that.
    """

    had: int
    shown: frozenset[str] = frozenset()
    joined: int | None = None


def missed(topic: str, had: int, follows: int | None) -> GetQuery | None:
    """What a session asks for that has had the topic up to `had`, or the inbox up to `follows`."""
    match ids.kind_of(topic):
        case Kind.ME if follows is not None:
            return GetQuery(what="inbox", inbox=GetInbox(since=follows + 1))
        case Kind.ME | Kind.FIND | Kind.ROOM:
            return None
        case _:
            return GetQuery(what="data", data=GetData(since=had + 1, limit=MISSED))
