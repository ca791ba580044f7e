"""What nodes say to each other, and its bytes.

A message is one CBOR item (`shapes` says how it is spelled); on a link the number of its bytes
stands before it (`link`). Messages carry events of the core with the requests of clients in
them, and frames that are finished for the sockets of clients.

Two versions understand each other while a cluster is upgraded node by node, since unknown fields
are dropped and missing ones have their defaults. An unknown class is a `BadMessage`, which costs
the link: a class that is newer than `OLDEST` is listed in `SINCE`, and is not sent to a node of an
older version. Whoever sends one must do without it there.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import msgspec

from .. import audit, records
from ..access import Level
from ..core import effects, events
from ..core.effects import EndSessions
from ..core.events import Deliver, Event
from ..live.everywhere import LiveSession
from ..wire import client_packets, client_parts, parts, server_packets, server_parts
from ..wire.codec import Form
from ..wire.server_packets import Pres
from .items import BadMessage
from .shapes import Shapes

__all__ = ["BadMessage", "Message", "pack", "unpack"]  # and the classes of messages


class Submit(msgspec.Struct, frozen=True):
    """An item for a topic that the receiver has.

    `sid`: the session that asked, if one did, and the `form` in which it wants its answers. `turn`
    grows each time the sender turns to the receiver anew for the topic: if anything of one turn
    was bounced, all that follows of it is.
    """

    topic: str
    event: Event
    sid: str = ""
    form: Form = Form.JSON_FRAME
    turn: int = 0


class Told(msgspec.Struct, frozen=True):
    """A notice to a topic, if the receiver has it loaded."""

    topic: str
    event: Event


class ToldUsers(msgspec.Struct, frozen=True):
    """A packet for the sessions of users whose `me` the receiver has loaded."""

    users: tuple[str, ...]
    event: Deliver


class Audience(msgspec.Struct, frozen=True):
    """Users whose `me` the receiver has loaded, meant by `no` from now on; none: by that number
    nobody is meant any more. `skip`: their sessions that need no `Word`.
    """

    no: int
    users: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()


class Word(msgspec.Struct, frozen=True):
    """A packet for the sessions of an audience. Nobody is told of himself as `act`."""

    no: int
    packet: Pres


class Bounced(msgspec.Struct, frozen=True):
    """Back to the sender of a `Submit`: the topic is not the receiver's."""

    topic: str
    sid: str
    event: Event


class Moved(msgspec.Struct, frozen=True):
    """The sender has let go of the topic, and has done what it will do of what it was asked for it:
    the rest is, or will be, `Bounced`. The topic is to be placed again.
    """

    topic: str


class Given(msgspec.Struct, frozen=True):
    """The store has it that the topic is the receiver's."""

    topic: str


class Busy(msgspec.Struct, frozen=True):
    """How much of a core the sender uses."""

    percent: int


class Frames(msgspec.Struct, frozen=True):
    """Finished frames for some sessions of the receiver.

    `seq`: the highest number of a message of the topic in them, None if there is none; on `me`:
    how far the sessions have the inbox with these, None if they do not follow it.
    """

    topic: str
    sids: tuple[str, ...]
    frames: bytes
    seq: int | None = None


class Group(msgspec.Struct, frozen=True):
    """Which sessions of the receiver have come to a group of readers of one view, and gone."""

    topic: str
    group: int
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()


