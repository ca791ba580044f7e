"""What every publication has in common, kept or not: its head, the answer to its author, its way
to the readers.
"""

from __future__ import annotations

import msgspec

from ..changes import AppendMessage
from ..errors import ACCEPTED
from ..records import Message
from ..wire.client_packets import Pub
from ..wire.parts import Time
from ..wire.server_packets import Ctrl
from . import heads
from .decision import Decision, Env
from .effects import Effect, Publish, Reply
from .events import Asked, Caller

OURS = ("sender", "idem")  # members of a head that do not travel as they came


def head(request: Pub, caller: Caller) -> bytes | None:
    """The head without what only the server may say; with the real sender if root acts."""
    text, actor = request.head, caller.actor
    if text is None and actor == caller.user:
        return None
    if text and actor == caller.user and len(text) > 2 and not _is_ours(text):
        return text
    found = heads.fields(text)
    for name in OURS:
        found.pop(name, None)
    if actor != caller.user:
        found["sender"] = msgspec.Raw(msgspec.json.encode(actor))
    return msgspec.json.encode(found) if found else None


def _is_ours(text: bytes) -> bool:
    return any(heads.may_hold(text, name) for name in OURS)


def message(topic: str, asked: Asked, seq: int, head: bytes | None, env: Env) -> Message:
    """What a {pub} says; `seq` 0: it has no number and is not kept."""
    request = asked.request
    assert isinstance(request, Pub)
    return Message(
        topic=topic,
        seq=seq,
        sender=asked.caller.user,
        ts=env.now,
        head=head,
        content=request.content if request.content is not None else b"null",
    )


def accepted(asked: Asked, env: Env, seq: int, ts: int = 0) -> tuple[Effect, ...]:
    """The answer to the sender, who asked for one if his packet has an id."""
    request = asked.request
    assert isinstance(request, Pub)
    if not request.id:
        return ()
    params = {"seq": seq} if seq else None
    at = Time(ts or env.now)  # a repeat is answered as the first time
    packet = Ctrl(ACCEPTED.code, ACCEPTED.text, at, request.id, asked.named, params)
    return (Reply(asked.caller.sid, packet),)


def to_readers(asked: Asked, message: Message, inboxes: tuple[str, ...] = ()) -> Publish:
    """To all who may read, but for the sender's session if it asked to be left out."""
    request = asked.request
    assert isinstance(request, Pub)
    return Publish(message, asked.caller.sid if request.noecho else "", inboxes)


def passing(topic: str, asked: Asked, env: Env, seq: int = 0) -> Decision:
    """A publication for those who are here now. What it changes, a room's last number, is the
    state's alone: without a number it changes nothing.
    """
    request = asked.request
    assert isinstance(request, Pub)
    said = message(topic, asked, seq, head(request, asked.caller), env)
    changes = (AppendMessage(said),) if seq else ()
    return Decision(changes, (*accepted(asked, env, seq), to_readers(asked, said)))
