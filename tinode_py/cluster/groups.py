"""Readers of a topic of another node who get the same packets: each crosses the link once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import trio

from ..live.emission import TURN
from ..live.link import Link
from . import protocol


@attrs.define
class _Group:
    """Readers of one view. `seq`: the last message that they got together."""

    links: dict[str, Link] = attrs.field(factory=dict)
    seq: int = 0


@attrs.define
class Groups:
    """The groups of one topic, by the numbers that its owner gave them."""

    _groups: dict[int, _Group] = attrs.field(factory=dict)

    async def fan(self, fan: protocol.Fan) -> int:
        """Hand frames to a group, except some; how many sessions got them. Lets others run."""
        group = self._groups.get(fan.group)
        if group is None:
            return 0
        group.seq = max(group.seq, fan.seq)
        but = frozenset(fan.but)
        delivered = 0
        for i, (sid, link) in enumerate(list(group.links.items()), 1):
            if sid not in but:
                link.outlet.push(fan.frames)
                delivered += 1
            if not i % TURN:
                await trio.lowlevel.checkpoint()
        return delivered

    def become(
        self, message: protocol.Group, attached: Mapping[str, Link]
    ) -> Iterator[tuple[str, int]]:
        """Take who has come and gone. Who has gone, and the last message that he got here."""
        group = self._groups.setdefault(message.group, _Group())
        for sid in message.went:
            if group.links.pop(sid, None) is not None:
                yield sid, group.seq
        for sid in message.came:
            if sid in attached:
                group.links[sid] = attached[sid]
        if not group.links:
            del self._groups[message.group]

    def last_of(self, sid: str) -> int:
        """The last message that a session got in any of them."""
        return max((group.seq for group in self._groups.values() if sid in group.links), default=0)

    def left(self, sid: str) -> None:
        """A session is in the topic no longer."""
        for group in self._groups.values():
            group.links.pop(sid, None)

    def clear(self) -> None:
        self._groups.clear()
