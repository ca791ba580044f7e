"""What a topic and a session share: a way to send, and the account of what is unanswered.

Topics hold links by session id; a session holds inboxes by topic name, in its own link.
Neither holds the other.
"""

from __future__ import annotations

from typing import Any

import trio

from ..wire.codec import Form, encode
from ..wire.server_packets import ServerPacket
from .inbox import Inbox
from .outbox import Outlet
from .outpost import Station


class Link:
    """One session as topics see it."""

    station: Station | None = None  # the other node that it is on
    topic = ""  # on another node: the one topic that this link is for
    place: int | None = None  # on another node: how far it has the inbox with what is sent next

    __slots__ = (
        *("_waiter", "attached", "ended", "form", "number", "outlet", "platform"),
        *("metadata", "sid", "unanswered", "user_agent"),
    )

    def __init__(self, sid: str, outlet: Outlet) -> None:
        self.sid = sid
        self.outlet = outlet
        self.form = Form.JSON_FRAME
        self.attached: dict[str, Inbox[Any]] = {}
        self.unanswered = 0
        self.ended = False
        self.number = 0  # of the login
        self.platform = ""
        self.user_agent = ""
        self.metadata: bytes | None = None  # JSON that a back end gave it, for the log of events
        self._waiter: trio.Event | None = None

    def send(self, packet: ServerPacket) -> None:
        """Send one packet after those before it; never blocks, dropped after the end."""
        self.outlet.push(encode(packet, self.form))

    def end(self, packet: ServerPacket, code: int) -> None:
        """Send a last packet, then close the connection with `code`."""
        self.send(packet)
        self.outlet.finish(code)

    def attach(
        self, topic: str, inbox: Inbox[Any], seq: int = 0, shown: tuple[str, ...] = ()
    ) -> None:
        """The session is in a topic's table; `seq` is the number of its last message. `shown`: on
        `me`, the contacts that its sessions take for online.
        """
        self.attached[topic] = inbox

    def detach(self, topic: str) -> None:
        """The session is in a topic's table no longer."""
        self.attached.pop(topic, None)

    def follows(self, n: int | None) -> None:
        """On `me`: the session has the inbox up to `n`; None: it does not follow it."""

    def asked(self) -> None:
        """A request has gone to a topic."""
        self.unanswered += 1

    def answered(self) -> None:
        """A topic is done with a request, whether it was answered or not."""
        self.unanswered -= 1
        if self._waiter is not None:
            self._waiter.set()
            self._waiter = None

    async def wait_unanswered(self, most: int) -> None:
        """Wait until at most so many requests are unanswered."""
        while self.unanswered > most:
            if self._waiter is None:
                self._waiter = trio.Event()
            await self._waiter.wait()
