"""Topic names to inboxes: starts a topic's task on first use, forgets it when it ends.

Also the one place that knows who is online on this server, and which sessions a user has.
Everything here is synchronous; tasks of topics run in the nursery that the hub was given.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator

import attrs
import trio

from ..config import Settings
from ..core import me
from ..core.decision import Env
from ..core.effects import EndSessions, FollowChannel, Publish, Push, SendCode
from ..core.events import Confirmed, InboxGrew, Presence, Woken
from ..hooks.before import Before
from ..store.base import Store
from ..wire.client_packets import Pub
from ..wire.server_packets import Ctrl
from .admissions import Admissions
from .attendance import Attendance
from .complaints import Complaints
from .couriers import Couriers
from .everywhere import Everywhere
from .fanout import FanOut, OnMe, word_for, word_of
from .inbox import Inbox
from .kinds import runner_of
from .link import Link
from .placement import Companions, Placement
from .pushing import Pushing
from .resting import Tasks
from .rooms import Rooms, rooms_in
from .rules import Item
from .runner import Runner
from .tally import Tally
from .tickets import Tickets

log = logging.getLogger(__name__)


@attrs.frozen
class HubStatistics:
    """Counts of now, except `dropped`: notices that found a full inbox, since the start."""

    topics: int
    sessions: int
    users: int
    rooms: int
    dropped: int


@attrs.frozen(eq=False)
class Seat:
    """A topic that is somewhere else, or nobody knows yet where: what comes for it waits here."""

    inbox: Inbox[Item]
    state: None = None


@attrs.define(eq=False)
class Hub:
    """All topics that are loaded on this server, and all its sessions."""

    settings: Settings
    store: Store
    nursery: trio.Nursery
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    couriers: Couriers
    pushing: Pushing | None = None
    attendance: Attendance | None = None
    before: Before | None = None
    placement: Placement | None = None  # None: all is here
    companions: Companions | None = None
    near: bool = False  # the store answers what is bounded without a checkpoint
    everywhere: Everywhere = attrs.field(
        init=False, default=attrs.Factory(Everywhere, takes_self=True)
    )
    tasks: Tasks = attrs.field(
        init=False, default=attrs.Factory(lambda hub: Tasks(hub.nursery), takes_self=True)
    )
    _runners: dict[str, Runner | Seat] = attrs.field(factory=dict)
    _online: set[str] = attrs.field(factory=set)
    _sessions: dict[str, Link] = attrs.field(factory=dict)
    _of_user: dict[str, dict[str, Link]] = attrs.field(factory=dict)
    _agents: dict[str, str] = attrs.field(factory=dict)
    on_me: OnMe = attrs.field(factory=OnMe)
    rooms: Rooms = attrs.field(factory=Rooms)
    tally: Tally = attrs.field(factory=Tally)
    complaints: Complaints = attrs.field(factory=lambda: Complaints(log, trio.current_time))
    tickets: Tickets = attrs.field(factory=Tickets)
    admissions: Admissions = attrs.field(
        init=False, default=attrs.Factory(Admissions, takes_self=True)
    )
    scheduled: trio.Event = attrs.field(factory=trio.Event)  # more is to be sent later
    draining: bool = False  # nothing new is taken on
    closing: bool = False
    _dropped: int = 0
    _env: Env | None = None  # of this millisecond
    _ended: trio.Event = attrs.field(factory=trio.Event)

    def statistics(self) -> HubStatistics:
        return HubStatistics(
            len(self._runners),
            len(self._sessions),
            len(self._of_user),
            self.rooms.count(),
            self._dropped,
        )

    def env(self) -> Env:
        """What a decision may know of the world, as of now."""
        now, env = self.now(), self._env
        if env is None or env.now != now or env.settings is not self.settings:
            pushing = self.pushing is not None
            online = self._online.__contains__ if self.placement is None else self.is_online
            rooms = (self.count_rooms, lambda user: len(self.rooms_of(user)))
            env = Env(self.settings, now, online, pushing, self.random_bytes, *rooms)
            self._env = env
        return env

    def is_online(self, name: str) -> bool:
        """Whether a user or group is online, here or elsewhere."""
        return name in self._online or (
            self.placement is not None and self.placement.is_online(name)
        )

    def holds(self) -> bool:
        """Whether what is here is nobody else's: what no store confirms may be acknowledged."""
        return self.placement is None or self.placement.holds()

    # --- topics --------------------------------------------------------------------------

    def submit(self, name: str, item: Item) -> bool:
        """Hand an item to a topic, which is loaded if need be; False if its inbox is full."""
        runner = self._runners.get(name) or self._start(name)
        if item.link is not None:
            item.link.asked()
        if runner.inbox.put_nowait(item):
            return True
        if item.link is not None:
            item.link.answered()
        return False

    def _start(self, name: str) -> Runner | Seat:
        inbox: Inbox[Item] = Inbox(self.settings.limits.inbox)
        if self.placement is None:
            runner = self._own(name, inbox)
            self.tasks.begin(runner)
            return runner
        self.nursery.start_soon(self.placement.serve, name, inbox, self._own, name=f"topic {name}")
        return self.stand_in(name, inbox)

    def stand_in(self, name: str, inbox: Inbox[Item]) -> Seat:
        """A topic is elsewhere, or nobody knows yet where."""
        self._runners[name] = seat = Seat(inbox)
        return seat

    def _own(self, name: str, inbox: Inbox[Item]) -> Runner:
        """The task of a topic that is here, known from now on."""
        runner = self._runners[name] = runner_of(self, name, inbox)
        return runner

    def tell(self, topic: str, item: Item) -> None:
        """A notice to a topic if it is loaded. Never waits; a full inbox drops and counts."""
        runner = self._runners.get(topic)
        if runner is None:
            if self.placement is not None:
                self.placement.tell(topic, item.event)
            return
        event = item.event
        if isinstance(event, InboxGrew):
            if not isinstance(runner.state, me.MeState) or runner.state.follows:
                runner.inbox.mark("inbox", item)
        elif isinstance(event, Presence) and event.what in ("on", "off"):
            runner.inbox.mark(("presence", event.src), item)
        elif not runner.inbox.put_nowait(item):
            self._dropped += 1

    def forget(self, topic: str) -> None:
        self._runners.pop(topic, None)
        self.tasks.ended(topic)
        self._ended.set()

    def went(self, topic: str, *, online: bool) -> None:
        if self.placement is not None:
            self.placement.went(topic, online=online)
        if online:
            self._online.add(topic)
        else:
            self._online.discard(topic)

    def attached(self, topic: str, sid: str) -> None:
        if topic.startswith("usr"):
            self.on_me.add(topic, sid)
        elif topic.startswith("tmp"):
            self.rooms.came(topic)

    def detached(self, topic: str, sid: str) -> None:
        if topic.startswith("usr"):
            self.on_me.remove(topic, sid)
            if self._agents.get(topic) == sid:
                del self._agents[topic]
        elif topic.startswith("tmp"):
            self.rooms.went(topic)

    def published(self, fanout: FanOut, effect: Publish) -> None:
        """Tell members who are on `me` but not in the topic of a new message that is kept."""
        self.tally.publications += 1
        if not effect.message.seq or not fanout.is_kept:
            return
        for bystander in fanout.bystanders(self.on_me):
            self.tell(bystander.user, Item(word_of(effect.message, bystander)))
        if self.placement is not None:
            for them in fanout.afar(self.on_me):
                self.placement.tell_afar(them, word_for(effect.message, them))
        if self.pushing is not None:
            self.pushing.published(effect.message, fanout.addressees(), fanout.channel)

    def push(self, effect: Push | FollowChannel) -> None:
        """Hand a notification on, if anybody takes it."""
        if self.pushing is None:
            return
        if isinstance(effect, Push):
            self.pushing.happened(effect, self.on_me.has)
        else:
            self.pushing.follow(effect)

    def confirmed(self, user: str, event: Confirmed) -> None:
        """An address of a user was confirmed: his `me`, loaded for it, adds the tag."""
        if event.tag:
            self.submit(user, Item(event))

    def send_code(self, effect: SendCode) -> None:
        """Hand a code to a courier."""
        self.couriers.take(effect)

    async def vetted(self, user: str, topic: str, pub: Pub) -> Pub:
        """What a user may publish in place of `pub`, if a service outside is to be asked first.
        Refused if nothing. For the task of who publishes: a topic never waits for it.
        """
        if self.before is None or not self.before.concerns(topic):
            return pub
        return await self.before.asked(user, topic, pub)

    # --- sessions ------------------------------------------------------------------------

    def link_of(self, sid: str) -> Link | None:
        """A live session of this node."""
        return self._sessions.get(sid)

    def loaded(self, topic: str) -> Runner | Seat | None:
        """What stands for a topic on this node."""
        return self._runners.get(topic)

    def inbox_of(self, topic: str) -> Inbox[Item] | None:
        """What waits for a topic that is loaded, or on its way to where it is."""
        return found.inbox if (found := self._runners.get(topic)) else None

    def enter(self, link: Link) -> None:
        """A session has begun."""
        self._sessions[link.sid] = link

    def logged_in(self, link: Link, user: str) -> None:
        links = self._of_user.setdefault(user, {})
        if not links and self.attendance is not None:
            self.attendance.came(user, link)
        links[link.sid] = link
        others, policy = self.placement, self.settings.sessions.policy
        if others is not None and (len(links) == 1 or policy != "many"):
            others.came(user)

    def leave(self, link: Link, user: str) -> None:
        """A session has ended."""
        self._sessions.pop(link.sid, None)
        if self._agents.get(user) == link.sid:
            del self._agents[user]
        links = self._of_user.get(user)
        if links is not None:
            links.pop(link.sid, None)
            if not links:
                del self._of_user[user]
                self._left(user, link)

    def _left(self, user: str, link: Link) -> None:
        elsewhere = self.placement is not None and self.placement.is_here(user)
        if self.attendance is not None and not elsewhere:
            self.attendance.went(user, link)
        if self.placement is not None:
            self.placement.left(user)

    def is_agent(self, user: str, sid: str) -> bool:
        """Whether this session is the one that its user was last active with on `me`."""
        return self._agents.get(user) == sid

    def set_agent(self, user: str, sid: str) -> None:
        """Without `sid`: a session of another node is it."""
        if sid:
            self._agents[user] = sid
        else:
            self._agents.pop(user, None)

    def end_sessions(self, effect: EndSessions) -> None:
        """Evict and close sessions of a user, wherever they are."""
        if self.placement is not None:
            self.placement.end_sessions(effect)
        self.end_here(effect)

    def end_here(self, effect: EndSessions) -> None:
        """Evict and close sessions of a user, `effect.last` at the end."""
        links = self.sessions_of(effect.user)
        for link in sorted(links, key=lambda it: it.sid == effect.last):
            if effect.number in (0, link.number) and not 0 < effect.keep == link.number:
                if effect.abruptly:
                    link.send(effect.packet)
                    link.outlet.hang_up()
                else:
                    link.end(effect.packet, 1000)

    def sessions_of(self, user: str) -> list[Link]:
        """The live sessions of a user."""
        return list(self._of_user.get(user, {}).values())

    def rooms_of(self, user: str) -> set[str]:
        """The rooms in which a session of this node is, and, if the user has sessions elsewhere,
        those that this node has.
        """
        found = rooms_in(self.sessions_of(user))
        if self.placement is not None and self.placement.is_here(user):
            found.update(room for room in self.rooms.names() if user in self.users_in(room))
        return found

    def count_rooms(self) -> int:
        """How many rooms there are, on all nodes."""
        elsewhere = 0 if self.placement is None else self.placement.rooms()
        return self.rooms.count() + elsewhere

    def has_session(self, user: str) -> bool:
        """Whether a user has a session on this node."""
        return user in self._of_user

    @property
    def users(self) -> Collection[str]:
        """Users who have a session on this node."""
        return self._of_user.keys()

    def users_here(self) -> Iterator[str]:
        """Users who have a session on this node."""
        return iter(list(self._of_user))

    def online_here(self) -> Iterator[str]:
        """Users and groups that are online as topics of this node say."""
        return iter(list(self._online))

    def abandon(self, packet: Ctrl) -> None:
        """Every session ends at once: nothing that was here may be relied on any more."""
        self._online.clear()
        for link in list(self._sessions.values()):
            link.end(packet, 1012)

    def users_in(self, topic: str) -> frozenset[str]:
        """Users who are attached to a topic now, in the foreground or not."""
        runner = self._runners.get(topic)
        found = runner.state.attached if isinstance(runner, Runner) else ()
        return frozenset(item.user for item in found)

    def shut_down(self, packet: Ctrl) -> None:
        """Tell every session that the server stops, and close it."""
        for link in list(self._sessions.values()):
            link.end(packet, 1001)

    async def wait_idle(self) -> None:
        """Wait until nothing that a session asked is unanswered."""
        for link in list(self._sessions.values()):
            await link.wait_unanswered(0)

    async def close(self) -> None:
        """Let every topic finish what waits for it, then end its task. Sessions are gone."""
        self.closing = True
        for runner in list(self._runners.values()):
            runner.inbox.mark("closing", Item(Woken()))
        while self._runners:
            self._ended = trio.Event()
            await self._ended.wait()

    def runners(self) -> Iterator[Runner]:
        """The tasks of all topics that are here."""
        return iter([it for it in self._runners.values() if isinstance(it, Runner)])
