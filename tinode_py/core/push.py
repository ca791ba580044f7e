"""Notifications to devices: who gets one, and what it says (protocol notes, 12.1).

A publication causes one without an effect of its own: who carries out `Publish` asks
`addressees` here, and only where notifications are sent at all. What it says is made later,
away from the topic's task (`of_message`). The rest is `Push`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .. import access, ids
from ..access import PRES, READ
from ..records import Message, Subscription
from ..wire import drafty
from ..wire.times import time_text
from .effects import Addressee, Effect, FollowChannel, Push
from .state import TopicState

NOTIFIED = READ | PRES
LONGEST_PREVIEW = 2048  # bytes


def addressees(state: TopicState) -> tuple[Addressee, ...]:
    """Members who have not muted the topic and may read it. It is silent for those who are
    here, for they have got the message.
    """
    here = {item.user for item in state.attached}
    return tuple(
        Addressee(sub.user, state.address(sub.user), sub.user in here)
        for sub in state.members()
        if sub.mode & NOTIFIED == NOTIFIED
    )


def channel_of(state: TopicState) -> str:
    """The channel on which a group's messages are told to its readers, "" if there is none."""
    topic = state.topic
    return ids.channel_of(state.name) if topic is not None and topic.channel else ""


# --- what it says ------------------------------------------------------------------------


def of_message(message: Message) -> dict[str, str]:
    """What a notification says of a message; all but `topic` and `silent`."""
    head = _head(message)
    payload = {
        "what": "msg",
        "ts": time_text(message.ts),
        "xfrom": message.sender,
        "seq": str(message.seq),
    }
    for name in ("mime", "replace", "webrtc"):
        if isinstance(value := head.get(name), str) and value:
            payload[name] = value
    if head.get("aonly") is True:
        payload["aonly"] = "true"
    content = msgspec.json.decode(message.content)
    document = drafty.read(content)
    if document is not None:
        plain = content if isinstance(content, str) else document
        payload["content"] = drafty.plain_text(plain) or ""
        preview = drafty.preview(document)
        if preview is not None and len(preview) <= LONGEST_PREVIEW:
            payload["rc"] = preview.decode()
    return payload


def is_silent(message: Message) -> bool:
    """An edit, or a call that goes on: nothing new to look at."""
    head = _head(message)
    return bool(head.get("replace")) or head.get("webrtc") not in (None, "", "started")


def _head(message: Message) -> dict[str, Any]:
    head = msgspec.json.decode(message.head) if message.head else {}
    return head if isinstance(head, dict) else {}


# --- effects -----------------------------------------------------------------------------


def read(state: TopicState, sub: Subscription, seq: int) -> Push:
    """The user's other devices may take away what they show."""
    return Push({"what": "read", "seq": str(seq)}, (_silent(state, sub),))


def _silent(state: TopicState, sub: Subscription) -> Addressee:
    return Addressee(sub.user, state.address(sub.user), True)


def access_changed(
    state: TopicState, old: Subscription | None, new: Subscription, actor: str
) -> Iterator[Effect]:
    """Somebody else made, changed or ended a user's subscription; or a channel has one reader
    more or less. Only a new one makes a noise.
    """
    if ids.is_channel(new.topic):
        yield from follow(old, new)
        return
    was = old if old and not old.deleted else None
    ended = bool(new.deleted)
    sub = was if ended else new
    if actor == new.user or sub is None or sub.mode & NOTIFIED != NOTIFIED:
        return
    payload = {
        "what": "sub",
        "xfrom": actor,
        "modeWant": access.text(0 if ended else new.want),
        "modeGiven": access.text(0 if ended else new.given),
    }
    address = state.address(new.user)
    yield Push(payload, (Addressee(new.user, address, was is not None),), at_ease=True)


def follow(old: Subscription | None, new: Subscription) -> Iterator[FollowChannel]:
    """The devices of a channel's reader follow it, as long as he has not muted it."""
    on = _follows(new)
    if on != _follows(old):
        yield FollowChannel(new.topic, new.user, on)


def _follows(sub: Subscription | None) -> bool:
    return sub is not None and not sub.deleted and sub.mode & NOTIFIED == NOTIFIED
