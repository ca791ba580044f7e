"""The nodes that can be reached now, and what is said to all of them or asked of one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import attrs
import trio

from ..errors import UNREACHABLE, Refused
from ..live.traffic import Traffic
from .audiences import Heard, Named
from .calls import Calls
from .guests import Guests
from .protocol import Message

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds for which requests wait for a link to the node that has the topic


class Peer(Protocol):
    """Another node, over a link. A link that was lost is another peer when it comes back."""

    @property
    def id(self) -> int: ...

    def send(self, message: Message) -> bool:
        """Never waits; False if there is no link, or too much waits."""

    def reset(self, reason: str) -> None:
        """End the link: what waits is forgotten."""

    def traffic(self) -> Traffic:
        """What has gone over it."""


@attrs.define(eq=False)
class Other:
    """A node that can be reached: its link, and its sessions in topics that are here."""

    peer: Peer
    guests: Guests
    calls: Calls
    heard: Heard = attrs.field(factory=Heard)
    answering: int = 0  # questions of it
    named: Named = attrs.field(init=False)

    @named.default
    def _named(self) -> Named:
        return Named(self.tell, self.peer.send)

    def tell(self, message: Message) -> bool:
        """Send what must not be missing. If it does not fit, the link is reset: both sides then
        know that something is missing.
        """
        sent = self.peer.send(message)
        if not sent:
            self.peer.reset("more waits for the link than it holds")
        return sent


@attrs.define(eq=False)
class Others:
    """The other nodes to which there is a link, by number."""

    changed: trio.Event = attrs.field(factory=trio.Event)  # set when there are others than now
    _nodes: dict[int, Other] = attrs.field(factory=dict)
    _past: Traffic = attrs.field(factory=Traffic)  # over links that are lost
    _gone: set[int] = attrs.field(factory=set)  # numbers are never given out again

    def __iter__(self) -> Iterator[Other]:
        return iter(list(self._nodes.values()))

    def get(self, node: int | None) -> Other | None:
        return None if node is None else self._nodes.get(node)

    def of(self, peer: Peer) -> Other | None:
        """The node of a peer, unless its link is lost."""
        other = self._nodes.get(peer.id)
        return other if other is not None and other.peer is peer else None

    def add(self, other: Other) -> None:
        self._nodes[other.peer.id] = other

    def remove(self, node: int) -> None:
        self._past += attrs.evolve(self._nodes.pop(node).peer.traffic(), waiting=0)

    def __len__(self) -> int:
        return len(self._nodes)

    def traffic(self) -> Traffic:
        """What has gone over all links so far, and what waits."""
        return sum((other.peer.traffic() for other in self), self._past)

    def gone(self, nodes: Iterable[int]) -> None:
        """They are no members any more; nobody waits for them."""
        self._gone.update(nodes)

    def ring(self) -> None:
        """Wake whoever waits for `changed`."""
        self.changed.set()
        self.changed = trio.Event()

    async def reached(self, node: int) -> Other | None:
        """The node, as soon as there is a link to it; None if it takes too long."""
        with trio.move_on_after(PATIENCE):
            while node not in self._nodes and node not in self._gone:
                await self.changed.wait()
        return self._nodes.get(node)

    def tell(self, message: Message) -> None:
        """Tell all of them what must not be missing."""
        for other in self:
            other.tell(message)

    def mention(self, message: Message) -> None:
        """Tell all of them what may be lost."""
        for other in self:
            other.peer.send(message)

    async def ask(self, node: int, question: str, **arguments: Any) -> Any:
        """What a node answers; Refused with 502 if it cannot be asked, or as it refuses."""
        other = self._nodes.get(node)
        if other is None:
            raise Refused(UNREACHABLE)
        return await other.calls.ask(question, **arguments)

    async def announce(self, topics: tuple[str, ...]) -> None:
        """Return when all of them have heard that topics are loaded here, or cannot be asked."""
        async with trio.open_nursery() as nursery:
            for other in self:
                nursery.start_soon(_announce, other, topics)


async def _announce(other: Other, topics: tuple[str, ...]) -> None:
    try:
        await other.calls.ask("loaded", topics=topics)
    except Refused:
        log.debug("node %s has not heard of topics", other.peer.id)
