"""What follows from what other nodes say of themselves: who is on `me`, who is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..core.events import Presence
from ..core.me import MeState
from ..ids import Kind, kind_of
from ..live.calls import see_to_calls
from ..live.hub import Hub
from ..live.rules import Item
from . import protocol
from .directory import Directory, Told
from .protocol import Message

OTHERS_FIRST = 1.0  # seconds in which those load a topic who have sessions in it


@attrs.define(eq=False)
class Book:
    """The directory of the node `id`, and what its hub is told of it."""

    id: int
    hub: Hub
    # A user's last session, on another node, is over; why.
    on_ended: Callable[[str, str], None] = lambda user, reason: None
    directory: Directory = attrs.field(factory=Directory)

    def take(self, node: int, message: Message) -> bool:
        """Whether the message was for the directory."""
        if not self.directory.take(node, message):
            return False
        on_me = self.hub.on_me
        match message:
            case protocol.Loaded():
                on_me.elsewhere.update(dict.fromkeys(filter(_is_me, message.topics), node))
                on_me.version += 1
            case protocol.Unloaded():
                self._forget(node, message.topics)
                on_me.version += 1
            case protocol.Users():
                self._say_who_is_gone(message.gone, "closed")
                self._give_way(node, message.came)
        return True

    def begin_anew(self, node: int) -> None:
        """A node says everything from the beginning."""
        self._forget(node, self.directory.forget(node).topics)

    def lose(self, node: int, *, is_first: bool) -> None:
        """A node is no member any more: whom it had is not online, unless he is elsewhere."""
        told = self.directory.forget(node)
        self._forget(node, told.topics)
        self.hub.on_me.version += 1
        self._announce_lost(told)
        if is_first:
            self._say_who_is_gone(told.users, "node lost")
            if not self.hub.closing:
                self.hub.nursery.start_soon(see_to_calls, self.hub, self._is_loaded, OTHERS_FIRST)

    def _is_loaded(self, topic: str) -> bool:
        return self.directory.where(topic) is not None

    def _forget(self, node: int, topics: Iterable[str]) -> None:
        """Topics that tell members on `me` of messages must know who is there."""
        elsewhere = self.hub.on_me.elsewhere
        for topic in topics:
            if elsewhere.get(topic) == node:
                del elsewhere[topic]

    def _give_way(self, node: int, users: Iterable[str]) -> None:
        """Of two logins at the same moment, that on the node with the lower number stays."""
        hub = self.hub
        if node < self.id and hub.settings.sessions.policy != "many" and not hub.closing:
            for user in users:
                if hub.has_session(user):
                    hub.nursery.start_soon(hub.everywhere.give_way, user, node)

    def _say_who_is_gone(self, users: Iterable[str], reason: str) -> None:
        for user in users:
            if not self.directory.has_user(user) and not self.hub.has_session(user):
                self.on_ended(user, reason)

    def _announce_lost(self, told: Told) -> None:
        lost = {name for name in told.online if not self.hub.is_online(name)}
        if not lost:
            return
        for runner in self.hub.runners():
            if not isinstance(runner.state, MeState):
                continue
            for line in runner.state.lines.values():
                for name in {line.topic, line.peer} & lost if line.told else ():
                    runner.inbox.mark(("presence", name), Item(Presence(name, "off")))


def _is_me(topic: str) -> bool:
    return kind_of(topic) is Kind.ME
