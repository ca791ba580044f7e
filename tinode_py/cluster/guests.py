"""Sessions of another node in topics of this one.

To a topic each of them is a link like any other; what the topic sends goes to the other node:
single packets under the session's name, messages once for all readers of a view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import attrs

from ..core.decision import ctrl
from ..core.events import Asked, Event, Gone, NewLogin, PublishIs
from ..errors import UNAVAILABLE
from ..live.hub import Hub
from ..live.inbox import Inbox
from ..live.link import Link
from ..live.outbox import NoConnection
from ..live.placement import mark_of
from ..live.rules import Item
from . import protocol
from .protocol import Message

UNDER_WAY = 10_000  # topics of which something may be under way that is to be given back


@attrs.define(eq=False)
class Guests:
    """The sessions of one node, by topic; for topics, that node is a `Station`."""

    hub: Hub
    send: Callable[[Message], bool]
    is_elsewhere: Callable[[str], bool] = lambda topic: False
    links: dict[str, dict[str, GuestLink]] = attrs.field(factory=dict)  # attached, by topic
    is_lost: bool = False  # the other node is out of reach
    _asked: Counter[str] = attrs.field(factory=Counter)  # requests by topic
    _over: dict[str, int] = attrs.field(factory=dict)  # the last turn that is over, by topic

    # --- what comes ----------------------------------------------------------------------

    def submit(self, message: protocol.Submit) -> None:
        """An item for a topic that the other node believes to be here."""
        inbox = self.hub.inbox_of(message.topic)
        key = mark_of(message.event)
        if inbox is None or (message.sid and self._is_over(message)):
            if key is None:
                self.bounce(message.topic, message.sid, message.event, message.turn)
            return
        if key is not None:
            inbox.mark(key, Item(message.event))
            return
        self._asked[message.topic] += 1
        if not message.sid:
            self.hub.submit(message.topic, Item(message.event))
            return
        link = self.links.get(message.topic, {}).get(message.sid)
        if link is None:
            link = GuestLink(message.topic, message.sid, self)
            link.form = message.form
        link.arrive(self.hub, message)

    def _is_over(self, message: protocol.Submit) -> bool:
        topic, turn = message.topic, message.turn
        return turn <= self._over.get(topic, -1) or self.is_elsewhere(topic)

    def bounce(self, topic: str, sid: str, event: Event, turn: int) -> None:
        """Give back what was not done: the topic is not here. What the other node has sent after
        it, not knowing that, is given back as well, so that nothing overtakes it.
        """
        self._end_turn(topic, turn)
        self.send(protocol.Bounced(topic, sid, event))

    def _end_turn(self, topic: str, turn: int) -> None:
        self._over[topic] = max(turn, self._over.pop(topic, 0))
        if len(self._over) > UNDER_WAY:
            del self._over[next(iter(self._over))]

    def release(self, topic: str) -> None:
        """The topic is here no longer: whoever is attached has to return to it elsewhere."""
        links = self.links.pop(topic, None)
        if links is not None:
            self._end_turn(topic, max((link.turn for link in links.values()), default=0))
            self.send(protocol.Moved(topic))

    def lost(self) -> None:
        """The other node is out of reach: its sessions are gone from here. Those whose {sub} still
        waits will be as soon as they are attached.
        """
        self.is_lost = True
        for links in list(self.links.values()):
            for link in links.values():
                link.ended = True
                for inbox in link.attached.values():
                    inbox.mark(("gone", link.sid), Item(Gone(link.sid)))
        self.links.clear()

    def take_asked(self) -> Counter[str]:
        """What was asked since this was called last, by topic."""
        asked, self._asked = self._asked, Counter()
        return asked

    # --- as a station --------------------------------------------------------------------

    def readers(self, topic: str, group: int, came: Collection[str], went: Collection[str]) -> None:
        self.send(protocol.Group(topic, group, tuple(came), tuple(went)))

    def fan(self, topic: str, group: int, frames: bytes, seq: int, but: Collection[str]) -> None:
        self.send(protocol.Fan(topic, group, frames, seq, tuple(but)))

    def frames(self, topic: str, sids: Collection[str], frames: bytes, seq: int | None) -> None:
        self.send(protocol.Frames(topic, tuple(sids), frames, seq))

    def shows(self, topic: str, contact: str, *, online: bool) -> None:
        self.send(protocol.Shown(topic, contact, online))


class _Way(NoConnection):
    """The outlet of a session on another node."""

    def __init__(self, link: GuestLink) -> None:
        self._link = link

    def push(self, frame: bytes) -> None:
        link = self._link
        link.guests.frames(link.topic, (link.sid,), frame, None)

    def finish(self, code: int = 1000, reason: str = "") -> None:
        link = self._link
        link.guests.send(protocol.Ended(link.topic, link.sid, reason))


class GuestLink(Link):
    """A session of another node in one topic of this one."""

    __slots__ = ("_arriving", "guests", "place", "station", "topic", "turn")

    def __init__(self, topic: str, sid: str, guests: Guests) -> None:
        super().__init__(sid, _Way(self))
        self.topic = topic
        self.station = self.guests = guests
        self.place = None
        self.turn = 0  # of its last request
        self._arriving = False

    def arrive(self, hub: Hub, message: protocol.Submit) -> None:
        """Take a request, which is counted as unanswered on the other node already."""
        self._arriving, self.turn = True, message.turn
        taken = hub.submit(self.topic, Item(message.event, self))
        self._arriving = False
        if not taken:
            self._refuse(hub, message.event)
            self.guests.send(protocol.Answered(self.topic, self.sid))

    def bounce(self, event: Event) -> None:
        """Give back a request that was not decided: the topic is on another node now."""
        super().answered()  # as far as this node goes
        self.guests.bounce(self.topic, self.sid, event, self.turn)

    def _refuse(self, hub: Hub, event: Event) -> None:
        asked = event.asked if isinstance(event, NewLogin | PublishIs) else event
        if isinstance(asked, Asked) and not asked.quiet:
            self.send(ctrl(hub.env(), UNAVAILABLE, asked))

    def attach(
        self, topic: str, inbox: Inbox[Any], seq: int = 0, shown: tuple[str, ...] = ()
    ) -> None:
        super().attach(topic, inbox, seq, shown)
        if self.guests.is_lost:
            self.ended = True
            return
        self.guests.links.setdefault(topic, {})[self.sid] = self
        self.guests.send(protocol.Joined(topic, self.sid, seq, shown))

    def detach(self, topic: str) -> None:
        super().detach(topic)
        links = self.guests.links.get(topic, {})
        links.pop(self.sid, None)
        if not links:
            self.guests.links.pop(topic, None)
        self.guests.send(protocol.Left(topic, self.sid))

    def follows(self, n: int | None) -> None:
        """How far it has the inbox is told with the items themselves: a link that breaks in
        between would leave a gap, or bring something twice.
        """
        self.place = n
        if n is None:
            self.guests.send(protocol.Following(self.topic, self.sid))

    def asked(self) -> None:
        super().asked()
        if not self._arriving:
            self.guests.send(protocol.Asking(self.topic, self.sid))

    def answered(self) -> None:
        super().answered()
        if not self._arriving:
            self.guests.send(protocol.Answered(self.topic, self.sid))
