"""One topic's task: take what waits, decide, commit once, emit.

How it works. The inbox gives a batch of items. Plain ones (publications, notes) are decided
one after the other against a state that each changes at once; then their changes are
committed in one transaction, and only then anything is sent. Any other item is committed and
emitted by itself, before the next one's facts are fetched.

What it guarantees. Nothing is emitted that was not committed. If a commit fails, the items of
that batch are answered with an error, the state is thrown away and loaded again before the
next item. The task ends when its topic has been unused for a while, or at once when it was
deleted; nothing that was accepted into the inbox is lost by that. It also ends when there is
nothing to do (`rest`; another begins with the next item), and to go elsewhere (`leaving`).
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from math import inf
from typing import Any

import attrs
import trio

from ..changes import Batch, Change, Committed, Stale
from ..core.decision import Decision
from ..core.deeds import deeds
from ..core.effects import (
    Attach,
    Broadcast,
    CallIs,
    Detach,
    Effect,
    EndSessions,
    FollowChannel,
    Follows,
    Online,
    Page,
    Publish,
    Push,
    Reply,
    Retire,
    SendCode,
    Tell,
    Told,
)
from ..core.events import Gone, InboxGrew, Woken
from ..errors import INTERNAL, UNAVAILABLE, Answer, Refused, StoreError
from ..store.base import Store
from ..wire.server_packets import Ctrl
from .emission import Emission
from .fanout import FanOut
from .inbox import Inbox
from .link import Link
from .missing import Missing
from .quietly import after, in_order, is_unsaid, part, say
from .refusing import refusal
from .rules import Item, Rules, State, Surroundings, is_of_no_use, refusal_of

log = logging.getLogger(__name__)

_GREW = Item(InboxGrew())
PAUSE = 1.0  # seconds between attempts at what is due, while they fail


@attrs.define
class Runner:
    """The task of one topic."""

    state: State
    rules: Rules
    inbox: Inbox[Item]
    store: Store
    hub: Surroundings
    fanout: FanOut | None
    batch_size: int
    links: dict[str, Link] = attrs.field(factory=dict)
    leaving: bool = False  # the topic is to be elsewhere: the task ends, whatever waits
    taken: int = 0  # items so far
    first_seq: int | None = None  # the number of the last message when the topic was loaded
    _guests: dict[str, Link] = attrs.field(factory=dict)  # in a call, without being attached
    _loaded: bool = False
    _retired: bool = False
    _failed: bool = False  # since the inbox was last read
    busy_at: float = 0.0  # when something was taken last
    turn: int = 0  # grows with everything that is taken
    _idle: bool = False  # nothing is undecided, uncommitted or unsent
    _over: bool = False  # the topic is gone, or somebody else's
    _alarm: int = 0  # for what is due then (`State.wake_at`) an alarm is set
    _missing: Missing | None = None  # since something was
    _open: dict[int, Item] = attrs.field(factory=dict)  # taken, not answered yet; by identity

    async def run(self) -> None:
        """Serve the inbox until the topic is unused or gone, may rest (nudged) or is to leave."""
        while not self._may_end():
            self._set_alarm()
            self._failed = False
            self._idle = True
            items = await self.inbox.take(self.batch_size, inf)
            if not items:
                self.hub.tasks.ended(self.state.name)
                self.inbox.rest(partial(self.hub.tasks.begin, self))
                return
            self._idle = False
            self.turn += 1
            self.taken += len(items)
            items = self.rules.gathered(items)
            self._open = {id(item): item for item in items}
            self.busy_at = trio.current_time()
            try:
                await self._process(deque(items))
            except Exception:  # a bug must cost some requests, not the topic or the server
                log.exception("a batch failed", extra={"topic": self.state.name})
                self._give_up()
            del items  # an idle topic keeps nothing of its last batch
            self._open.clear()
        if not self.leaving:
            self._over = True
            self.hub.forget(self.state.name)

    def vacate(self) -> None:
        """The topic is elsewhere from now on: know nobody any more."""
        self._over = True
        for sid in self.links:
            self.hub.detached(self.state.name, sid)
        self.links.clear()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do, and the state is what the store holds."""
        return self._idle and self._loaded and self.inbox.is_empty and not self.leaving

    def _give_up(self) -> None:
        """Answer what is unanswered with an error; start again from the store."""
        self._loaded, self._failed = False, True
        for item in self._open.values():
            for effect in refusal(self.hub.env(), item, INTERNAL).effects:
                if isinstance(effect, Detach):
                    self._change_table(effect, item)
                elif item.link is not None and isinstance(effect, Reply):
                    say(effect, item.event, item.link)
            if item.link is not None:
                item.link.answered()

    def abandon(self) -> None:
        """The topic is somebody else's from now on, and the task was cancelled: answer what is
        unanswered, and know nobody any more. Sessions of other nodes keep their place: those
        see the link end, and return them to where the topic is then.
        """
        for item in self._open.values():
            for effect in refusal(self.hub.env(), item, UNAVAILABLE).effects:
                if isinstance(effect, Reply) and item.link is not None:
                    item.link.send(effect.packet)
            if item.link is not None:
                item.link.answered()
        self._open.clear()
        for link in self.links.values():
            if link.station is None:
                link.detach(self.state.name)
        self.vacate()

    def _may_end(self) -> bool:
        if self.leaving or not self.inbox.is_empty:
            return self.leaving
        return self.hub.closing or (self._retired and not self.links)

    def _set_alarm(self) -> None:
        """See to it that the task is woken when something is due."""
        at = self.state.wake_at
        if self._retired:
            self._wake()
        elif at and (at != self._alarm or self._failed):
            self._alarm = at
            wait = max((at - self.hub.now()) / 1000, PAUSE if self._failed else 0.0)
            ring = partial(self._ring, at)
            self.hub.tasks.alarms.at(trio.current_time() + wait, ring)

    def _ring(self, at: int) -> None:
        """What was due may have been put off meanwhile, or given up."""
        if self._over or at != self._alarm:
            return
        self._alarm = 0
        if 0 < self.state.wake_at <= self.hub.now():
            self._wake()
        else:
            self._set_alarm()

    def _wake(self) -> None:
        self.inbox.mark("due", Item(Woken()))

    async def _process(self, queue: deque[Item]) -> None:
        self._retired = False
        batch: list[tuple[Item, Decision]] = []
        while queue:
            item = queue.popleft()
            plain = self.rules.is_plain(item.event)
            if not plain or not self._loaded:
                await self._settle(batch)
            decision = await self.decide(item)
            batch.append((item, decision))
            if not plain:
                if decision.then is not None and item.link is not None:
                    item.link.asked()  # before the first answer: in between it is not done
                await self._settle(batch)
                if decision.then is not None and item.link is not None:
                    following = Item(after(item.event, decision.then), item.link)
                    self._open[id(following)] = following
                    queue.appendleft(following)
        await self._settle(batch)
        self._retired = is_of_no_use(self.state, self.hub.now()) or self._retired

    def _miss(self, item: Item) -> None:
        """The store was away, and nobody is told so who could say it again."""
        if item.link is None and self.rules.look is not None:
            if self._missing is None:
                self._missing = Missing(self.state.name, self.look_again, self.hub.tasks.alarms)
            self._missing.note()

    def look_again(self) -> None:
        """Let the topic, if it is of a kind that can (`Rules.look`), find what it has not heard."""
        if self.rules.look is not None and not self._over:
            self.inbox.mark("recheck", Item(self.rules.look))

    # --- load, decide, apply -------------------------------------------------------------

    async def _load(self) -> None:
        rows = self.rules.rows(self.state.name)
        self.state.load(*[await self.store.fetch(query) for query in rows])
        if self.first_seq is None:
            self.first_seq = self.state.last_seq
        self._loaded = True

    async def decide(self, item: Item) -> Decision:
        """The decision, its changes applied; a refusal or failure becomes a reply."""
        try:
            if not self._loaded:
                await self._load()
            env = self.hub.env()
            needed = self.rules.needs(self.state, item.event, env)
            facts = {query: await self.store.fetch(query) for query in needed} if needed else {}
            decision = self.rules.decide(self.state, item.event, facts, env)
        except Refused as no:
            return refusal(self.hub.env(), item, no.answer, no.params)
        except StoreError as error:
            self.hub.complaints.failed("facts could not be fetched", error, topic=self.state.name)
            self._failed = True
            self._miss(item)
            return refusal(self.hub.env(), item, error.answer)
        except Exception:  # a bug must cost one request, not the topic
            log.exception("a request failed", extra={"topic": self.state.name})
            self._loaded, self._failed = False, True
            return refusal(self.hub.env(), item, INTERNAL)
        for change in decision.changes:
            self.state.apply(change)
        return decision

    # --- commit, emit --------------------------------------------------------------------

    async def _settle(self, batch: list[tuple[Item, Decision]]) -> None:
        """Commit what the batch changed, then carry out its effects; empties `batch`."""
        if not batch:
            return
        settled = list(batch)
        batch.clear()
        made = [(item.event, decision.changes) for item, decision in settled]
        changes = tuple([change for _, some in made for change in some])
        failure = None
        if not self.rules.stored:
            failure = None if self.hub.holds() else (UNAVAILABLE, None)
        elif changes:
            patient = all(isinstance(item.event, Gone) for item, _ in settled)
            told = deeds(self.state.name, made, self.hub.now())
            failure = await self._commit((*changes, *told), patient=patient)
        if failure is not None:
            self._loaded, self._failed = False, True
            for item, _ in settled:
                self._miss(item)
            settled = [(item, refusal(self.hub.env(), item, *failure)) for item, _ in settled]
        await self._emit(settled)

    async def _commit(
        self, changes: tuple[Change, ...], *, patient: bool
    ) -> tuple[Answer, Any] | None:
        """None if the changes are stored; else what to answer. `patient`: nobody waits for it."""
        began = trio.current_time()
        try:
            outcome = await self.store.commit(Batch(changes, self.hub.now(), patient))
        except StoreError as error:
            self.hub.complaints.failed("a commit failed", error, topic=self.state.name)
            return error.answer, None
        if isinstance(outcome, Committed):
            self.hub.tally.commits.add(trio.current_time() - began)
            return None
        if isinstance(outcome, Stale):
            log.warning("the topic has another owner", extra={"topic": self.state.name})
        return refusal_of(outcome)

    async def _emit(self, settled: list[tuple[Item, Decision]]) -> None:
        emission = Emission(self.fanout)
        for item, decision in settled:
            for effect in decision.effects:
                if emission.is_large or isinstance(effect, EndSessions):
                    await emission.flush()
                self.carry_out(effect, item, emission)
        await emission.flush()
        tally = self.hub.tally
        tally.deliveries += emission.delivered
        if emission.delivered:
            tally.delivered.add(trio.current_time() - self.busy_at)
        for item, _ in settled:
            self._open.pop(id(item), None)
            if item.link is not None:
                item.link.answered()

    def carry_out(self, effect: Effect, item: Item, emission: Emission) -> None:
        match effect:
            case Publish():
                emission.publish(effect.message, effect.skip)
                if self.fanout is not None:
                    self.hub.published(self.fanout, effect)
                if effect.inboxes and not emission.is_repeated(effect.inboxes):
                    for user in effect.inboxes:
                        self.hub.tell(user, _GREW)
            case Reply():
                link = self._link(effect.sid, item)
                if link is not None and is_unsaid(effect, item.event):
                    part(effect, link)
                elif link is not None:
                    emission.send(link, effect.packet)
                    if type(effect.packet) is Ctrl:
                        self.hub.tally.answered(effect.packet.code)
            case Tell():
                self.hub.tell(effect.topic, Item(effect.notice))
            case Page():
                link = self._link(effect.sid, item)
                if link is not None:
                    emission.page(link, in_order(effect, item.event))
            case Broadcast():
                found = [self.links[sid] for sid in effect.sids if sid in self.links]
                emission.broadcast(self.state, effect.packet, found)
            case EndSessions():
                self.hub.end_sessions(effect)
            case SendCode():
                self.hub.send_code(effect)
            case Retire():
                self._retired = True
            case Push() | FollowChannel():
                self.hub.push(effect)
            case Attach() | Detach() | Online():
                self._change_table(effect, item)
            case CallIs():
                self.state.follow(effect)
                self._keep_guest(effect, item)
            case Told():
                self.state.follow(effect)
                for station in {link.station for link in self.links.values()}:
                    if station is not None:
                        station.shows(self.state.name, effect.topic, online=effect.online)
            case Follows():
                self.state.follow(effect)
                if effect.sid in self.links:
                    self.links[effect.sid].follows(effect.n)
            case _:
                self.state.follow(effect)

    def _keep_guest(self, effect: CallIs, item: Item) -> None:
        """A call may be answered by a session that is not attached: it can still be reached."""
        if effect.call is None:
            self._guests.clear()
        elif item.link is not None and item.link.sid == effect.call.callee_sid:
            self._guests[item.link.sid] = item.link

    def _link(self, sid: str, item: Item) -> Link | None:
        if item.link is not None and item.link.sid == sid:
            return item.link
        return self.links.get(sid) or self._guests.get(sid)

    def _change_table(self, effect: Attach | Detach | Online, item: Item) -> None:
        self.state.follow(effect)
        name = self.state.name
        match effect:
            case Attach():
                sid = effect.attached.sid
                link = self._link(sid, item)
                assert link is not None  # a session attaches itself, or is here already
                self.links[sid] = link
                shown = self.rules.shown(self.state)
                link.attach(name, self.inbox, self.state.last_seq, shown)
                self.hub.attached(name, sid)
                if link.ended:
                    self.inbox.mark(("gone", sid), Item(Gone(sid)))
            case Detach():
                left = self.links.pop(effect.sid, None)
                if left is not None:
                    left.detach(name)
                    self.hub.detached(name, effect.sid)
            case Online():
                self.hub.went(name, online=effect.on)
