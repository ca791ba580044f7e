"""Which rooms have somebody in them, on this server."""

from __future__ import annotations

import heapq
from collections.abc import Collection

import attrs

from ..ids import Kind
from .link import Link

ROOM = Kind.ROOM.value  # how their names begin


@attrs.define
class Rooms:
    """Rooms by name, each with the number of sessions in it. Topics' tasks keep it in step."""

    _sessions: dict[str, int] = attrs.field(factory=dict)

    def came(self, room: str) -> None:
        """A session was attached."""
        self._sessions[room] = self._sessions.get(room, 0) + 1

    def went(self, room: str) -> None:
        """A session was detached; the last one ends the room."""
        left = self._sessions[room] - 1
        if left:
            self._sessions[room] = left
        else:
            del self._sessions[room]

    def names(self) -> Collection[str]:
        """All of them."""
        return self._sessions.keys()

    def count(self) -> int:
        """How many rooms there are."""
        return len(self._sessions)

    def after(self, after: str, limit: int) -> list[str]:
        """Rooms in order of their names, after `after`."""
        return heapq.nsmallest(limit, (room for room in self._sessions if room > after))


def rooms_in(links: list[Link]) -> set[str]:
    """The rooms in which one of these sessions is."""
    return {name for link in links for name in link.attached if name.startswith(ROOM)}
