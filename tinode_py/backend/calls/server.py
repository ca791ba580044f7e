"""Requests and answers about the server, keys and tickets.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class ServerLimits:
    """Bounds that clients meet.

    - `message_size`: bytes of a packet, or of a request.
    - `topic_subscribers`: members of a group.
    - `tags`: tags of a user or a group.
    - `file_size`: bytes of an upload.
    - `scheduled`: messages of one key that wait to be sent later.
    - `scheduled_bytes`: what these may take together.
    - `scheduled_days`: how far ahead they may lie.
    - `items`: items of a list in a request.
    - `page`: rows of an answer.
    """

    message_size: int
    topic_subscribers: int
    tags: int
    file_size: int
    scheduled: int
    scheduled_bytes: int
    scheduled_days: int
    items: int
    page: int


@attrs.frozen
class ServerState:
    """The server, as of now; of several nodes all together.

    - `build`: what it is.
    - `protocol`: the version of the protocol.
    - `time`: its clock.
    - `topics`: topics that are loaded.
    - `sessions`: live sessions.
    - `users`: users who have one.
    - `rooms`: rooms with somebody in them.
    - `dropped`: notices that found a full inbox, since the start.
    - `limits`: bounds.
    """

    build: str
    protocol: str
    time: datetime
    topics: int
    sessions: int
    users: int
    rooms: int
    dropped: int
    limits: ServerLimits


@attrs.frozen
class OneKey:
    """A key.

    - `id`: its public part.
    - `name`: as they were asked for.
    - `scopes`: as they were asked for.
    - `topics`: as they were asked for.
    - `tags`: as they were asked for.
    - `rate`: as they were asked for.
    - `created`: when.
    - `revoked`: when it was ended.
    - `key`: the key itself; only in the answer to its making or rotation, else empty.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    topics: tuple[str, ...]
    tags: tuple[str, ...]
    rate: int
    created: datetime
    revoked: datetime | None
    key: str = attrs.field(repr=False)


@attrs.frozen
class KeyList:
    """Keys, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneKey, ...]
    next: str

    def rows(self) -> tuple[OneKey, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class Ticket:
    """A ticket, good for one connection.

    - `ticket`: the ticket itself.
    - `url`: where to open a websocket with it: complete.
    - `user`: whose session that will be.
    - `expires`: when it is void.
    """

    ticket: str = attrs.field(repr=False)
    url: str = attrs.field(repr=False)
    user: str
    expires: datetime


def read_server() -> Call[ServerState]:
    """Read statistics, version and limits."""
    return Call("GET", "/v1/server", ServerState, repeatable=True)


def create_key(
    name: str,
    scopes: Sequence[str],
    *,
    topics: Sequence[str] = (),
    tags: Sequence[str] = (),
    rate: int = 0,
) -> Call[OneKey]:
    """Make a key. Nobody can give a key more than he has.

    - `name`: what it is called in lists.
    - `scopes`: what it may do.
    - `topics`: the only groups and rooms that it may do it with; empty: no such limit.
    - `tags`: the only users and groups are those who carry one of these; empty: no such limit.
    - `rate`: requests in a second, a second's worth at once; 0: any number.
    """
    return Call(
        "POST",
        "/v1/keys",
        OneKey,
        body={
            "name": name,
            "scopes": scopes,
            **given(("topics", topics, ()), ("tags", tags, ()), ("rate", rate, 0)),
        },
    )


def list_keys(*, after: str = "", limit: int = 50) -> Call[KeyList]:
    """List the keys.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/keys",
        KeyList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def rotate_key(id: str, *, grace: int = 86400) -> Call[OneKey]:
    """Give a key another secret; the one of until now is good for a time.

    - `grace`: seconds for which the secret of until now is good; 0: it ends at once.
    """
    return Call(
        "POST", place("/v1/keys/{id}/rotate", id=id), OneKey, body=given(("grace", grace, 86400))
    )


def revoke_key(id: str) -> Call[None]:
    """End a key."""
    return Call("DELETE", place("/v1/keys/{id}", id=id), None, repeatable=True)


def create_ticket(
    *,
    user: str | None = None,
    external_id: str | None = None,
    name: str = "",
    metadata: Any = None,
    ttl: int = 10,
    attach: bool = False,
) -> Call[Ticket]:
    """Make a ticket for a websocket that is logged in from the start.

    - `user`: the user.
    - `external_id`: the back end's own id; an account is made if there is none.
    - `name`: what others see of an account that is made.
    - `metadata`: rides in the events of the session.
    - `ttl`: seconds in which it must be used.
    - `attach`: {hi} is implied, and `me` with its inbox is attached at once.
    """
    return Call(
        "POST",
        "/v1/tickets",
        Ticket,
        body=given(
            ("user", user, None),
            ("external_id", external_id, None),
            ("name", name, ""),
            ("metadata", metadata, None),
            ("ttl", ttl, 10),
            ("attach", attach, False),
        ),
        repeatable=True,
    )
