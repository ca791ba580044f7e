"""Events of the server's log, as classes (docs/events.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import attrs
import msgspec

from ..web.v1.members import built, struct_of
from .errors import Nonsense

AT = "stream.at"


@attrs.frozen
class StoredMessage:
    """The message of `message.stored`.

    - `seq`: its number in its topic.
    - `head`: its head, empty if it has none.
    - `content`: what it says.
    """

    seq: int
    head: Mapping[str, Any] = attrs.field(factory=dict)
    content: Any = None


@attrs.frozen
class Event:
    """Something that happened.

    - `id`: rises in the order in which things happened.
    - `kind`: `message.stored`, `user.online` and so on; `stream.gap` says that events were purged
      before they were read: `after` and `first` in `detail` are where you were and what is left.
    - `ts`: when; None for `stream.gap`.
    - `topic`, `user`: where and who, empty if nowhere or nobody.
    - `detail`: what else there is to say, by kind.
    - `message`: of `message.stored`.
    """

    id: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    kind: str
    ts: datetime | None = None
    topic: str = ""
    user: str = ""
    detail: Mapping[str, Any] = attrs.field(factory=dict)
    message: StoredMessage | None = None


@attrs.frozen
class Delivery:
    """What a webhook is posted.

    - `hook`: the webhook's number.
    - `events`: in order.
    - `test`: whether somebody only tries it out; then there are none.
    """

    hook: int
    events: tuple[Event, ...]
    test: bool = False


def event_of(data: str | bytes) -> Event:
    """An event's JSON, read. Nonsense if it is none."""
    event: Event = _read(data, Event, "event")
    return event


def delivery_of(body: bytes) -> Delivery:
    """A request's body, read. Nonsense if it is none."""
    delivery: Delivery = _read(body, Delivery, "delivery")
    return delivery


def _read(data: str | bytes, cls: type[Any], name: str) -> Any:
    try:
        return built(msgspec.json.decode(data, type=struct_of(cls, lenient=True)), cls)
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"no {name}: {error}") from None
