"""Notifications as JSON objects, as our own services get them (docs/push.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from .base import Follow, Notification, Recipient


def shown(notification: Notification) -> dict[str, Any]:
    """One notification as an object."""
    if isinstance(notification, Follow):
        return {
            "kind": "follow",
            "channel": notification.channel,
            "devices": list(notification.devices),
            "on": notification.on,
        }
    found: dict[str, Any] = {
        "kind": "push",
        "payload": dict(notification.payload),
        "to": [_recipient(recipient) for recipient in notification.to],
    }
    if notification.channel:
        found["channel"] = notification.channel
        found["silent"] = notification.silent
    return found


def as_json(notification: Notification) -> bytes:
    return msgspec.json.encode(shown(notification))


def _recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "user": recipient.user,
        "topic": recipient.topic,
        "silent": recipient.silent,
        "unread": recipient.unread,
        "devices": [
            {"id": device.id, "platform": device.platform, "lang": device.language}
            for device in recipient.devices
        ],
    }