class Fan(msgspec.Struct, frozen=True):
    """Finished frames for a group of readers, except the sessions in `but`; `seq` as above."""

    topic: str
    group: int
    frames: bytes
    seq: int = 0
    but: tuple[str, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """One request of the session is unanswered no longer."""

    topic: str
    sid: str


class Asking(msgspec.Struct, frozen=True):
    """One more request of the session is unanswered."""

    topic: str
    sid: str


class Joined(msgspec.Struct, frozen=True):
    """The session is in the topic's table; it knows messages up to `seq`. `shown`: on `me`, the
    contacts that the sessions there take for online.
    """

    topic: str
    sid: str
    seq: int = 0
    shown: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """On `me`: the sessions there are told that a contact is online, or no longer."""

    topic: str
    contact: str
    online: bool


class Left(msgspec.Struct, frozen=True):
    """The session is in the topic's table no longer."""

    topic: str
    sid: str


class Following(msgspec.Struct, frozen=True):
    """The session follows its inbox no longer. That it does, `Frames` say."""

    topic: str
    sid: str


class Ended(msgspec.Struct, frozen=True):
    """The session is to be ended: it cannot be in the topic as it was, and is to come back."""

    topic: str
    sid: str
    reason: str = ""


class Loaded(msgspec.Struct, frozen=True):
    """Topics that the sender has loaded."""

    topics: tuple[str, ...]


class Unloaded(msgspec.Struct, frozen=True):
    """Topics that the sender has loaded no longer."""

    topics: tuple[str, ...]


class Went(msgspec.Struct, frozen=True):
    """Users and groups that are online, or no longer, as far as the sender's topics say."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


class Users(msgspec.Struct, frozen=True):
    """Users that have a session on the sender, or no longer."""

    came: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class End(msgspec.Struct, frozen=True):
    """Sessions of a user are to be ended wherever they are."""

    effect: EndSessions


class News(msgspec.Struct, frozen=True):
    """Something was committed: whoever reads the log may look."""


class Reread(msgspec.Struct, frozen=True):
    """Settings that are made at run time have changed."""


class Call(msgspec.Struct, frozen=True):
    """A question to the receiver; `no` comes back with the answer.

    `arguments` hold plain values, and records, events or packets.
    """

    no: int
    name: str
    arguments: dict[str, Any]


class Result(msgspec.Struct, frozen=True):
    """The answer to a `Call`: as `Call.arguments`."""

    no: int
    value: Any = None


class Fault(msgspec.Struct, frozen=True):
    """A `Call` that was refused, with an answer of the table in `errors`."""

    no: int
    code: int
    text: str


Message = (
    Submit
    | Told
    | ToldUsers
    | Audience
    | Word
    | Bounced
    | Moved
    | Given
    | Busy
    | Frames
    | Group
    | Fan
    | Answered
    | Asking
    | Joined
    | Shown
    | Left
    | Following
    | Ended
    | Loaded
    | Unloaded
    | Went
    | Users
    | End
    | News
    | Reread
    | Call
    | Result
    | Fault
)
VERSION = 1  # of all this
OLDEST = 1  # the oldest version with which a link can be had
SINCE: dict[type, int] = {}  # classes of messages, and of events in them, that came later
MESSAGES: frozenset[type] = frozenset(Message.__args__)


def _classes(*modules: ModuleType) -> dict[str, type]:
    """The classes of modules by their names, and those of their packages."""
    return {
        f"{module.__name__.split('.')[1]}.{name}": cls
        for module in modules
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__
    }


KNOWN: dict[str, type] = {
    **{cls.__name__: cls for cls in MESSAGES},
    **_classes(records, events, effects),
    **_classes(parts, client_parts, client_packets, server_parts, server_packets),
    "audit.Actor": audit.Actor,
    "access.Level": Level,
    "live.LiveSession": LiveSession,
    "wire.Form": Form,
}
_SHAPES = Shapes(KNOWN)


def is_known(message: Any, version: int) -> bool:
    """Whether a node of a version knows a message."""
    event = getattr(message, "event", None)
    return max(SINCE.get(type(message), 0), SINCE.get(type(event), 0)) <= version


def pack(message: Message) -> bytes:
    """The message as one CBOR item. BadMessage if it has more than 64 MB."""
    return _SHAPES.pack(message)


def unpack(data: bytes) -> Message:
    """The message that `data` is; BadMessage if it is none.

    Takes time and memory linear in the length of `data`.
    """
    message: Message = _SHAPES.unpack(data, MESSAGES)
    return message
