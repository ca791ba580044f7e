"""Requests and answers about the server, keys and tickets."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from ...auth.keys import Scope
from .operation import OPEN, Operation
from .types import NULL, ExternalId, GroupOrRoom, Json, Moment, Page, Short, Tags, UserId


@attrs.frozen
class NewKey:
    """A key to be made.

    - `name`: what it is called in lists.
    - `scopes`: what it may do.
    - `topics`: the only groups and rooms that it may do it with; empty: no such limit.
    - `tags`: the only users and groups are those who carry one of these; empty: no such limit.
    - `rate`: requests in a second, a second's worth at once; 0: any number.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=32)]
    topics: Annotated[tuple[GroupOrRoom, ...], msgspec.Meta(max_length=100)] = ()
    tags: Tags = ()
    rate: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


@attrs.frozen
class Rotation:
    """Another secret for a key.

    - `grace`: seconds for which the secret of until now is good; 0: it ends at once.
    """

    grace: Annotated[int, msgspec.Meta(ge=0, le=2_592_000)] = 86_400


@attrs.frozen
class OneKey:
    """A key.

    - `id`: its public part.
    - `name`, `scopes`, `topics`, `tags`, `rate`: as they were asked for.
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
    created: Moment
    revoked: Moment | None
    key: str = attrs.field(repr=False)


@attrs.frozen
class KeyList:
    """Keys, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneKey, ...]
    next: str


@attrs.frozen
class NewTicket:
    """A ticket to be made: for one user, by `user` or by `external_id`.

    - `user`: the user.
    - `external_id`: the back end's own id; an account is made if there is none.
    - `name`: what others see of an account that is made.
    - `metadata`: rides in the events of the session.
    - `ttl`: seconds in which it must be used.
    - `attach`: {hi} is implied, and `me` with its inbox is attached at once.
    """

    user: UserId | None = None
    external_id: ExternalId | None = None
    name: Short = ""
    metadata: Json = NULL
    ttl: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10
    attach: bool = False


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
    expires: Moment


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
    time: Moment
    topics: int
    sessions: int
    users: int
    rooms: int
    dropped: int
    limits: ServerLimits


OPERATIONS = (
    Operation("readContract", "GET", "/v1/openapi.json", OPEN, "Read this description."),
    Operation(
        "readServer", "GET", "/v1/server", "server:read",
        "Read statistics, version and limits.", answer=ServerState,
    ),
    Operation(
        "createKey", "POST", "/v1/keys", "keys:write",
        "Make a key. Nobody can give a key more than he has.",
        body=NewKey, answer=OneKey, status=201,
    ),
    Operation(
        "listKeys", "GET", "/v1/keys", "keys:write",
        "List the keys.", query=Page, answer=KeyList,
    ),
    Operation(
        "rotateKey", "POST", "/v1/keys/{id}/rotate", "keys:write",
        "Give a key another secret; the one of until now is good for a time.",
        body=Rotation, answer=OneKey,
    ),
    Operation("revokeKey", "DELETE", "/v1/keys/{id}", "keys:write", "End a key.", status=204),
    Operation(
        "createTicket", "POST", "/v1/tickets", "tickets:write",
        "Make a ticket for a websocket that is logged in from the start.",
        body=NewTicket, answer=Ticket, status=201,
    ),
)  # fmt: skip
