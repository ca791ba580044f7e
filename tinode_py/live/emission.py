"""What one batch sends: gathered, so that a reader gets it in one write.

Readers to whom the same messages go share the very bytes, and where they are many, their sockets
are written to in one go (`lines.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from ..core.effects import Page
from ..core.meta import to_data
from ..core.state import Attachments
from ..records import Message
from ..wire.codec import Form, encode, encode_each, encode_page
from ..wire.server_packets import Info, Pres, ServerPacket
from .fanout import FanOut, Group, View
from .link import Link
from .outpost import Frames, Outpost, Own, Station

# Readers served before others get their turn: up to 5 ms. After so many writes nothing of Trio is
# in the caches, and a turn costs as much as eight readers.
TURN = 400
PIECE = 262_144  # bytes after which a batch writes what it has, and others get their turn
PARTS = 50_000  # the same, in packets for single sessions


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
        self._told: set[tuple[str, ...]] = set()
        self.is_large = False
        self.delivered = 0  # messages to sessions

    def is_repeated(self, inboxes: tuple[str, ...]) -> bool:
        """Whether this batch has told already that these have grown."""
        if inboxes in self._told:
            return True
        self._told.add(inboxes)
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
        self._put(link, page_frames(page.messages, page.address, link.form, reader=page.reader))

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
            for link in filter(None, map(self._fanout.links.get, skips)):
                own.setdefault(link, [])  # to be looked at, for he does not get everything
            for group in self._fanout.groups():
                wanted, links = messages, group.links
                if len(links) == 1 and links[0].sid in skips:  # an author, who wants no echo
                    wanted = [it for it in messages if it[2] != links[0].sid]
                if wanted:
                    frames = _framed(wanted, group.view)
                    self.delivered += await _send_group(frames, group, own)
            for outpost in self._fanout.outposts:
                frames = _framed(messages, outpost.view)
                fans.append((outpost, frames, outpost.set_apart(frames, own, skips)))
        far: dict[tuple[Station, str, bytes, int | None], list[str]] = {}
        for i, (link, parts) in enumerate(own.items(), 1):
            if not parts:
                continue
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


def page_frames(messages: Sequence[Message], address: str, form: Form, *, reader: bool) -> bytes:
    """Stored messages to one session that calls the topic `address`."""
    if form is Form.JSON_FRAME:
        return encode_page(messages, address, reader=reader)
    return b"".join(_frames(messages, address, form, reader=reader))


def _frames(messages: Sequence[Message], address: str, form: Form, *, reader: bool) -> list[bytes]:
    if form is Form.JSON_FRAME:
        return encode_each(messages, address, reader=reader)
    return [encode(to_data(message, address, reader=reader), form) for message in messages]


async def _send_group(frames: Frames, group: Group, own: Own) -> int:
    """The readers of one view share the bytes, except those who get something of their own.

    How many messages went out.
    """
    links = group.links
    delivered = len(frames) * len(links)
    shared = b"".join(frame for _, frame, _ in frames) if len(frames) > 1 else frames[0][1]
    for first in range(0, len(links), TURN):
        if first:
            await trio.lowlevel.checkpoint()
        for place, sent in group.write(shared, first, first + TURN, own):
            link = links[place]
            if link in own:
                parts = own.pop(link)
                delivered -= len(frames) + len(parts)
                parts.extend((at, frame) for at, frame, skip in frames if skip != link.sid)
                delivered += len(parts)
                if parts:
                    link.outlet.push(_joined(parts))
            else:
                link.outlet.push(shared[sent:])
    return delivered


def _joined(parts: list[tuple[int, bytes]]) -> bytes:
    if len(parts) == 1:
        return parts[0][1]
    parts.sort(key=lambda part: part[0])
    return b"".join(frame for _, frame in parts)
