"""Push notifications as the rest of the server sees them: what is told, to whom, by what.

A `Pusher` hands notifications to a service that reaches devices. It may wait and it may fail;
a `Lane` stands between it and the server, so that no topic ever waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from ..records import Device


@attrs.frozen
class Recipient:
    """One user, the topic as he calls it, and where he can be reached.

    `silent`: to be taken note of, not to be shown. `unread` is for the badge: messages that he
    has not read, in all topics.
    """

    user: str
    topic: str
    silent: bool
    unread: int = 0
    devices: tuple[Device, ...] = ()


@attrs.frozen
class Push:
    """One notification. `payload` is what all recipients are told, as texts.

    `channel` (`chn…`): it also concerns everybody who follows that channel; `silent` is for
    them, recipients have their own.
    """

    payload: Mapping[str, str]
    to: tuple[Recipient, ...]
    channel: str = ""
    silent: bool = False

    def payload_for(self, recipient: Recipient) -> dict[str, str]:
        """What one recipient's devices get."""
        return _addressed(self.payload, recipient.topic, recipient.silent)

    def payload_for_channel(self) -> dict[str, str]:
        """What readers of the channel get: they are not told who wrote it."""
        payload = _addressed(self.payload, self.channel, self.silent)
        payload.pop("xfrom", None)
        return payload


def _addressed(payload: Mapping[str, str], topic: str, silent: bool) -> dict[str, str]:
    return {**payload, "topic": topic, "silent": "true" if silent else "false"}


@attrs.frozen
class Follow:
    """Devices are to get what is pushed to a channel from now on (`on`), or no longer."""

    channel: str
    devices: tuple[str, ...]
    on: bool


Notification = Push | Follow


class PushError(Exception):
    """The service did not take the notifications; `again`: it may take them later."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Pusher(Protocol):
    """A way to devices."""

    @property
    def name(self) -> str:
        """For logs and counters."""

    @property
    def devices_only(self) -> bool:
        """Whether recipients without a known device are of no use to it."""

    async def push(self, batch: Sequence[Notification]) -> Sequence[str]:
        """Hand over some notifications, in order; the answer names devices that are no more.

        Raises PushError if the batch was not taken; it may be handed over again then, and some
        of it may arrive twice.
        """
