"""Requests and answers about events and webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

import attrs
import msgspec

from .operation import Operation
from .types import Json, Moment, Page, Short

Kind = Literal[
    "user.online",
    "user.offline",
    "message.stored",
    "message.deleted",
    "topic.created",
    "topic.changed",
    "topic.deleted",
    "subscription.created",
    "subscription.changed",
    "subscription.ended",
    "account.created",
    "account.changed",
    "account.suspended",
    "account.restored",
    "account.deleted",
]
Kinds = Annotated[tuple[Kind, ...], msgspec.Meta(max_length=32)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern="^https?://")]


@attrs.frozen
class EventStream:
    """Which events.

    - `after`: those with a higher id; a `Last-Event-ID` header goes before it. Absent: from now.
    - `kinds`: kinds, with commas between them; empty: all.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    kinds: Annotated[str, msgspec.Meta(max_length=512)] = ""


@attrs.frozen
class Hook:
    """A webhook to be made.

    - `url`: where events are posted.
    - `kinds`: which; empty: all.
    - `topics`: only events of these topics; empty: of all.
    - `secret`: what signs them; empty: one is made, and told once.
    - `active`: whether anything is sent.
    """

    url: Url
    kinds: Kinds = ()
    topics: Annotated[tuple[Short, ...], msgspec.Meta(max_length=100)] = ()
    secret: Short = attrs.field(default="", repr=False)
    active: bool = True


@attrs.frozen
class HookChange:
    """What is to be changed of a webhook; what is absent stays.

    - `url`, `kinds`, `topics`, `active`: as when it was made.
    """

    url: Url | None = None
    kinds: Kinds | None = None
    topics: Annotated[tuple[Short, ...], msgspec.Meta(max_length=100)] | None = None
    active: bool | None = None


@attrs.frozen
class OneHook:
    """A webhook.

    - `id`: its number.
    - `url`, `kinds`, `topics`, `active`: as they were asked for.
    - `secret`: what signs; only in the answer to its making or rotation, else empty.
    - `done`: the id of the last event that was delivered or given up.
    - `failing`: when it began to fail, if it does.
    - `dead`: how many events were given up.
    - `former_until`: until when the secret before the last rotation signs as well.
    """

    id: int
    url: str
    kinds: tuple[str, ...]
    topics: tuple[str, ...]
    active: bool
    secret: str = attrs.field(repr=False)
    done: int
    failing: Moment | None
    dead: int
    former_until: Moment | None


@attrs.frozen
class HookList:
    """Webhooks, by number.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneHook, ...]
    next: str


@attrs.frozen
class DeadLetter:
    """An event that a webhook did not take.

    - `event`: its id.
    - `kind`: its kind.
    - `at`: when it was given up.
    - `tries`: after how many attempts.
    - `error`: what the last one failed with.
    - `data`: the event.
    """

    event: int
    kind: str
    at: Moment
    tries: int
    error: str
    data: Json


@attrs.frozen
class DeadLetters:
    """Events that were given up, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[DeadLetter, ...]
    next: str


@attrs.frozen
class Replay:
    """What is to be sent again.

    - `after`: all events with a higher id than this; absent: the dead letters.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


@attrs.frozen
class Replayed:
    """What will be sent again.

    - `events`: how many dead letters; 0 if asked by id.
    """

    events: int


@attrs.frozen
class HookRotation:
    """Another secret for a webhook.

    - `secret`: what signs from now on; empty: one is made, and told once.
    - `grace`: seconds for which that of until now signs as well; 0: not at all, if it leaked.
    """

    secret: Short = attrs.field(default="", repr=False)
    grace: Annotated[int, msgspec.Meta(ge=0, le=2_592_000)] = 86_400


@attrs.frozen
class Tried:
    """What a service answered to a request without events.

    - `taken`: whether it took it.
    - `status`: what it answered, 0 if it did not.
    - `error`: why it was not taken, empty if it was.
    """

    taken: bool
    status: int
    error: str


_HOOK = "/v1/webhooks/{id}"

OPERATIONS = (
    Operation(
        "readEvents", "GET", "/v1/events", "events:read",
        "Read the log of events, as a stream that goes on.",
        query=EventStream, media="text/event-stream",
    ),
    Operation(
        "createWebhook", "POST", "/v1/webhooks", "webhooks:write",
        "Make a webhook.", body=Hook, answer=OneHook, status=201,
    ),
    Operation(
        "listWebhooks", "GET", "/v1/webhooks", "webhooks:write",
        "List the webhooks.", query=Page, answer=HookList,
    ),
    Operation("readWebhook", "GET", _HOOK, "webhooks:write", "Read a webhook.", answer=OneHook),
    Operation(
        "changeWebhook", "PATCH", _HOOK, "webhooks:write",
        "Change a webhook.", body=HookChange, answer=OneHook,
    ),
    Operation("deleteWebhook", "DELETE", _HOOK, "webhooks:write", "End a webhook.", status=204),
    Operation(
        "listDeadLetters", "GET", _HOOK + "/dead", "webhooks:write",
        "List what a webhook did not take.", query=Page, answer=DeadLetters,
    ),
    Operation(
        "replay", "POST", _HOOK + "/replay", "webhooks:write",
        "Send again what was given up, or everything since an event.",
        body=Replay, answer=Replayed, status=202,
    ),
    Operation(
        "rotateWebhook", "POST", _HOOK + "/rotate", "webhooks:write",
        "Give a webhook another secret, both valid for a while.", body=HookRotation, answer=OneHook,
    ),
    Operation(
        "testWebhook", "POST", _HOOK + "/test", "webhooks:write",
        "Post a request without events once.", answer=Tried,
    ),
)  # fmt: skip
