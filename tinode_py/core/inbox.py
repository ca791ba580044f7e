"""The inbox on `me`: private messages and notices, live and missed, in one order.

An extension that a session opts into with `{get what:"inbox"}`. Places are given out by the
store, with the message (`changes.AppendMessage.inboxes`); here they are read and sent,
strictly by number, whatever the order in which topics announce them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
from msgspec import structs

from .. import ids
from ..changes import PutNotice
from ..errors import MALFORMED, Refused
from ..ids import Kind
from ..queries import InboxOf
from ..records import InboxItem, InboxPage
from ..wire import server_parts
from ..wire.client_packets import Get
from ..wire.client_parts import GetInbox
from ..wire.parts import Json, Time
from ..wire.server_packets import Meta
from .decision import Decision, Env, Facts
from .effects import Effect, Follows, Reply, Tell
from .events import Asked, InboxGrew
from .me import MeState
from .meta import json
from .state import TopicState

DEFAULT, MOST = 100, 1000  # items in one answer
LIVE = 100  # items fetched at once for sessions that follow


# --- asking ------------------------------------------------------------------------------


def wanted(user: str, request: Get) -> InboxOf:
    """What a {get} asks of an inbox."""
    query = request.inbox or GetInbox()
    if query.since < 0 or query.limit < 0:
        raise Refused(MALFORMED)
    return InboxOf(user, query.since, min(query.limit or DEFAULT, MOST))


def answer(state: MeState, asked: Asked, facts: Facts, env: Env) -> Iterator[Effect]:
    """The part asked for; after the last part, the session follows what comes."""
    request = cast(Get, asked.request)
    query = wanted(state.name, request)
    page: InboxPage = facts[query]
    reached = page.items[-1].n if page.items else page.last
    more = bool(query.since and page.items and reached < page.last)
    shown = _shown(state, page.items, page, more=more)
    meta = Meta(ts=Time(env.now), topic=asked.named, id=request.id, inbox=shown)
    yield Reply(asked.caller.sid, meta)
    yield Follows(asked.caller.sid, None if more else max(reached, page.last))


def _shown(
    state: MeState, items: Iterable[InboxItem], page: InboxPage, *, more: bool = False
) -> server_parts.Inbox:
    found = tuple(_item(state.name, item) for item in items)
    return server_parts.Inbox(first=page.first, last=page.last, items=found, more=more)


def _item(user: str, item: InboxItem) -> server_parts.InboxItem:
    address = ids.seen_by(item.topic, user)
    if item.kind:
        return server_parts.InboxItem(
            item.n, address, ts=Time(item.ts), kind=item.kind, detail=json(item.detail)
        )
    message = item.message
    if message is None:
        return server_parts.InboxItem(item.n, address, item.seq, deleted=True)
    return server_parts.InboxItem(
        item.n,
        address,
        item.seq,
        Time(message.ts),
        message.sender,
        json(message.head),
        Json(message.content),
    )


# --- following ---------------------------------------------------------------------------


def news(state: MeState) -> InboxOf | None:
    """What to fetch for those who follow."""
    if not state.follows:
        return None
    return InboxOf(state.name, min(state.follows.values()) + 1, LIVE)


def grew(state: MeState, facts: Facts, env: Env) -> Decision:
    """Send every follower what he has not had yet, in order."""
    query = news(state)
    if query is None:
        return Decision()
    page: InboxPage = facts[query]
    effects: list[Effect] = []
    for sid, reached in state.follows.items():
        fresh = [item for item in page.items if item.n > reached]
        if fresh:
            shown = _shown(state, fresh, page)
            effects.append(Reply(sid, Meta(ts=Time(env.now), topic="me", inbox=shown)))
            effects.append(Follows(sid, fresh[-1].n))
    if page.items and page.items[-1].n < page.last:
        effects.append(Tell(state.name, InboxGrew()))
    return Decision(effects=tuple(effects))


# --- filling -----------------------------------------------------------------------------


def owners(state: TopicState) -> tuple[str, ...]:
    """In whose inboxes a message of this topic takes a place: both sides of a p2p topic."""
    return state.who_read() if state.kind is Kind.P2P else ()


def grown(users: Iterable[str]) -> tuple[Tell, ...]:
    """Word to each user's `me` that his inbox has grown."""
    return tuple(Tell(user, InboxGrew()) for user in users)


def notices(
    state: TopicState, users: Iterable[str], kind: str, env: Env, **detail: Any
) -> tuple[tuple[PutNotice, ...], tuple[Tell, ...]]:
    """What users must not miss, as changes and as word of them to their `me`."""
    text = msgspec.json.encode({key: value for key, value in detail.items() if value})
    found = tuple(users)
    changes = tuple(PutNotice(user, state.name, kind, env.now, text) for user in found)
    return changes, grown(found)


def with_notices(
    decision: Decision, state: TopicState, users: Iterable[str], kind: str, env: Env, **detail: Any
) -> Decision:
    """The decision, with a notice to each of `users` in the same commit."""
    changes, tells = notices(state, users, kind, env, **detail)
    return structs.replace(
        decision, changes=decision.changes + changes, effects=decision.effects + tells
    )
