"""Sending to many: each packet is encoded once per view and form, then shared.

A *view* is what tells readers of one topic apart: the name under which they know it, and
whether they read it as a channel. The table of links is changed by the topic's task only.

`Emission` gathers what one batch sends, so that a reader gets it in one write: readers to
whom the same messages go share the very bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs
import msgspec
import trio

from ..access import PRES, READ
from ..core import push
from ..core.effects import Addressee, Attached, Page, Tell
from ..core.events import Deliver
from ..core.meta import to_data
from ..core.state import Attachments, TopicState
from ..records import Message
from ..wire.codec import Form, encode, encode_each, encode_page
from ..wire.server_packets import Info, Pres, ServerPacket
from .link import Link
from .outpost import Frames, Outpost, Outposts, Own, Station

TURN = 200  # readers served before others get their turn
PIECE = 262_144  # bytes after which a batch writes what it has, and others get their turn
PARTS = 50_000  # the same, in packets for single sessions


class View(msgspec.Struct, frozen=True):
    """How some readers see a topic, and in which form they want packets."""

    address: str
    reader: bool
    form: Form


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
        self._groups: list[tuple[View, list[Link]]] = []
        self.outposts = Outposts(state.name)
        self._bystander_stamp = (-1, -1, -1)
        self._bystanders: list[Bystander] = []
        self._afar: list[Afar] = []
        self._addressee_stamp = (-1, -1)
        self._addressees: tuple[Addressee, ...] = ()

    def groups(self) -> list[tuple[View, list[Link]]]:
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
        self._groups = list(found.items())
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


class Addressed(Protocol):
    """A topic that knows its sessions, and what each calls it."""

    attached: Attachments

    def address(self, user: str, *, reader: bool = False) -> str: ...


class Emission:
    """What one batch sends, in order, until `flush`. Large ones are to be flushed in between
    (`is_large`), so that no batch keeps the loop for long.
    """

    def __init__(self, fanout: FanOut | None) -> None:
        self._fanout = fanout
        self._messages: list[tuple[int, Message, str]] = []
        self._own: dict[Link, list[tuple[int, bytes]]] = {}
        self._at = 0
        self._size = 0
        self._parts = 0
        self._told: set[Tell] = set()
        self.is_large = False
        self.delivered = 0  # messages to sessions

    def is_repeated(self, mark: Tell) -> bool:
        """Whether this batch has left this very mark already."""
        if mark in self._told:
            return True
        self._told.add(mark)
        return False

    def _grow(self, size: int, parts: int = 0) -> None:
        self._at += 1
        self._size += size
        self._parts += parts
        self.is_large = self._size > PIECE or self._parts > PARTS

    def send(self, link: Link, packet: ServerPacket) -> None:
        """One packet to one session."""
        self._put(link, encode(packet, link.form))

    def page(self, link: Link, page: Page) -> None:
        """Stored messages to one session."""
        if link.form is Form.JSON_FRAME:
            self._put(link, encode_page(page.messages, page.address, reader=page.reader))
        else:
            frames = _frames(page.messages, page.address, link.form, reader=page.reader)
            self._put(link, b"".join(frames))

    def _put(self, link: Link, frames: bytes) -> None:
        self._grow(len(frames))
        self._own.setdefault(link, []).append((self._at, frames))

    def broadcast(self, state: Addressed, packet: Pres | Info, links: list[Link]) -> None:
        """One packet to some attached sessions, each under the name he knows the topic by."""
        self._grow(0, len(links))
        size = 0
        frames: dict[tuple[str, Form], bytes] = {}
        for link in links:
            item = state.attached.get(link.sid)
            if item is None:
                continue
            address = state.address(item.user, reader=item.reader)
            frame = frames.get((address, link.form))
            if frame is None:
                named = packet if packet.topic == address else attrs.evolve(packet, topic=address)
                frame = encode(named, link.form)
                frames[address, link.form] = frame
                size += len(frame)
            self._own.setdefault(link, []).append((self._at, frame))
        self._grow(size)

    def publish(self, message: Message, skip: str) -> None:
        """One message to all who may read, except the session `skip`."""
        self._grow(len(message.content))
        self._messages.append((self._at, message, skip))

    async def flush(self) -> None:
        """Write all of it. Lets others run where it is much, or there are many readers."""
        messages, own, large = self._messages, self._own, self.is_large
        self._messages, self._own, self._size, self._parts = [], {}, 0, 0
        self._told.clear()  # who has heard may have looked meanwhile
        self.is_large = False
        seq = 0
        fans: list[tuple[Outpost, Frames, list[str]]] = []
        if messages and self._fanout is not None:
            seq = max(message.seq for _, message, _ in messages)
            skips = {skip for _, _, skip in messages}
            for view, links in self._fanout.groups():
                wanted = messages
                if len(links) == 1 and links[0].sid in skips:  # an author, who wants no echo
                    wanted = [it for it in messages if it[2] != links[0].sid]
                if wanted:
                    frames = _framed(wanted, view)
                    self.delivered += await _send_group(frames, links, own, skips)
            for outpost in self._fanout.outposts:
                frames = _framed(messages, outpost.view)
                fans.append((outpost, frames, outpost.set_apart(frames, own, skips)))
        far: dict[tuple[Station, str, bytes, int | None], list[str]] = {}
        for i, (link, parts) in enumerate(own.items(), 1):
            if link.station is None:
                link.outlet.push(_joined(parts))
            else:
                upto = seq or None if link.place is None else link.place
                same = (link.station, link.topic, _joined(parts), upto)
                far.setdefault(same, []).append(link.sid)
            if not i % TURN:
                await trio.lowlevel.checkpoint()
        for (station, topic, joined, last), sids in far.items():
            station.frames(topic, sids, joined, last)
        for outpost, frames, apart in fans:
            assert self._fanout is not None
            self.delivered += outpost.fan(self._fanout.outposts.topic, frames, seq, apart)
        if large:
            await trio.lowlevel.checkpoint()


def _framed(messages: list[tuple[int, Message, str]], view: View) -> Frames:
    """The messages of a batch as readers of one view get them."""
    sent = [message for _, message, _ in messages]
    frames = _frames(sent, view.address, view.form, reader=view.reader)
    return [(at, frame, skip) for (at, _, skip), frame in zip(messages, frames, strict=True)]


def _frames(messages: Sequence[Message], address: str, form: Form, *, reader: bool) -> list[bytes]:
    if form is Form.JSON_FRAME:
        return encode_each(messages, address, reader=reader)
    return [encode(to_data(message, address, reader=reader), form) for message in messages]


async def _send_group(
    frames: list[tuple[int, bytes, str]],
    links: list[Link],
    own: Own,
    skips: set[str],
) -> int:
    """The readers of one view share the bytes, except those who get something of their own.

    How many messages went out.
    """
    delivered = len(frames) * len(links)
    shared = b"".join(frame for _, frame, _ in frames) if len(frames) > 1 else frames[0][1]
    for i, link in enumerate(links, 1):
        if link in own or link.sid in skips:
            parts = own.pop(link, [])
            delivered -= len(frames) + len(parts)
            parts.extend((at, frame) for at, frame, skip in frames if skip != link.sid)
            delivered += len(parts)
            if parts:
                link.outlet.push(_joined(parts))
        else:
            link.outlet.push(shared)
        if not i % TURN:
            await trio.lowlevel.checkpoint()
    return delivered


def _joined(parts: list[tuple[int, bytes]]) -> bytes:
    if len(parts) == 1:
        return parts[0][1]
    parts.sort(key=lambda part: part[0])
    return b"".join(frame for _, frame in parts)
