"""Notifications posted to a service of one's own, signed (docs/push.md).

A batch that is tried again carries the same delivery number: the service can tell that it has
seen it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import attrs
import msgspec

from ..outbound.client import Client
from ..wire.signature import HEADER, signature
from .base import Notification
from .post import post
from .shape import shown


class _Answer(msgspec.Struct):
    gone: list[str] = []


@attrs.frozen
class Webhook:
    """Posts `{"notifications": [...]}`. `now` is in milliseconds."""

    client: Client
    url: str
    secret: str
    now: Callable[[], int]
    name: str = "webhook"
    devices_only: bool = False

    async def push(self, batch: Sequence[Notification]) -> Sequence[str]:
        """An answer `{"gone": ["device", ...]}` names devices that are no more."""
        body = msgspec.json.encode({"notifications": [shown(item) for item in batch]})
        headers = {
            "content-type": "application/json",
            "x-tinode-delivery": hashlib.sha256(body).hexdigest()[:32],
        }
        if self.secret:
            headers[HEADER] = signature(self.secret, self.now() // 1000, body)
        answer = await post(self.client, self.url, body, headers)
        try:
            return msgspec.json.decode(answer, type=_Answer).gone
        except msgspec.DecodeError:
            return ()  # any other answer is as good as none
