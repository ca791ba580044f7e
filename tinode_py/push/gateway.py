"""Notifications through the Tinode push gateway, which reaches the official mobile clients.

What is posted are messages of Firebase Cloud Messaging (HTTP v1), compressed: to `pushv1/<org>`
a list of them, to `sub/<org>` the devices that follow a channel or no longer do. The answer
tells of each message, in order, whether it went out; a device that is not registered any more
is named to the caller.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import attrs
import msgspec

from ..outbound.client import Client
from .base import Follow, Notification, Push, PushError, Recipient
from .post import post

log = logging.getLogger(__name__)

BATCH = 100  # messages in one request
DEVICES = 1000  # devices in one request
LARGEST = 3500  # bytes of a message's data; what the gateway passes on takes 4 KB

_TITLES = {"msg": "New message", "sub": "New chat"}
_UNREGISTERED = frozenset({"unregistered", "registration-token-not-registered"})


class _One(msgspec.Struct):
    errcode: str | int = ""
    errmsg: str = ""


class _Answer(msgspec.Struct):
    resp: list[_One | None] | None = None
    errcode: str | int = ""
    errmsg: str = ""


@attrs.frozen
class Gateway:
    """A pusher for one organisation that is registered at the gateway."""

    client: Client
    url: str
    org: str
    token: str
    name: str = "gateway"
    devices_only: bool = True

    async def push(self, batch: Sequence[Notification]) -> Sequence[str]:
        """In as many requests as it takes; one that fails ends it."""
        gone: list[str] = []
        for follows, items in groupby(batch, key=lambda item: isinstance(item, Follow)):
            if follows:
                await self._follow([item for item in items if isinstance(item, Follow)])
            else:
                messages = [m for item in items if isinstance(item, Push) for m in _messages(item)]
                for at in range(0, len(messages), BATCH):
                    gone += await self._send(messages[at : at + BATCH])
        return gone

    async def _send(self, messages: Sequence[dict[str, Any]]) -> Sequence[str]:
        answer = await self._post("pushv1", messages)
        gone = []
        for message, one in zip(messages, answer.resp or (), strict=False):
            code = str(one.errcode).lower() if one else ""
            if code in _UNREGISTERED and "token" in message:
                gone.append(message["token"])
            elif one is not None and code not in ("", "0", "200"):
                log.info("gateway: a message was refused: %s %s", one.errcode, one.errmsg)
        return gone

    async def _follow(self, follows: Sequence[Follow]) -> None:
        for item in follows:
            for at in range(0, len(item.devices), DEVICES):
                devices = item.devices[at : at + DEVICES]
                request = {"channel": item.channel, "devices": devices, "unsub": not item.on}
                await self._post("sub", request)

    async def _post(self, where: str, value: Any) -> _Answer:
        body = gzip.compress(msgspec.json.encode(value), compresslevel=6, mtime=0)
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json; charset=utf-8",
            "content-encoding": "gzip",
        }
        url = f"{self.url.rstrip('/')}/{where}/{self.org}"
        found = await post(self.client, url, body, headers)
        try:
            answer = msgspec.json.decode(found or b"{}", type=_Answer)
        except msgspec.DecodeError as error:
            raise PushError(f"an answer that cannot be read: {error}", again=False) from error
        if answer.errcode not in ("", 0, 200) and not answer.resp:
            raise PushError(f"{answer.errcode} {answer.errmsg}", again=False)
        return answer


def _messages(push: Push) -> Iterator[dict[str, Any]]:
    """One message for each device, and one for the channel."""
    for recipient in push.to:
        data = _fitting(push.payload_for(recipient))
        for device in recipient.devices:
            yield {"token": device.id, **_envelope(data, recipient.silent, recipient)}
    if push.channel:
        data = _fitting(push.payload_for_channel())
        yield {"topic": push.channel, **_envelope(data, push.silent, None)}


def _fitting(data: dict[str, str]) -> dict[str, str]:
    """Without the styled form of the content where that would be too much."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    if size > LARGEST:
        data.pop("rc", None)
    return data


def _envelope(data: dict[str, str], silent: bool, to: Recipient | None) -> dict[str, Any]:
    """The data, and how the two kinds of phones are to treat it.

    The clients for Android make the notification themselves. Apple's system shows it, and lets
    the client change what is shown.
    """
    aps: dict[str, Any] = {"content-available": 1}
    if to is not None:
        aps["badge"] = to.unread
    if not silent:
        aps["alert"] = {"title": _TITLES.get(data["what"], ""), "body": data.get("content", "")}
        aps["sound"] = "default"
        aps["mutable-content"] = 1
        aps["thread-id"] = data["topic"]
    kind, priority = ("background", "5") if silent else ("alert", "10")
    headers = {
        "apns-push-type": kind,
        "apns-priority": priority,
        "apns-collapse-id": data["topic"],  # the latest of a conversation is enough
    }
    return {
        "data": data,
        "android": {"priority": "NORMAL" if silent else "HIGH"},
        "apns": {"headers": headers, "payload": {"aps": aps}},
    }
