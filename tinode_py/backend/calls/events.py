"""Requests and answers about events and webhooks.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class OneHook:
    """A webhook.

    - `id`: its number.
    - `url`: as they were asked for.
    - `kinds`: as they were asked for.
    - `topics`: as they were asked for.
    - `active`: as they were asked for.
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
    failing: datetime | None
    dead: int
    former_until: datetime | None


@attrs.frozen
class HookList:
    """Webhooks, by number.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneHook, ...]
    next: str

    def rows(self) -> tuple[OneHook, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


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
    at: datetime
    tries: int
    error: str
    data: Any


@attrs.frozen
class DeadLetters:
    """Events that were given up, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[DeadLetter, ...]
    next: str

    def rows(self) -> tuple[DeadLetter, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class Replayed:
    """What will be sent again.

    - `events`: how many dead letters; 0 if asked by id.
    """

    events: int


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


def create_webhook(
    url: str,
    *,
    kinds: Sequence[str] = (),
    topics: Sequence[str] = (),
    secret: str = "",
    active: bool = True,
) -> Call[OneHook]:
    """Make a webhook.

    - `url`: where events are posted.
    - `kinds`: which; empty: all.
    - `topics`: only events of these topics; empty: of all.
    - `secret`: what signs them; empty: one is made, and told once.
    - `active`: whether anything is sent.
    """
    return Call(
        "POST",
        "/v1/webhooks",
        OneHook,
        body={
            "url": url,
            **given(
                ("kinds", kinds, ()),
                ("topics", topics, ()),
                ("secret", secret, ""),
                ("active", active, True),
            ),
        },
    )


def list_webhooks(*, after: str = "", limit: int = 50) -> Call[HookList]:
    """List the webhooks.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/webhooks",
        HookList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def read_webhook(id: str) -> Call[OneHook]:
    """Read a webhook."""
    return Call("GET", place("/v1/webhooks/{id}", id=id), OneHook, repeatable=True)


def change_webhook(
    id: str,
    *,
    url: str | None = None,
    kinds: Sequence[str] | None = None,
    topics: Sequence[str] | None = None,
    active: bool | None = None,
) -> Call[OneHook]:
    """Change a webhook.

    - `url`: as when it was made.
    - `kinds`: as when it was made.
    - `topics`: as when it was made.
    - `active`: as when it was made.
    """
    return Call(
        "PATCH",
        place("/v1/webhooks/{id}", id=id),
        OneHook,
        body=given(
            ("url", url, None),
            ("kinds", kinds, None),
            ("topics", topics, None),
            ("active", active, None),
        ),
        repeatable=True,
    )


def delete_webhook(id: str) -> Call[None]:
    """End a webhook."""
    return Call("DELETE", place("/v1/webhooks/{id}", id=id), None, repeatable=True)


def list_dead_letters(id: str, *, after: str = "", limit: int = 50) -> Call[DeadLetters]:
    """List what a webhook did not take.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        place("/v1/webhooks/{id}/dead", id=id),
        DeadLetters,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def replay(id: str, *, after: int | None = None) -> Call[Replayed]:
    """Send again what was given up, or everything since an event.

    - `after`: all events with a higher id than this; absent: the dead letters.
    """
    return Call(
        "POST",
        place("/v1/webhooks/{id}/replay", id=id),
        Replayed,
        body=given(("after", after, None)),
    )


def rotate_webhook(id: str, *, secret: str = "", grace: int = 86400) -> Call[OneHook]:
    """Give a webhook another secret, both valid for a while.

    - `secret`: what signs from now on; empty: one is made, and told once.
    - `grace`: seconds for which that of until now signs as well; 0: not at all, if it leaked.
    """
    return Call(
        "POST",
        place("/v1/webhooks/{id}/rotate", id=id),
        OneHook,
        body=given(("secret", secret, ""), ("grace", grace, 86400)),
    )


def test_webhook(id: str) -> Call[Tried]:
    """Post a request without events once."""
    return Call("POST", place("/v1/webhooks/{id}/test", id=id), Tried)
