"""A page of history: which messages a {get data} names, and its closing {ctrl} (protocol notes,
5.6). It is what is read most, so a {get} of nothing else needs no more than is here.
"""

from __future__ import annotations

from typing import cast

import msgspec

from ..access import READ
from ..errors import DELIVERED
from ..queries import MessagesIn
from ..records import Message, Range
from ..wire.client_packets import Get
from ..wire.server_packets import Ctrl
from . import ranges
from .decision import Env, ctrl
from .events import Asked
from .state import TopicState

PAGE = 100  # messages in one answer


class Alone(msgspec.Struct, frozen=True):
    """A page for who may have it, asked for with nothing else. `reader`: of a channel."""

    query: MessagesIn
    reader: bool


def alone(state: TopicState, asked: Asked) -> Alone | None:
    """The page, where nothing but one is asked for, by a session that is attached and may read.

    None: there is more to it, and `decide` has the answer.
    """
    request = cast(Get, asked.request)
    item = state.attached.by_sid.get(asked.caller.sid)
    if request.what != "data" or item is None or asked.quiet or state.call is not None:
        return None
    query = request.data
    if query is not None and (query.ims is not None or query.user or query.topic):
        return None
    if not state.mode(item) & READ or (page := wanted(state, asked)) is None:
        return None
    return Alone(page, item.reader)


def wanted(state: TopicState, asked: Asked) -> MessagesIn | None:
    """The page of history that a request names; None if it can hold nothing."""
    query = cast(Get, asked.request).data
    last = state.topic.seq if state.topic else 0
    if query is None:
        found: tuple[Range, ...] = (Range(1, last + 1),) if last else ()
        limit = PAGE
    else:
        limit = query.limit if 0 < query.limit < PAGE else PAGE
        if query.ranges:
            found = ranges.to_read(query.ranges, last)
        else:
            hi = query.before if 0 < query.before <= last else last + 1
            low = query.since if query.since > 1 else 1
            found = (Range(low, hi),) if low < hi else ()
    if not found:
        return None
    return MessagesIn(state.name, asked.caller.user, found, limit)


def delivered(asked: Asked, messages: tuple[Message, ...], env: Env) -> Ctrl:
    """What follows the messages of a page."""
    return ctrl(env, DELIVERED, asked, params={"what": "data", "count": len(messages)})
