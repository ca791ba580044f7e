"""What the other nodes have said of themselves: topics, who is online, who has a session.

It is as old as the last message of each. Nothing durable rests on it: who owns a topic is asked
of the store.
"""

from __future__ import annotations

import attrs

from ..ids import Kind, kind_of
from . import protocol
from .protocol import Message


@attrs.define
class Told:
    """What one node has said."""

    topics: set[str] = attrs.field(factory=set)
    online: set[str] = attrs.field(factory=set)
    users: set[str] = attrs.field(factory=set)
    rooms: set[str] = attrs.field(factory=set)  # among the topics


@attrs.define
class Directory:
    """By node, and the other way round."""

    nodes: dict[int, Told] = attrs.field(factory=dict)
    _topics: dict[str, int] = attrs.field(factory=dict)

    def take(self, node: int, message: Message) -> bool:
        """Whether the message was for the directory."""
        told = self.nodes.setdefault(node, Told())
        match message:
            case protocol.Loaded(topics=topics):
                told.topics.update(topics)
                told.rooms.update(filter(_is_room, topics))
                self._topics.update(dict.fromkeys(topics, node))
            case protocol.Unloaded(topics=topics):
                self._unload(node, topics)
            case protocol.Went(on=on, off=off):
                told.online.update(on)
                told.online.difference_update(off)
            case protocol.Users(came=came, gone=gone):
                told.users.update(came)
                told.users.difference_update(gone)
            case _:
                return False
        return True

    def forget(self, node: int) -> Told:
        """A node is gone, or says everything anew; what it had said."""
        told = self.nodes.pop(node, Told())
        self._unload(node, tuple(told.topics))
        return told

    def _unload(self, node: int, topics: tuple[str, ...]) -> None:
        if node in self.nodes:
            self.nodes[node].topics.difference_update(topics)
            self.nodes[node].rooms.difference_update(topics)
        for topic in topics:
            if self._topics.get(topic) == node:
                del self._topics[topic]

    def where(self, topic: str) -> int | None:
        """The node that has a topic loaded."""
        return self._topics.get(topic)

    def is_online(self, name: str) -> bool:
        """Whether a user or group is online on one of them."""
        return any(name in told.online for told in self.nodes.values())

    def has_user(self, user: str) -> bool:
        """Whether a user has a session on one of them."""
        return any(user in told.users for told in self.nodes.values())

    def with_user(self, user: str) -> tuple[int, ...]:
        """The nodes on which a user has a session."""
        return tuple(node for node, told in self.nodes.items() if user in told.users)

    def users(self) -> set[str]:
        """Users with a session on any of them."""
        return set().union(*(told.users for told in self.nodes.values()))

    def rooms(self) -> int:
        """How many rooms they have."""
        return sum(len(told.rooms) for told in self.nodes.values())


def _is_room(topic: str) -> bool:
    return kind_of(topic) is Kind.ROOM
