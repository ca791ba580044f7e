"""Sending to many: each packet is encoded once per view and form, then shared.

A *view* is what tells readers of one topic apart: the name under which they know it, and
whether they read it as a channel. The table of links is changed by the topic's task only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import attrs
import msgspec

from ..access import PRES, READ
from ..core import push
from ..core.effects import Addressee, Attached
from ..core.events import Deliver
from ..core.state import Attachments, TopicState
from ..records import Message
from ..wire.codec import Form
from ..wire.server_packets import Pres
from .lines import FEW, Bundle
from .link import Link
from .outbox import bundle, number_of
from .outpost import Outposts


class View(msgspec.Struct, frozen=True):
    """How some readers see a topic, and in which form they want packets."""

    address: str
    reader: bool
    form: Form


class Group(msgspec.Struct, frozen=True):
    """Sessions that see a topic alike; never changed, another one takes its place."""

    view: View
    links: list[Link]
    bundle: Bundle | None  # where they are many

    @classmethod
    def of(cls, view: View, links: list[Link]) -> Group:
        outlets = [link.outlet for link in links] if len(links) > FEW else []
        return cls(view, links, bundle(outlets))

    def write(
        self, frame: bytes, first: int, last: int, apart: Collection[Link]
    ) -> Sequence[tuple[int, int]]:
        """Send a frame to the links `first` to `last - 1`, but for those `apart`, if that can be
        done at once. The places of all others, who are served by their outlets then, and how many
        bytes they have already.
        """
        if self.bundle is None:
            return [(place, 0) for place in range(first, min(last, len(self.links)))]
        numbers = {number_of(link.outlet) for link in apart}
        return self.bundle.write(frame, first, last, numbers)


class Bystander(msgspec.Struct, frozen=True):
    """A member who is on `me` with sessions that are not attached to the topic."""

    user: str
    address: str
    here: frozenset[str]


class Afar(msgspec.Struct, frozen=True):
    """Members whose `me` is on another node and who call the topic by the same name. That node
    knows which of their sessions are on `me`; `here` are those that are attached to the topic.
    """

    node: int
    address: str
    users: tuple[str, ...]
    here: frozenset[str]


class Readership(Protocol):
    """What tells who may read. `version` grows whenever a mode in force changes."""

    name: str
    attached: Attachments
    version: int

    def mode(self, attached: Attached) -> int: ...

    def address(self, user: str, *, reader: bool = False) -> str: ...


class FanOut:
    """The links of one topic's attached sessions, grouped for sending.

    `members` are those who hear of messages without being attached; a room has none.
    """

    def __init__(self, state: Readership, members: TopicState | None = None) -> None:
        self.links: dict[str, Link] = {}
        self._state = state
        self._members = members
        self.is_kept = members is not None  # anybody else could read the messages, or later
        self._stamp = (-1, -1)
        self._groups: list[Group] = []
        self.outposts = Outposts(state.name)
        self._bystander_stamp = (-1, -1, -1)
        self._bystanders: list[Bystander] = []
        self._afar: list[Afar] = []
        self._addressee_stamp = (-1, -1)
        self._addressees: tuple[Addressee, ...] = ()

    def groups(self) -> list[Group]:
        """Sessions that may read, by view; made anew when a mode or the table has changed."""
        state = self._state
        stamp = (state.version, state.attached.version)
        if stamp != self._stamp:
            self._stamp = stamp
            self._group()
        return self._groups

    def _group(self) -> None:
        state = self._state
        found: dict[View, list[Link]] = {}
        far: dict[tuple[int, View], dict[str, Link]] = {}
        for item in state.attached:
            link = self.links.get(item.sid)
            if link is not None and state.mode(item) & READ:
                address = state.address(item.user, reader=item.reader)
                view = View(address, item.reader, link.form)
                if link.station is None:
                    found.setdefault(view, []).append(link)
                else:
                    far.setdefault((id(link.station), view), {})[link.sid] = link
        self._groups = [Group.of(view, links) for view, links in found.items()]
        if far or self.outposts:
            self.outposts.become(far)

    def bystanders(self, on_me: OnMe) -> list[Bystander]:
        """Those with P and R who must hear of a message on `me`: members, and readers of whom
        another session is here.
        """
        self._look_around(on_me)
        return self._bystanders

    def afar(self, on_me: OnMe) -> list[Afar]:
        """Those whose `me` is on another node, and who may have to hear of a message there."""
        self._look_around(on_me)
        return self._afar

    def _look_around(self, on_me: OnMe) -> None:
        state = self._members
        if state is None:
            return
        stamp = (state.version, state.attached.version, on_me.version)
        if stamp != self._bystander_stamp:
            self._bystander_stamp = stamp
            self._bystanders = _bystanders(state, on_me)
            self._afar = _afar(state, on_me) if on_me.elsewhere else []

    def addressees(self) -> tuple[Addressee, ...]:
        """Members who are notified of a message."""
        state = self._members
        if state is None:
            return ()
        stamp = (state.version, state.attached.version)
        if stamp != self._addressee_stamp:
            self._addressee_stamp = stamp
            self._addressees = push.addressees(state)
        return self._addressees

    @property
    def channel(self) -> str:
        """The channel whose readers are notified, "" if there is none."""
        return push.channel_of(self._members) if self._members is not None else ""


def _bystanders(state: TopicState, on_me: OnMe) -> list[Bystander]:
    found = []
    for sub, reader in state.present():
        sids = on_me.sids.get(sub.user)
        if not sids or sub.mode & (READ | PRES) != READ | PRES:
            continue
        here = frozenset(sid for sid in sids if sid in state.attached.by_sid)
        if len(here) < len(sids):
            address = state.address(sub.user, reader=reader)
            found.append(Bystander(sub.user, address, here))
    return found


def _afar(state: TopicState, on_me: OnMe) -> list[Afar]:
    users: dict[tuple[int, str], list[str]] = {}
    for sub, reader in state.present():
        node = on_me.elsewhere.get(sub.user)
        if node and sub.user not in on_me.sids and sub.mode & (READ | PRES) == READ | PRES:
            place = (node, state.address(sub.user, reader=reader))
            users.setdefault(place, []).append(sub.user)
    return [
        Afar(
            node,
            address,
            tuple(them),
            frozenset(sid for it in them for sid in state.attached.of(it)),
        )
        for (node, address), them in users.items()
    ]


@attrs.define
class OnMe:
    """Which sessions are attached to whose `me`. `version` grows with every change."""

    sids: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    elsewhere: dict[str, int] = attrs.field(factory=dict)  # the node that has a user's `me`
    version: int = 0

    def has(self, user: str) -> bool:
        """Whether a session of the user is on `me`, as far as is known here."""
        return user in self.sids or user in self.elsewhere

    def needing(self, users: Iterable[str], skip: frozenset[str]) -> tuple[str, ...]:
        """Those who have a session on a `me` of this node that is none of `skip`."""
        sids = self.sids
        return tuple(it for it in users if any(sid not in skip for sid in sids.get(it, ())))

    def add(self, user: str, sid: str) -> None:
        if sid not in self.sids.get(user, ()):
            self.sids[user] = (*self.sids.get(user, ()), sid)
        self.version += 1

    def remove(self, user: str, sid: str) -> None:
        sids = self.sids.pop(user, None)
        if sids is not None:
            left = tuple(other for other in sids if other != sid)
            if left:
                self.sids[user] = left
            self.version += 1


def word_of(message: Message, to: Bystander) -> Deliver:
    """{pres msg} for somebody's sessions on `me`; `act` is missing for the author alone."""
    act = "" if message.sender == to.user else message.sender
    pres = Pres(topic="me", what="msg", src=to.address, seq=message.seq, act=act)
    return Deliver(pres, to.here)


def word_for(message: Message, them: Afar) -> Pres:
    """The same for members on another node. Who reads it drops an `act` that is himself."""
    return Pres(topic="me", what="msg", src=them.address, seq=message.seq, act=message.sender)
