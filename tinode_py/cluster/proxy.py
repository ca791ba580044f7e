"""A topic of another node, as this node's sessions see it.

A proxy has the topic's inbox here and hands on what comes; it keeps the table of the sessions
that are attached, so that an event crosses the wire once and is fanned out here. It decides
nothing.

When the topic's owner is lost, or lets go of it, the topic is placed again, perhaps here. What was
unanswered when it was lost is answered 503: nobody knows whether it was done. An owner that lets
go answers it or gives it back, and it is asked of the next one. Attached sessions return by
themselves: the proxy asks for them, in a request that they never see, and they get what they have
missed, the oldest first. A session that cannot return, or has missed too much, is ended: its
client comes back and reads what it lacks. So a gap is never silent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from math import inf

import attrs
import trio
from msgspec import structs

from .. import ids
from ..core.events import Asked, Awake, Brought, Caller, Gone, NewLogin, PublishIs, Woken
from ..errors import UNAVAILABLE, UNREACHABLE, Answer
from ..ids import Kind
from ..live.inbox import Inbox
from ..live.link import Link
from ..live.moving import Seated
from ..live.placement import mark_of
from ..live.quietly import is_quiet
from ..live.rules import Item
from ..wire.client_packets import Note, Sub
from ..wire.parts import Time
from ..wire.server_packets import Ctrl
from . import protocol
from .groups import Groups
from .protocol import Message
from .returning import LATE, MISSED, TURNED_AWAY, Return, missed

log = logging.getLogger(__name__)

BATCH = 200  # items handed on before others get their turn
PATIENCE = 5.0  # seconds for a former owner to give back what it has not done
IDLE = 30.0  # seconds after which a proxy that nobody uses ends

Send = Callable[[Message], bool]


@attrs.define(eq=False)
class Proxy:
    """One topic of another node. `now` is milliseconds since 1970."""

    topic: str
    inbox: Inbox[Item]
    now: Callable[[], int]
    link_of: Callable[[str], Link | None]  # sessions of this node
    is_closing: Callable[[], bool] = lambda: False  # the server ends, and with it all proxies
    links: dict[str, Link] = attrs.field(factory=dict)  # attached
    moved: bool = True  # nobody knows where the topic is
    turn: int = 0  # see `protocol.Submit`
    bounced_by: int = 0  # the node that was taken for the owner last
    _gives_back: bool = False  # the owner that was, all that it has not done
    _given_back: list[Item] = attrs.field(factory=list)
    _settled: trio.Event = attrs.field(factory=trio.Event)  # rung when nothing is unanswered
    _send: Send = attrs.field(default=lambda message: False)
    _tell: Send = attrs.field(default=lambda message: False)
    _open: dict[str, deque[Item]] = attrs.field(factory=dict)  # unanswered, by session
    _callers: dict[str, tuple[Caller, str]] = attrs.field(factory=dict)
    _returning: dict[str, Return] = attrs.field(factory=dict)
    _groups: Groups = attrs.field(factory=Groups)
    _had: dict[str, int] = attrs.field(factory=dict)  # messages that a session got by itself
    _follows: dict[str, int] = attrs.field(factory=dict)
    _shown: frozenset[str] = frozenset()  # contacts that sessions on `me` take for online
    delivered: int = 0

    # --- the task ------------------------------------------------------------------------

    async def run(self, send: Send, tell: Send) -> bool:
        """Hand on what comes, until the topic is no longer there (False), or nobody uses it here
        (True). `send` gives the owner a message; False if that cannot be. `tell` as well, for
        what must not be missing: the owner is lost if it cannot be.
        """
        self._send, self._tell, self.moved, self._gives_back = send, tell, False, False
        for item in self.returning():
            self._hand_on(item)
        while True:
            items = await self.inbox.take(BATCH, inf if self._in_use else IDLE)
            if self._has_moved():
                self.inbox.put_first(items)
                await self._take_back()
                return False
            for item in items:
                self._hand_on(item)
            unused = not items and not self._in_use
            if self.inbox.is_empty and (unused or self.is_closing()):
                return True

    def _has_moved(self) -> bool:
        return self.moved

    @property
    def _is_me(self) -> bool:
        return ids.kind_of(self.topic) is Kind.ME

    @property
    def _in_use(self) -> bool:
        return bool(self.links or self._open)

    def lose(self) -> None:
        """The owner is lost: nobody knows what it has done."""
        self._gives_back = False
        self._settled.set()
        self._place_again()

    def _place_again(self) -> None:
        if not self.moved:
            self.moved = True
            self.inbox.mark("moved", Item(Woken()))

    def let_go(self) -> None:
        """The owner owns the topic no longer, and says what became of all that it was asked."""
        if not self.moved:
            self._gives_back = True
        self._place_again()

    async def _take_back(self) -> None:
        with trio.move_on_after(PATIENCE):
            while self._gives_back and self._open:
                self._settled = trio.Event()
                await self._settled.wait()
        self._refuse_open()
        self._put_back()

    def _put_back(self) -> None:
        """What was given back is asked again, in the order in which it was asked."""
        self.inbox.put_first(self._given_back)
        self._given_back = []

    def adopt(self, sessions: Iterable[Seated], shown: Iterable[str] = ()) -> None:
        """The topic was here until now: its sessions of this node return to it where it is."""
        for known in (self.links, self._callers, self._returning, self._had, self._follows):
            known.clear()
        for it in sessions:
            sid = it.link.sid
            self.links[sid], self._callers[sid] = it.link, (it.caller, it.named)
            self._had[sid] = it.had
            if it.follows is not None:
                self._follows[sid] = it.follows
        self._shown = frozenset(shown)

    def refuse_all(self, answer: Answer) -> None:
        """Whatever was asked is refused: nobody can be asked for the time being. Notices wait, if
        anybody is here whom they may concern.
        """
        self._refuse_open()
        self._put_back()
        for item in self.inbox.take_nowait():
            if isinstance(item.event, Gone):
                self._forget(item.event.sid)
            elif item.link is not None:
                self._refuse(item, answer)
            elif self.links and not isinstance(item.event, Woken):
                self._keep(item)

    def _keep(self, item: Item) -> None:
        """Put a notice back, coalesced as it may have been: there are never more than fit."""
        key = mark_of(item.event)
        if key is None:
            self.inbox.put_nowait(item)
        else:
            self.inbox.mark(key, item)

    def returning(self) -> list[Item]:
        """The requests by which attached sessions return to the topic, wherever it is now."""
        self._had = {sid: self._last_of(sid) for sid in self.links}
        self._groups.clear()
        found = []
        for sid, link in list(self.links.items()):
            if link.ended or sid not in self._callers:
                self._forget(sid)
                continue
            caller, named = self._callers[sid]
            back = self._returning.get(sid)
            shown = self._shown if back is None or back.joined is not None else back.shown
            get = missed(self.topic, self._had[sid], self._follows.get(sid))
            sub = Sub(topic=named, get=get)
            event = Asked(caller, sub, named, quiet=True, shown=tuple(sorted(shown)))
            self._returning[sid] = Return(self._had[sid], shown)
            link.asked()
            found.append(Item(event, link))
        return found

    def _last_of(self, sid: str) -> int:
        """The last message that a session got, with nothing missing before it."""
        if sid in self._returning:
            return self._returning[sid].had
        return max(self._had.get(sid, 0), self._groups.last_of(sid))

    def had(self, sid: str) -> int:
        """The last message that a returning session got."""
        return self._had.get(sid, 0)

    # --- to the owner --------------------------------------------------------------------

    def _hand_on(self, item: Item) -> None:
        event, link = item.event, item.link
        if isinstance(event, Woken):
            return
        if isinstance(event, Gone) and event.sid in self._returning:
            self._forget(event.sid)
        if isinstance(event, Awake) and event.sid in self._callers:
            caller, named = self._callers[event.sid]
            self._callers[event.sid] = structs.replace(caller, background=False), named
        if link is None:
            self._tell(protocol.Submit(self.topic, event))
            return
        if isinstance(event, Asked) and isinstance(event.request, Sub):
            self._callers[link.sid] = event.caller, event.named
        elif isinstance(event, Brought):
            self._callers[link.sid] = event.caller, self.topic
        send = self._tell if is_quiet(item.event) else self._send
        if send(protocol.Submit(self.topic, event, link.sid, link.form, self.turn)):
            self._open.setdefault(link.sid, deque()).append(item)
        else:
            self._refuse(item, UNREACHABLE)

    def _refuse_open(self) -> None:
        """Answer what is unanswered: whether it was done is not known."""
        for items in list(self._open.values()):
            for item, before in zip(items, (None, *items), strict=False):
                if item is before and item.link is not None:
                    item.link.answered()  # of one request, and refused once
                else:
                    self._refuse(item, UNAVAILABLE)
        self._open.clear()

    def _refuse(self, item: Item, answer: Answer) -> None:
        link, event = item.link, item.event
        if link is None:
            return
        asked = event.asked if isinstance(event, NewLogin | PublishIs) else event
        if isinstance(asked, Asked) and not asked.quiet and not isinstance(asked.request, Note):
            ident = getattr(asked.request, "id", "")
            link.send(Ctrl(answer.code, answer.text, Time(self.now()), ident, asked.named))
        link.answered()

    # --- from the owner ------------------------------------------------------------------

    async def receive(self, message: Message) -> None:
        """Take what the owner says of the topic."""
        match message:
            case protocol.Fan():
                self.delivered += await self._groups.fan(message)
            case protocol.Frames():
                self._frames(message)
            case protocol.Group():
                self._regroup(message)
            case protocol.Answered():
                self._answered(message.sid)
            case protocol.Asking():
                self._asking(message.sid)
            case protocol.Joined():
                self._joined(message)
            case protocol.Shown(contact=contact, online=online):
                one = frozenset({contact})
                self._shown = self._shown | one if online else self._shown - one
            case protocol.Left():
                self._left(message.sid)
            case protocol.Following():
                self._follows.pop(message.sid, None)
            case protocol.Ended():
                self._end(message.sid, message.reason)
            case protocol.Bounced():
                self._bounced(message)
            case protocol.Moved():
                self.let_go()

    def _frames(self, message: protocol.Frames) -> None:
        for sid in message.sids:
            link = self._link(sid)
            if link is not None:
                link.outlet.push(message.frames)
            if message.seq is not None and sid in self._had:
                known = self._follows if self._is_me else self._had
                known[sid] = max(known.get(sid, 0), message.seq)

    def _link(self, sid: str) -> Link | None:
        """A session that is attached, has asked, or (in a call) is just here."""
        link = self.links.get(sid)
        if link is None and sid in self._open:
            return self._open[sid][0].link
        return link or self.link_of(sid)

    def _regroup(self, message: protocol.Group) -> None:
        for sid, seq in self._groups.become(message, self.links):
            if sid in self._had:
                self._had[sid] = max(self._had[sid], seq)

    def _answered(self, sid: str) -> None:
        items = self._open.get(sid)
        if not items:
            return
        item = self._close(sid, items)
        assert item.link is not None
        item.link.answered()
        returning = self._returning.get(sid)
        if returning is not None and not any(is_quiet(it.event) for it in items):
            if returning.joined is None:
                self._end(sid, TURNED_AWAY)
            else:
                self._had[sid] = returning.joined
                del self._returning[sid]

    def _close(self, sid: str, items: deque[Item]) -> Item:
        """The first of a session's requests is open no longer."""
        item = items.popleft()
        if not items:
            del self._open[sid]
        if not self._open:
            self._settled.set()
        return item

    def _asking(self, sid: str) -> None:
        items = self._open.get(sid)
        if items:
            first = items[0]
            assert first.link is not None
            first.link.asked()
            items.insert(1, first)  # the {get} in a {sub}

    def _joined(self, message: protocol.Joined) -> None:
        sid = message.sid
        link = self._link(sid)
        if link is None or link.ended:
            self._tell(protocol.Submit(self.topic, Gone(sid)))
            return
        self.links[sid] = link
        link.attach(self.topic, self.inbox, message.seq)
        self._shown = frozenset(message.shown)
        returning = self._returning.get(sid)
        if returning is None:
            self._had[sid] = message.seq
            return
        returning.joined = message.seq
        if message.seq - returning.had > MISSED:
            self._end(sid, LATE)

    def _left(self, sid: str) -> None:
        self._forget(sid)
        self._groups.left(sid)

    def _bounced(self, message: protocol.Bounced) -> None:
        """The owner is none: what it did not take waits for the next one."""
        items = self._open.get(message.sid)
        if items:
            if is_quiet((item := self._close(message.sid, items)).event) and item.link is not None:
                item.link.answered()  # it is asked again for all who return
            else:
                self._given_back.append(item)
        elif not message.sid:
            self._given_back.append(Item(message.event))
        self.let_go()

    def _end(self, sid: str, reason: str) -> None:
        link = self.links.get(sid)
        self._forget(sid)
        if link is not None:
            log.info("a session is ended: %s", reason, extra={"topic": self.topic, "session": sid})
            link.outlet.finish(1012, reason)

    def _forget(self, sid: str) -> None:
        self._callers.pop(sid, None)
        self._follows.pop(sid, None)
        self._returning.pop(sid, None)
        self._had.pop(sid, None)
        link = self.links.pop(sid, None)
        if link is not None:
            link.detach(self.topic)
