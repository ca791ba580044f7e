"""One node of a cluster, as its hub and the other nodes see it.

To the hub it is the placement of topics (`serving`); what the other nodes say comes here, and
goes to whom it concerns. Nothing here decides anything about the chat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import attrs
from msgspec import structs

from ..core.effects import EndSessions
from ..core.events import Deliver, Event, Presence
from ..errors import UNAVAILABLE, Refused
from ..live.fanout import Afar
from ..live.hub import Hub
from ..live.inbox import Inbox
from ..live.rules import Item
from ..live.runner import Runner
from ..store.coordination import Member
from ..wire.server_packets import Pres
from . import protocol
from .book import Book
from .calls import Calls
from .claims import Claims
from .directory import Directory
from .guests import Guests
from .jobs import Jobs
from .membership import Membership
from .others import Other, Others, Peer
from .protocol import Message
from .questions import Questions
from .rebalance import Rebalance
from .serving import Serving

log = logging.getLogger(__name__)

NAMES = 2000  # in one message
AT_ONCE = 2048  # questions of one node that are not answered yet; more are refused
ENDING = "ending"  # no question: the node will end, and nobody need wonder


@attrs.define(eq=False)
class Node:
    """The hub's placement, as long as the node is the member `id`."""

    id: int
    hub: Hub
    claims: Claims
    membership: Membership
    on_news: Callable[[], None] = lambda: None
    on_reread: Callable[[], None] = lambda: None
    # A user's last session, on another node, is over; why.
    on_ended: Callable[[str, str], None] = lambda user, reason: None
    questions: Questions = attrs.field(factory=lambda: Questions({}))
    moves: int = 0  # topics that may be given away in a minute
    cpu: Callable[[], float] = lambda: 0.0  # seconds of a core that this process has used
    members: tuple[Member, ...] = ()
    others: Others = attrs.field(factory=Others)
    book: Book = attrs.field(init=False)
    serving: Serving = attrs.field(init=False)
    rebalance: Rebalance = attrs.field(init=False)
    jobs: Jobs = attrs.field(init=False)

    @book.default
    def _book(self) -> Book:
        return Book(self.id, self.hub, self.on_ended)

    @serving.default
    def _serving(self) -> Serving:
        return Serving(self.id, self.hub, self.claims, self.others)

    @rebalance.default
    def _rebalance(self) -> Rebalance:
        return Rebalance(self.id, self.serving, self.others, self.moves, self.cpu, self._is_ending)

    def _is_ending(self, node: int) -> bool:
        return any(it.id == node and it.draining for it in self.members)

    @jobs.default
    def _jobs(self) -> Jobs:
        return Jobs(self.id, self.claims, self.membership, lambda: self.others.changed)

    @property
    def directory(self) -> Directory:
        """What the other nodes have said."""
        return self.book.directory

    # --- the hub's placement -------------------------------------------------------------

    def holds(self) -> bool:
        return self.membership.holds()

    async def serve(
        self, topic: str, inbox: Inbox[Item], own: Callable[[str, Inbox[Item]], Runner]
    ) -> None:
        await self.serving.serve(topic, inbox, own)

    def tell(self, topic: str, event: Event) -> None:
        node = self.directory.where(topic)
        other = self.others.get(node)
        if other is not None and not other.peer.send(protocol.Told(topic, event)):
            log.debug("a notice was dropped", extra={"topic": topic})

    def tell_afar(self, them: Afar, packet: Pres) -> None:
        other = self.others.get(them.node)
        if other is not None and not other.named.word(them, packet):
            log.debug("a notice to %d users was dropped", len(them.users))

    def is_online(self, name: str) -> bool:
        return self.directory.is_online(name)

    def is_here(self, user: str) -> bool:
        return self.directory.has_user(user)

    def rooms(self) -> int:
        return self.directory.rooms()

    def went(self, topic: str, *, online: bool) -> None:
        one = (topic,)
        self.others.tell(protocol.Went(on=one) if online else protocol.Went(off=one))

    def came(self, user: str) -> None:
        self.others.tell(protocol.Users(came=(user,)))

    def left(self, user: str) -> None:
        self.others.tell(protocol.Users(gone=(user,)))

    def end_sessions(self, effect: EndSessions) -> None:
        self.others.tell(protocol.End(effect))

    def tell_news(self) -> None:
        """Something was committed here."""
        self.others.mention(protocol.News())

    def tell_ending(self) -> None:
        """The node will end. Those of a version that does not know the word do without it."""
        self.others.mention(protocol.Call(0, ENDING, {}))

    def tell_reread(self) -> None:
        """Settings made at run time have changed here."""
        self.others.tell(protocol.Reread())

    # --- the other nodes -----------------------------------------------------------------

    def connected(self, peer: Peer) -> None:
        """There is a link to another node: it is told all that it should know."""
        self.book.begin_anew(peer.id)
        guests = Guests(self.hub, lambda it: other.tell(it), self.serving.is_elsewhere)
        other = Other(peer, guests, Calls(peer.send))
        self.others.add(other)
        for names in _pieces(runner.state.name for runner in self.hub.runners()):
            other.tell(protocol.Loaded(names))
        for names in _pieces(self.hub.online_here()):
            other.tell(protocol.Went(on=names))
        for names in _pieces(self.hub.users_here()):
            other.tell(protocol.Users(came=names))
        if not self.hub.closing:
            self.hub.nursery.start_soon(self._catch_up, other)
        self.others.ring()

    async def _catch_up(self, other: Other) -> None:
        """What both had to tell each other until now is lost. Look at it when the other has heard
        all of the above, and this node all that the other has: what comes after that is told.
        """
        try:
            await other.calls.ask("loaded", topics=())
        except Refused:
            return  # the link is lost again
        for runner in self.hub.runners():
            runner.look_again()

    def lost(self, peer: Peer) -> None:
        """The link is lost: its sessions are gone from here, ours are to return elsewhere."""
        other = self.others.of(peer)
        if other is None:
            return
        self.others.remove(peer.id)
        other.guests.lost()
        other.calls.lost()
        self.serving.lose(peer.id)
        self.others.ring()

    async def received(self, peer: Peer, message: Message) -> None:
        """Take a message. Waits only to let others have their turn."""
        other = self.others.of(peer)
        if other is None:
            return
        try:
            await self._take(other, message)
        except Exception:  # a bug must cost a link, not the server
            log.exception("a message of node %s could not be taken", peer.id)
            peer.reset("a message could not be taken")

    async def _take(self, other: Other, message: Message) -> None:
        node = other.peer.id
        match message:
            case protocol.Submit():
                other.guests.submit(message)
            case protocol.Told():
                self._hear(message.topic, message.event)
            case protocol.ToldUsers(users, event):
                self._hear_all(self.hub.on_me.needing(users, event.skip), event)
            case protocol.Audience():
                other.heard.take(message)
            case protocol.Word():
                needing, skip = other.heard.needing(message.no, self.hub.on_me)
                self._hear_all(needing, Deliver(message.packet, skip))
            case protocol.Busy(percent):
                self.rebalance.told(node, percent / 100)
            case protocol.Given():
                self.serving.given(message.topic)
            case protocol.End():
                self.hub.end_here(message.effect)
            case protocol.News():
                self.on_news()
            case protocol.Reread():
                self.on_reread()
            case protocol.Call():
                self._asked(other, message)
            case protocol.Result() | protocol.Fault():
                other.calls.answered(message)
            case _ if not self.book.take(node, message):
                await self.serving.receive(node, message)

    def _asked(self, other: Other, call: protocol.Call) -> None:
        if call.name == "loaded":
            message = protocol.Loaded(tuple(call.arguments["topics"]))
            self.book.take(other.peer.id, message)
            other.tell(protocol.Result(call.no))
        elif call.name == ENDING:
            self.membership.ending.add(other.peer.id)
        elif self.hub.closing or other.answering >= AT_ONCE:
            other.tell(protocol.Fault(call.no, UNAVAILABLE.code, UNAVAILABLE.text))
        else:
            other.answering += 1
            self.hub.nursery.start_soon(self._answer, other, call)

    async def _answer(self, other: Other, call: protocol.Call) -> None:
        try:
            await self.questions.answer(call, other.peer.send)
        finally:
            other.answering -= 1

    def _hear(self, topic: str, event: Event) -> None:
        inbox = self.hub.inbox_of(topic)
        if inbox is None:
            return  # it does not go on to where it might be: it would go round in circles
        if isinstance(event, Presence) and inbox.put_nowait(Item(event)):
            return  # in its place: what it is about may have been told just before it
        self.hub.tell(topic, Item(event))

    def _hear_all(self, users: Iterable[str], event: Deliver) -> None:
        for user in users:
            packet = event.packet
            if isinstance(packet, Pres) and packet.act == user:
                packet = attrs.evolve(packet, act="")
            self._hear(user, structs.replace(event, packet=packet))

    # --- members -------------------------------------------------------------------------

    def seen(self, members: tuple[Member, ...]) -> None:
        """The other members of now."""
        known = {member.id for member in members}
        gone = [member.id for member in self.members if member.id not in known]
        self.others.gone(gone)
        self.members = members
        for node in gone:
            self.book.lose(node, is_first=self.id < min(known, default=self.id + 1))
            self.serving.lose(node)
        if gone:
            self.others.ring()

    def abandon(self) -> None:
        """The node is no member any more: nothing here is its own."""
        self.jobs.abandon()
        self.serving.abandon()
        for other in self.others:
            other.peer.reset("the node is no member any more")


def _pieces(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(names)
    while piece := tuple(islice(rest, NAMES)):
        yield piece
