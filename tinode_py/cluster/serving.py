"""Where the topics are that somebody here uses: on this node, or on another one.

A topic that is asked for is claimed in the store. If it becomes ours its task runs here; if it is
another node's, a proxy hands on what comes. It is placed again whenever its owner is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import trio

from ..errors import INTERNAL, UNAVAILABLE, UNREACHABLE, StoreError
from ..ids import Kind, kind_of
from ..live.hub import Hub
from ..live.inbox import Inbox
from ..live.link import Link
from ..live.rules import Item
from ..live.runner import Runner
from . import protocol
from .announcing import Announcing
from .claims import Claims
from .others import Others
from .protocol import Message
from .proxy import LATE, MISSED, TURNED_AWAY, Proxy

log = logging.getLogger(__name__)

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
    _over: bool = False  # the node is no member any more

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

    async def receive(self, node: int, message: Message) -> None:
        """What another node says of one of its topics."""
        owner, proxy = self._proxies.get(getattr(message, "topic", ""), (0, None))
        if proxy is not None and owner == node:
            await proxy.receive(message)

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
