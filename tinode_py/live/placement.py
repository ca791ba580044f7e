"""Where topics are, if there are several nodes. The hub asks; it does not know what a node is.

Without a placement every topic is here, and nothing of this costs anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.effects import EndSessions
from ..core.events import Active, Awake, Event, Gone, InboxGrew, Presence
from ..store.watched import News
from .inbox import Inbox
from .traffic import NodeStatistics

if TYPE_CHECKING:
    from ..wire.server_packets import Pres
    from .fanout import Afar
    from .hub import Hub
    from .rules import Item
    from .runner import Runner
    from .standing import Standing


class Placement(Protocol):
    """What several nodes have agreed upon. All but `serve` is synchronous."""

    def holds(self) -> bool:
        """Whether nobody else can have taken over what is here. Where it is not sure, nothing is
        acknowledged that no store has to confirm.
        """

    async def serve(
        self, topic: str, inbox: Inbox[Item], own: Callable[[str, Inbox[Item]], Runner]
    ) -> None:
        """Serve an inbox until the topic is used no more: by a task of its own (`own` makes it
        and registers it), or by handing on what comes to where the topic is. The hub has
        forgotten the topic when it returns.
        """

    def tell(self, topic: str, event: Event) -> None:
        """A notice to a topic that is not loaded here: to where it is, if it is anywhere."""

    def tell_afar(self, them: Afar, packet: Pres) -> None:
        """A packet for sessions of members whose `me` is on another node, but those that are in
        the topic. As `act` nobody is told of himself.
        """

    def is_online(self, name: str) -> bool:
        """Whether a user or group is online on another node."""

    def is_here(self, user: str) -> bool:
        """Whether a user has a session on another node."""

    def rooms(self) -> int:
        """How many rooms the other nodes have."""

    def went(self, topic: str, *, online: bool) -> None:
        """A topic of this node is online, or no longer."""

    def came(self, user: str) -> None:
        """A user has a session on this node. It may be said again."""

    def left(self, user: str) -> None:
        """A user has no session on this node any more."""

    def end_sessions(self, effect: EndSessions) -> None:
        """End sessions on the other nodes."""


class Companions(Protocol):
    """The other nodes, as a server that starts and stops sees them."""

    @property
    def commits(self) -> News:
        """To be rung at every commit of this node, so that the others learn of it."""

    @property
    def is_first(self) -> bool:
        """Whether there was no other when this one came: what the store has of an earlier run is
        over.
        """

    def open(self, hub: Hub) -> None:
        """From now on topics of `hub` are placed among the nodes."""

    def doubt(self) -> None:
        """A commit was refused: whether this node is a member still is to be seen to at once."""

    async def wait_linked(self) -> None:
        """Wait until all the others can be reached, for as long as that takes."""

    def heed(self, standing: Standing) -> None:
        """Settings that are made at run time, here or on another node, hold on all."""

    def begin_drain(self) -> None:
        """The node will end: no new clients are to be sent to it, and its jobs are for others."""

    async def hand_over(self) -> None:
        """The node will end: topics that sessions of other nodes use go there, while they are
        served. Returns when that is done.
        """

    @property
    def answerers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What the others may ask here, by the name of the question. They are given arguments
        by name, raise Refused or StoreError, and answer plain values and records.
        """

    async def alone(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one node may do at a time, whenever it is this one's turn; never returns.

        The work is cancelled when another node may have been given it. Work that returns, or
        raises a StoreError, begins anew.
        """

    @property
    def number(self) -> int:
        """Of this node, until it is fenced."""

    def statistics(self) -> NodeStatistics:
        """What this node counts."""

    def choose(self, user: str) -> tuple[int, str] | None:
        """The other node to which a user is to be sent, and its address; None: he stays."""

    def nodes(self) -> tuple[int, ...]:
        """The other nodes, in reach or not."""

    def name_of(self, node: int) -> str:
        """What people call it."""

    def with_user(self, user: str) -> tuple[int, ...]:
        """Those that have said that a user has a session there."""

    def node_of(self, topic: str) -> int | None:
        """The one that has said that a topic is loaded there."""

    def users(self) -> set[str]:
        """Users who have a session on any of them. The set is the caller's."""

    async def ask(self, node: int, question: str, **arguments: Any) -> Any:
        """What one of them answers; Refused with 502 if it cannot be asked, or as it refuses.
        Waits as long as it takes, or the link lasts.
        """

    def tell_all(self, question: str, **arguments: Any) -> None:
        """Tell the others something that they do not answer. It may be lost."""

    async def ask_at(self, job: str, question: str, **arguments: Any) -> Any:
        """Ask the node that does a job, which may be this one. Refused with 502 if it cannot be
        asked, or as it refuses; StoreError if nobody knows which one it is.
        """


async def alone(
    companions: Companions | None, job: str, work: Callable[[], Awaitable[None]]
) -> None:
    """Do what only one server may do at a time: always, where there is no other."""
    if companions is None:
        await work()
    else:
        await companions.alone(job, work)


def mark_of(event: Event) -> Hashable | None:
    """The key under which a notice coalesces with those before it, None if it does not."""
    match event:
        case Gone():
            return ("gone", event.sid)
        case Awake():
            return ("awake", event.sid)
        case Active():
            return "active"
        case InboxGrew():
            return "inbox"
        case Presence(what="on" | "off"):
            return ("presence", event.src)
        case _:
            return None
