"""One node of a cluster: where its hub's topics are, and what it says to the other nodes.

A topic that is asked for is claimed in the store. If it becomes ours its task runs here; if it is
another node's, a proxy hands on what comes. Nothing here decides anything about the chat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import attrs
import trio
from msgspec import structs

from ..core.decision import Deliver, EndSessions, Event, Presence, Recheck
from ..core.me import MeState
from ..errors import INTERNAL, UNAVAILABLE, UNREACHABLE, Refused, StoreError
from ..ids import Kind, kind_of
from ..live.fanout import Afar
from ..live.hub import Hub
from ..live.inbox import Inbox
from ..live.link import Link
from ..live.rules import Item
from ..live.runner import Runner
from ..store.coordination import Member
from ..wire.packets import Pres
from . import protocol
from .announcing import Announcing
from .calls import Calls
from .claims import Claims
from .directory import Directory, Told
from .guests import Guests
from .jobs import Jobs
from .membership import Membership
from .others import Other, Others, Peer
from .protocol import Message
from .proxy import LATE, MISSED, TURNED_AWAY, Proxy
from .questions import Questions

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds before the store is asked again, after it could not be
NAMES = 2000  # in one message


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
    directory: Directory = attrs.field(factory=Directory)
    members: tuple[Member, ...] = ()
    others: Others = attrs.field(factory=Others)
    _proxies: dict[str, tuple[int, Proxy]] = attrs.field(factory=dict)
    _over: bool = False  # the node is no member any more
    announcing: Announcing = attrs.field(init=False)
    jobs: Jobs = attrs.field(init=False)
    _life: dict[str, trio.CancelScope] = attrs.field(factory=dict)  # of tasks of topics

    @announcing.default
    def _announcing(self) -> Announcing:
        return Announcing(self.others.announce)

    @jobs.default
    def _jobs(self) -> Jobs:
        return Jobs(self.id, self.claims, self.membership, lambda: self.others.changed)

    # --- the hub's placement -------------------------------------------------------------

    def holds(self) -> bool:
        return self.membership.holds()

    async def serve(
        self, topic: str, inbox: Inbox[Item], own: Callable[[str, Inbox[Item]], Runner]
    ) -> None:
        hub = self.hub
        proxy = Proxy(topic, inbox, hub.now, hub.link_of, lambda: hub.closing)
        with trio.CancelScope() as scope:
            self._life[topic] = scope
            if self._over:
                scope.cancel()
            while not await self._tried(proxy, own):
                pass
        if self._life.get(topic) is scope:
            del self._life[topic]
        if scope.cancelled_caught:
            hub.forget(topic)
            proxy.refuse_all(UNAVAILABLE)

    async def _tried(self, proxy: Proxy, own: Callable[[str, Inbox[Item]], Runner]) -> bool:
        try:
            return await self._served(proxy, own)
        except Exception:  # a bug must cost some requests, not the server
            log.exception("a proxy failed", extra={"topic": proxy.topic})
            proxy.refuse_all(INTERNAL)
            await trio.sleep(PAUSE)
            return self._is_over(proxy)

    async def _served(self, proxy: Proxy, own: Callable[[str, Inbox[Item]], Runner]) -> bool:
        """One owner of the topic; False if another is to be found."""
        topic = proxy.topic
        try:
            owner = await self.claims.owner(topic)
        except StoreError as error:
            proxy.refuse_all(error.answer)
            if self._is_over(proxy):
                return True
            await trio.sleep(PAUSE)
            return False
        if owner == self.id:
            await self._run(proxy, own(topic, proxy.inbox))
            return True
        other = await self.others.reached(owner)
        if other is None:
            proxy.refuse_all(UNREACHABLE)
            return self._is_over(proxy)
        self._proxies[topic] = (owner, proxy)
        try:
            over = await proxy.run(other.peer.send, other.tell)
        finally:
            del self._proxies[topic]
            proxy.lose()
        if over:
            self.hub.forget(topic)
        return over

    def _is_over(self, proxy: Proxy) -> bool:
        if (proxy.links and not self.hub.closing) or not proxy.inbox.is_empty:
            return False
        self.hub.forget(proxy.topic)
        return True

    async def _run(self, proxy: Proxy, runner: Runner) -> None:
        """The topic is here, until it is used no more."""
        topic = proxy.topic
        await self.announcing.announce(topic)
        items = proxy.returning()
        proxy.inbox.put_first(items)
        for item in items:
            assert item.link is not None
            self.hub.nursery.start_soon(self._check, runner, item.link, proxy.had(item.link.sid))
        try:
            await runner.run()
        except trio.Cancelled:
            runner.abandon()
            raise
        self.claims.release(topic)
        self.others.tell(protocol.Unloaded((topic,)))
        for other in self.others:
            other.guests.release(topic)

    async def _check(self, runner: Runner, link: Link, had: int) -> None:
        """A session that cannot return to a topic, or has missed too much, is ended."""
        await link.wait_unanswered(0)
        if link.ended:
            return
        if runner.links.get(link.sid) is not link:
            link.outlet.finish(1012, TURNED_AWAY)
        elif runner.state.last_seq - had > MISSED and kind_of(runner.state.name) is not Kind.ROOM:
            link.outlet.finish(1012, LATE)

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

    def tell_reread(self) -> None:
        """Settings made at run time have changed here."""
        self.others.tell(protocol.Reread())

    # --- the other nodes -----------------------------------------------------------------

    def connected(self, peer: Peer) -> None:
        """There is a link to another node: it is told all that it should know."""
        self._forget(peer.id, self.directory.forget(peer.id).topics)
        other = Other(peer, Guests(self.hub, lambda message: other.tell(message)), Calls(peer.send))
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
            if isinstance(runner.state, MeState):
                runner.inbox.mark("recheck", Item(Recheck()))

    def lost(self, peer: Peer) -> None:
        """The link is lost: its sessions are gone from here, ours are to return elsewhere."""
        other = self.others.of(peer)
        if other is None:
            return
        self.others.remove(peer.id)
        other.guests.lost()
        other.calls.lost()
        self._lose_owner(peer.id)
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
                skip = event.skip
                self._hear_all([it for it in users if self.hub.on_me.has_but(it, skip)], event)
            case protocol.Audience():
                other.heard.take(message)
            case protocol.Word():
                needing, skip = other.heard.needing(message.no, self.hub.on_me)
                self._hear_all(needing, Deliver(message.packet, skip))
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
            case _ if self.directory.take(node, message):
                self._keep_book(node, message)
            case _:
                owner, proxy = self._proxies.get(getattr(message, "topic", ""), (0, None))
                if proxy is not None and owner == node:
                    await proxy.receive(message)

    def _asked(self, other: Other, call: protocol.Call) -> None:
        if call.name == "loaded":
            message = protocol.Loaded(tuple(call.arguments["topics"]))
            self.directory.take(other.peer.id, message)
            self._keep_book(other.peer.id, message)
            other.tell(protocol.Result(call.no))
        elif self.hub.closing:
            other.tell(protocol.Fault(call.no, UNAVAILABLE.code, UNAVAILABLE.text))
        else:
            self.hub.nursery.start_soon(self.questions.answer, call, other.peer.send)

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

    def _keep_book(self, node: int, message: Message) -> None:
        """Topics that tell members on `me` of messages must know who is there."""
        on_me = self.hub.on_me
        if isinstance(message, protocol.Loaded):
            on_me.elsewhere.update(dict.fromkeys(filter(_is_me, message.topics), node))
        elif isinstance(message, protocol.Unloaded):
            self._forget(node, message.topics)
        else:
            if isinstance(message, protocol.Users):
                self._say_who_is_gone(message.gone, "closed")
                self._give_way(node, message.came)
            return
        on_me.version += 1

    def _forget(self, node: int, topics: Iterable[str]) -> None:
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
            if not self.is_here(user) and not self.hub.has_session(user):
                self.on_ended(user, reason)

    # --- members -------------------------------------------------------------------------

    def seen(self, members: tuple[Member, ...]) -> None:
        """The other members of now."""
        known = {member.id for member in members}
        gone = [member.id for member in self.members if member.id not in known]
        self.others.gone(gone)
        self.members = members
        for node in gone:
            self._lose(node, is_first=self.id < min(known, default=self.id + 1))
        if gone:
            self.others.ring()

    def _lose(self, node: int, *, is_first: bool) -> None:
        """A node is no member any more: whom it had is not online, unless he is elsewhere."""
        told = self.directory.forget(node)
        self._forget(node, told.topics)
        self.hub.on_me.version += 1
        self._lose_owner(node)
        self._announce_lost(told)
        if is_first:
            self._say_who_is_gone(told.users, "node lost")

    def _lose_owner(self, node: int) -> None:
        """Topics of a node are to be placed again."""
        for owner, proxy in list(self._proxies.values()):
            if owner == node:
                proxy.lose()

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

    def proxies(self) -> int:
        """How many topics of other nodes the sessions here use."""
        return len(self._proxies)

    def abandon(self) -> None:
        """The node is no member any more: nothing here is its own."""
        self._over = True
        self.jobs.abandon()
        for scope in list(self._life.values()):
            scope.cancel()
        for other in self.others:
            other.peer.reset("the node is no member any more")


def _is_me(topic: str) -> bool:
    return kind_of(topic) is Kind.ME


def _pieces(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(names)
    while piece := tuple(islice(rest, NAMES)):
        yield piece
