"""Where the topics are that somebody here uses: on this node, or on another one.

A topic that is asked for is claimed in the store. If it becomes ours its task runs here; if it is
another node's, a proxy hands on what comes. It is placed again whenever its owner is lost.

A topic that is here may be given to another node, between two batches of its task. Sessions of all
nodes then return to it, as they do when an owner is lost; but what was asked and not done is kept,
and asked of the new owner. Whoever did not take part in it, or was cut off in the middle, finds out
in the store, as ever.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from math import inf

import attrs
import trio

from ..core.events import Gone, Woken
from ..errors import INTERNAL, UNAVAILABLE, UNREACHABLE, StoreError
from ..live.hub import Hub
from ..live.inbox import Inbox
from ..live.link import Link
from ..live.moving import leave, may_move, seated
from ..live.quietly import is_quiet
from ..live.rules import Item
from ..live.runner import Runner
from . import protocol
from .announcing import Announcing
from .claims import Claims
from .guests import GuestLink
from .others import Other, Others
from .protocol import Message
from .proxy import Proxy
from .returning import LATE, MISSED, TURNED_AWAY

log = logging.getLogger(__name__)

SETTLED = 2.0  # seconds after which a topic that was given away is at home elsewhere
LOOK = 1.0  # seconds for sessions to return to a topic
PAUSE = 0.5  # seconds before the store is asked again, after it could not be

Own = Callable[[str, Inbox[Item]], Runner]  # the task of a topic that is here


@attrs.define(eq=False)
class Serving:
    """The tasks and proxies of the member `id`."""

    id: int
    hub: Hub
    claims: Claims
    others: Others
    announcing: Announcing = attrs.field(init=False)
    _proxies: dict[str, tuple[int, Proxy]] = attrs.field(factory=dict)  # with the owner
    _life: dict[str, trio.CancelScope] = attrs.field(factory=dict)  # of tasks of topics
    _running: dict[str, Runner] = attrs.field(factory=dict)
    # Sessions of this node that return to a topic that is here now, and what they had.
    _arriving: dict[str, dict[str, int]] = attrs.field(factory=dict)
    _giving: dict[str, int] = attrs.field(factory=dict)  # topics of this node, and to whom
    _given_at: dict[str, float] = attrs.field(factory=dict)
    _given: set[str] = attrs.field(factory=set)  # topics that are to be ours, as others say
    _turns: int = 0
    _over: bool = False  # the node is no member any more
    gave: trio.Event = attrs.field(factory=trio.Event)  # set when one of them is done with
    moved: int = 0  # topics given away so far
    kept: int = 0  # topics that were to be given away, and could not be

    @announcing.default
    def _announcing(self) -> Announcing:
        return Announcing(self.others.announce)

    async def serve(self, topic: str, inbox: Inbox[Item], own: Own) -> None:
        """As `Placement.serve`."""
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

    async def _tried(self, proxy: Proxy, own: Own) -> bool:
        try:
            return await self._served(proxy, own)
        except Exception:  # a bug must cost some requests, not the server
            log.exception("a proxy failed", extra={"topic": proxy.topic})
            proxy.refuse_all(INTERNAL)
            await trio.sleep(PAUSE)
            return self._is_over(proxy)

    async def _served(self, proxy: Proxy, own: Own) -> bool:
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
            return await self._run(proxy, own(topic, proxy.inbox))
        self._given.discard(topic)
        self._sort_out(proxy)
        other = await self.others.reached(owner)
        if other is None:
            proxy.refuse_all(UNREACHABLE)
            return self._is_over(proxy)
        return await self._stood_in(proxy, other)

    async def _stood_in(self, proxy: Proxy, other: Other) -> bool:
        """The topic is on another node, until nobody here uses it; False: until it is there no
        longer.
        """
        topic, owner = proxy.topic, other.peer.id
        self._proxies[topic] = (owner, proxy)
        if proxy.bounced_by == owner:
            other.tell(protocol.Given(topic))  # it did not know
        self._turns += 1
        proxy.bounced_by, proxy.turn = 0, self._turns
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

    async def _run(self, proxy: Proxy, runner: Runner) -> bool:
        """The topic is here, until it is used no more; False: until it was given away."""
        topic = proxy.topic
        await self.announcing.announce(topic)
        items = proxy.returning()
        proxy.inbox.put_first(items)
        for item in items:
            assert item.link is not None
            self._arriving.setdefault(topic, {})[item.link.sid] = proxy.had(item.link.sid)
            self.hub.nursery.start_soon(self._check, runner, item.link)
        if topic in self._given:
            self._given.discard(topic)
            self._given_at[topic] = trio.current_time()
            self.hub.nursery.start_soon(self._look, runner)
        try:
            while await self._ran(runner):
                if await self._gave(proxy, runner):
                    return False
        except trio.Cancelled:
            runner.abandon()
            raise
        self._arriving.pop(topic, None)
        self._given_at.pop(topic, None)
        self.claims.release(topic)
        self.others.tell(protocol.Unloaded((topic,)))
        for other in self.others:
            other.guests.release(topic)
        return True

    async def _ran(self, runner: Runner) -> bool:
        """Run the topic's task; whether it has ended because the topic is to be given away."""
        topic = runner.state.name
        self._running[topic] = runner
        try:
            await runner.run()
        finally:
            del self._running[topic]
        return runner.leaving

    async def _look(self, runner: Runner) -> None:
        """A `me` looks for what its sessions may have missed while they had none."""
        await trio.sleep(LOOK)
        runner.look_again()

    # --- giving away ---------------------------------------------------------------------

    def begin_to_give(self, topic: str, to: int) -> bool:
        """Give a topic that is here to another node, as soon as its task is done with what it is
        at. False if that cannot be.
        """
        runner = self._running.get(topic)
        if runner is None or runner.leaving or not may_move(runner) or self.others.get(to) is None:
            return False
        self._giving[topic] = to
        leave(runner)
        return True

    def running(self, topic: str) -> Runner | None:
        """The task of a topic that is here."""
        return self._running.get(topic)

    def given_at(self, topic: str) -> float:
        """When a topic was given to this node, by Trio's clock, if that was so."""
        return self._given_at.get(topic, -inf)

    def topics(self) -> list[str]:
        """The topics that are here, and are used."""
        return list(self._running)

    @property
    def giving(self) -> int:
        """How many topics are being given away."""
        return len(self._giving)

    async def _gave(self, proxy: Proxy, runner: Runner) -> bool:
        """Give the topic away, whose task has ended; False if it stays here."""
        topic, to = proxy.topic, self._giving[runner.state.name]
        try:
            given = self._is_free(runner) and await self._is_given(topic, to)
        finally:
            del self._giving[topic]
            runner.leaving = False
            self.gave.set()
            self.gave = trio.Event()
        if not given:
            self.kept += 1
            return False
        self.moved += 1
        self._given_at.pop(topic, None)
        self.hub.stand_in(topic, proxy.inbox)
        other = self.others.get(to)
        if other is not None:
            other.tell(protocol.Given(topic))
        for sid, had in self._arriving.pop(topic, {}).items():
            if (link := self.hub.link_of(sid)) is not None:
                self._judge(runner, link, had)
        proxy.adopt(seated(runner), runner.rules.shown(runner.state))
        runner.vacate()
        self._sort_out(proxy)
        for other in self.others:
            other.guests.release(topic)
        self.hub.nursery.start_soon(self._settle, topic)
        log.debug("the topic was given to node %s", to, extra={"topic": topic})
        return True

    def _is_free(self, runner: Runner) -> bool:
        """Whether the topic may go now: not before sessions of this node have returned to it."""
        return may_move(runner) and not runner.inbox.waits(_returns)

    async def _is_given(self, topic: str, to: int) -> bool:
        given = await self.claims.give(topic, to)
        while given is None:  # it may have taken place
            try:
                given = await self.claims.owner(topic) != self.id
            except StoreError:
                await trio.sleep(PAUSE)
        return given

    def _sort_out(self, proxy: Proxy) -> None:
        """What sessions of other nodes have asked is theirs to ask elsewhere; whether such a
        session is gone they say there.
        """
        kept = []
        for item in proxy.inbox.take_nowait():
            if isinstance(item.link, GuestLink):
                item.link.bounce(item.event)
            elif not isinstance(item.event, Gone) or item.event.sid in proxy.links:
                kept.append(item)
        proxy.inbox.put_first(kept)

    async def _settle(self, topic: str) -> None:
        """Until the topic is at home elsewhere, this node stands for it: so nobody is taken for
        gone, and no notice for one to a topic that is nowhere.
        """
        await trio.sleep(SETTLED)
        if not isinstance(self.hub.loaded(topic), Runner):  # it may have come back
            self.hub.went(topic, online=False)
            self.others.tell(protocol.Unloaded((topic,)))

    def given(self, topic: str) -> None:
        """Another node says that a topic is ours. The store says whether that is so."""
        if topic in self._running or self.hub.closing:
            return
        self._given.add(topic)
        if topic in self._proxies:
            self.hub.nursery.start_soon(self._reconsider, topic)
        else:
            self.hub.submit(topic, Item(Woken()))

    async def _reconsider(self, topic: str) -> None:
        """Look whether a topic that was another node's is ours, of which that says nothing yet."""
        with contextlib.suppress(StoreError):
            if await self.claims.owner(topic) == self.id and topic in self._proxies:
                self._proxies[topic][1].let_go()

    def is_elsewhere(self, topic: str) -> bool:
        """Whether another node has the topic, as far as is known here."""
        found = self._proxies.get(topic)
        return found is not None and not found[1].moved

    async def _check(self, runner: Runner, link: Link) -> None:
        await link.wait_unanswered(0)
        had = self._arriving.get(runner.state.name, {}).pop(link.sid, None)
        if had is not None:
            self._judge(runner, link, had)

    def _judge(self, runner: Runner, link: Link, had: int) -> None:
        """A session that could not return to a topic, or has missed too much, is ended."""
        if link.ended:
            return
        if runner.links.get(link.sid) is not link:
            link.outlet.finish(1012, TURNED_AWAY)
        elif (runner.first_seq or 0) - had > MISSED:
            link.outlet.finish(1012, LATE)

    async def receive(self, node: int, message: Message) -> None:
        """What another node says of one of its topics."""
        owner, proxy = self._proxies.get(getattr(message, "topic", ""), (0, None))
        if proxy is not None and owner == node:
            await proxy.receive(message)
            if isinstance(message, protocol.Bounced):
                proxy.bounced_by = node

    def lose(self, node: int) -> None:
        """Topics of a node are to be placed again."""
        for owner, proxy in list(self._proxies.values()):
            if owner == node:
                proxy.lose()

    def proxies(self) -> int:
        """How many topics of other nodes the sessions here use."""
        return len(self._proxies)

    def abandon(self) -> None:
        """The node is no member any more: no topic is its own."""
        self._over = True
        for scope in list(self._life.values()):
            scope.cancel()


def _returns(item: Item) -> bool:
    return is_quiet(item.event) and not isinstance(item.link, GuestLink)
