"""Readers of a topic who are on another node: a packet goes there once, and is fanned out there.

A station is another node as topics see it. An outpost is the readers of one view on one station:
the station is told who they are, in changes, and then gets each packet once for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from .fanout import View
    from .link import Link

Frames = list[tuple[int, bytes, str]]  # place in the batch, a frame, the session it is not for
Own = dict["Link", list[tuple[int, bytes]]]  # what single sessions get


class Station(Protocol):
    """Another node that has sessions in topics of this one. Nothing here waits or raises."""

    def readers(self, topic: str, group: int, came: Collection[str], went: Collection[str]) -> None:
        """Who belongs to a group of readers, and who no longer."""

    def fan(self, topic: str, group: int, frames: bytes, seq: int, but: Collection[str]) -> None:
        """Frames for a group, except some; `seq` is the highest number among the messages."""

    def frames(self, topic: str, sids: Collection[str], frames: bytes, seq: int | None) -> None:
        """Frames for some sessions; `seq` as above, None if there is no message among them; on
        `me`: how far they have the inbox with these.
        """

    def shows(self, topic: str, contact: str, *, online: bool) -> None:
        """On `me`: the sessions are told that a contact is online, or no longer."""


@attrs.define(eq=False)
class Outpost:
    """The readers of one view on one station."""

    view: View
    station: Station
    number: int
    links: dict[str, Link] = attrs.field(factory=dict)

    def become(self, topic: str, links: dict[str, Link]) -> None:
        """Tell the station who they are now, where that has changed. One that has left and come
        again has another link, and the station has forgotten it.
        """
        came = {sid for sid, link in links.items() if self.links.get(sid) is not link}
        went = self.links.keys() - links.keys()
        self.links = links
        if came or went:
            self.station.readers(topic, self.number, sorted(came), sorted(went))

    def set_apart(self, frames: Frames, own: Own, skips: set[str]) -> list[str]:
        """Who gets something else besides, or not all of it: it is in `own` then, and to be sent
        before `fan`, so that whoever has had the one has had the other.
        """
        apart = [link for link in own if self.links.get(link.sid) is link]
        others = [self.links[sid] for sid in skips if sid in self.links]
        apart += [link for link in others if link not in own]
        for link in apart:
            mine = [(at, frame) for at, frame, skip in frames if skip != link.sid]
            own.setdefault(link, []).extend(mine)
        return [link.sid for link in apart]

    def fan(self, topic: str, frames: Frames, seq: int, apart: list[str]) -> int:
        """Send a batch to all of them but some. How many messages went out to sessions."""
        count = len(self.links) - len(apart)
        if count:
            joined = b"".join(frame for _, frame, _ in frames)
            self.station.fan(topic, self.number, joined, seq, apart)
        return len(frames) * count


@attrs.define(eq=False)
class Outposts:
    """All outposts of one topic."""

    topic: str
    _by_place: dict[tuple[int, View], Outpost] = attrs.field(factory=dict)  # by id of the station
    _last: int = 0

    def __iter__(self) -> Iterator[Outpost]:
        return iter(self._by_place.values())

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def become(self, found: dict[tuple[int, View], dict[str, Link]]) -> None:
        """Take the links that may read, by station and view."""
        for place in [place for place in self._by_place if place not in found]:
            self._by_place.pop(place).become(self.topic, {})
        for place, links in found.items():
            outpost = self._by_place.get(place)
            if outpost is None:
                self._last += 1
                station = next(iter(links.values())).station
                assert station is not None
                outpost = self._by_place[place] = Outpost(place[1], station, self._last)
            outpost.become(self.topic, links)
