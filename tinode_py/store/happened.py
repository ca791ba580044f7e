"""What a change means to those who read the log of events: pure, the same for every store.

An event is told where something is not as it was, so a row that is written again as it stands
leaves none. Nothing personal is told but who and where: what a name or a picture has become is
asked of the API. Messages tell of themselves (`records.Event.message`), and who comes and goes
is told by a change of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from .. import access
from ..changes import (
    Change,
    DeleteMessages,
    DeleteTopic,
    DeleteUser,
    PutSubscription,
    PutTopic,
    PutUser,
)
from ..ids import group_of
from ..queries import Query, SubscriptionOf, TopicByName, UserById
from ..ranges import merged
from ..records import Event, State, Subscription, Topic, User

# The members of a record that others are told of, by the name in `changed`.
_ACCOUNT = {
    "public": ("public",),
    "trusted": ("trusted",),
    "tags": ("tags",),
    "defacs": ("auth", "anon"),
}
_TOPIC = {**_ACCOUNT, **{name: (name,) for name in ("aux", "owner", "state", "publish")}}

_FACTS: Mapping[type[Change], Callable[[Any], Query[Any]]] = {
    PutUser: lambda change: UserById(change.user.id),
    PutTopic: lambda change: TopicByName(change.topic.name),
    PutSubscription: lambda change: SubscriptionOf(
        change.subscription.topic, change.subscription.user
    ),
    DeleteTopic: lambda change: TopicByName(change.topic),
    DeleteUser: lambda change: UserById(change.user),
}


def facts(change: Change) -> Query[Any] | None:
    """What must be known from before the change, if anything, to tell what it means."""
    ask = _FACTS.get(type(change))
    return None if ask is None else ask(change)


def happened(change: Change, before: Any, now: int) -> Iterator[Event]:
    """The events of a change that was made; their number is still 0.

    `before` is the answer to `facts`. `now=0`: the time is what the change says.
    """
    arm = _ARMS.get(type(change))
    if arm is not None:
        for event in arm(change, before):
            yield attrs.evolve(event, ts=now) if now else event


def _changed(before: Any, after: Any, parts: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [
        name
        for name, fields in parts.items()
        if any(getattr(before, field) != getattr(after, field) for field in fields)
    ]


def _json(**detail: Any) -> bytes:
    return msgspec.json.encode(detail)


def _account(change: PutUser, before: User | None) -> Iterator[Event]:
    after = change.user
    if before is None:
        yield Event(0, after.created, "account.created", user=after.id)
        return
    if before.state is not after.state:
        kind = "account.restored" if after.state is State.OK else "account.suspended"
        yield Event(0, after.updated, kind, user=after.id)
    changed = _changed(before, after, _ACCOUNT)
    if changed:
        detail = _json(changed=changed)
        yield Event(0, after.updated, "account.changed", user=after.id, detail=detail)


def _account_ended(change: DeleteUser, before: User | None) -> Iterator[Event]:
    if before is not None:
        detail = _json(hard=change.hard)
        yield Event(0, change.now, "account.deleted", user=change.user, detail=detail)


def _topic(change: PutTopic, before: Topic | None) -> Iterator[Event]:
    after = change.topic
    if before is None:
        detail = _json(channel=after.channel)
        yield Event(0, after.created, "topic.created", after.name, after.owner, detail)
        return
    changed = _changed(before, after, _TOPIC)
    if changed:
        detail = _json(changed=changed)
        yield Event(0, after.updated, "topic.changed", after.name, after.owner, detail)


def _topic_ended(change: DeleteTopic, before: Topic | None) -> Iterator[Event]:
    if before is not None:
        yield Event(0, before.touched, "topic.deleted", before.name, before.owner)


def _subscription(change: PutSubscription, before: Subscription | None) -> Iterator[Event]:
    after = change.subscription
    was, is_ = before is not None and not before.deleted, not after.deleted
    detail = _json(
        want=access.text(after.want),
        given=access.text(after.given),
        mode=access.text(after.mode),
        reader=after.topic.startswith("chn"),
    )
    if is_ and not was:
        kind = "subscription.created"
    elif was and not is_:
        kind = "subscription.ended"
    elif before is not None and is_ and (before.want, before.given) != (after.want, after.given):
        kind = "subscription.changed"
    else:
        return
    yield Event(0, after.updated, kind, _conversation(after.topic), after.user, detail)


def _conversation(topic: str) -> str:
    """A reader's `chn…` is told of under the name of its group."""
    return group_of(topic) if topic.startswith("chn") else topic


def _messages_ended(change: DeleteMessages, before: None) -> Iterator[Event]:
    ranges = merged(change.ranges)
    if not change.user and ranges:
        detail = _json(delseq=[{"low": r.low, "hi": r.hi} for r in ranges])
        yield Event(0, change.now, "message.deleted", change.topic, detail=detail)


_ARMS: Mapping[type[Change], Callable[[Any, Any], Iterator[Event]]] = {
    PutUser: _account,
    DeleteUser: _account_ended,
    PutTopic: _topic,
    DeleteTopic: _topic_ended,
    PutSubscription: _subscription,
    DeleteMessages: _messages_ended,
}
