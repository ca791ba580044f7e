"""An event as it is told: JSON, and a frame of a stream, made once for all who read it."""

from __future__ import annotations

import attrs
import msgspec

from ..records import Event
from ..wire.times import time_text

STORED = "message.stored"
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")  # in JSON text line ends stand between tokens only


@attrs.frozen
class Told:
    """An event: `data` is its JSON on one line, within `frame`, which is as it goes out."""

    id: int
    kind: str
    topic: str
    user: str
    frame: bytes
    begin: int

    @property
    def data(self) -> bytes:
        return self.frame[self.begin : -2]


def told(event: Event) -> Told:
    """The event, encoded."""
    data = event_json(event)
    head = f"id: {event.id}\nevent: {event.kind}\ndata: ".encode()
    frame = b"%s%s\n\n" % (head, data)
    return Told(event.id, event.kind, event.topic, event.user, frame, len(head))


def event_json(event: Event) -> bytes:
    """`{"id","kind","ts"}`, with `topic` and `user` if there are, and `message` or `detail`."""
    found: dict[str, object] = {"id": event.id, "kind": event.kind, "ts": time_text(event.ts)}
    if event.topic:
        found["topic"] = event.topic
    if event.user:
        found["user"] = event.user
    if event.detail is not None:
        found["detail"] = msgspec.Raw(event.detail)
    message = event.message
    if message is not None:
        head = {} if message.head is None else {"head": msgspec.Raw(message.head)}
        content = msgspec.Raw(message.content)
        found["message"] = {"seq": message.seq, **head, "content": content}
    return msgspec.json.encode(found).translate(_ONE_LINE)
