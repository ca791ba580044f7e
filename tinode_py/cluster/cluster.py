"""A server as one node of a cluster: it joins, lives, is fenced and joins again, leaves.

A node that was fenced has lost everything it had: its sessions are ended, its topics dropped, and
it comes back as a new member, with a new number.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import attrs
import trio

from ..config import ConfigError
from ..core.decision import ctrl
from ..errors import UNAVAILABLE, UNREACHABLE, Fenced, Refused, StoreError
from ..live.hub import Hub
from ..live.standing import Standing
from ..live.traffic import NodeStatistics, Traffic
from ..store.coordination import Coordination, Member
from ..store.watched import News
from . import protocol
from .assigning import Assigning, Candidate
from .claims import Claims
from .membership import BEATS, Membership
from .node import Node
from .questions import Answerer, Questions
from .reach import is_reachable

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between attempts to join
NEWS = 0.05  # seconds between two words of commits
BURYING = 6  # attempts to end the membership of who is dead
LEAVING = 2.0  # seconds for topics to be let go of


def _nobody(address: str) -> bool:
    return False


class Links(Protocol):
    """Connections to the other nodes, which tell a `Node` what comes."""

    async def run(self) -> None:
        """Keep them, until cancelled."""

    def members(self, members: tuple[Member, ...]) -> None:
        """Which other nodes there should be connections to."""


@attrs.frozen
class Place:
    """How others find this node: its name, where nodes connect, where clients do."""

    name: str
    address: str
    url: str


@attrs.define(eq=False)
class Cluster:
    """One server's part in a cluster. `links` makes the connections of a node that has joined;
    `serve_as` tells the store under which number it writes.
    """

    coordination: Coordination
    place: Place
    lease: float  # seconds
    links: Callable[[Node], Links]
    serve_as: Callable[[int], None]
    on_news: Callable[[], None] = lambda: None
    commits: News = attrs.field(factory=News)  # of this node: the others are told
    is_first: bool = False
    beats: int = BEATS  # in a lease
    answerers: dict[str, Answerer] = attrs.field(factory=dict)
    assigning: Assigning = attrs.field(factory=lambda: Assigning("round_robin", os.urandom))
    is_past: Callable[[str], bool] = _nobody  # who is dead, by his address, at the start
    moves: int = 60  # topics that may be given away in a minute
    cpu: Callable[[], float] = time.process_time
    membership: Membership = attrs.field(init=False)
    node: Node | None = None
    _leaving: bool = False
    _fenced: int = 0  # how often
    _fenced_at: int = 0  # ms since 1970
    _moved: int = 0  # by earlier members, as the next one
    _kept: int = 0
    _past: Traffic = attrs.field(factory=Traffic)  # of earlier members
    _hub: Hub | None = None
    _standing: Standing | None = None
    _hub_given: trio.Event = attrs.field(factory=trio.Event)
    _entered: trio.Event = attrs.field(factory=trio.Event)  # as another member

    async def join(self) -> None:
        """Become a member. StoreError if the store cannot be asked, or has members with whom this
        one cannot be.
        """
        number = await self.coordination.join(*attrs.astuple(self.place))
        self.serve_as(number)
        others: list[Member] = []
        self.membership = Membership(
            *(self.coordination, number, self.lease, lambda: 0, others.extend), beats=self.beats
        )
        log.info("joined the cluster as node %s (%s)", number, self.place.name)
        if not await self.membership.beat():
            raise StoreError("the cluster's store could not be asked who is a member")
        gone = [await self._has_ended(member) for member in tuple(others)]
        self.is_first = all(gone)
        if any(gone):
            await self.membership.beat()  # and know no more of them
        self.is_past = _nobody  # whoever comes back later knows nothing of the kind

    def doubt(self) -> None:
        """A commit was refused: see at once whether this node is a member still."""
        self.membership.look()

    async def _has_ended(self, member: Member) -> bool:
        """Whether a member is known to be dead; then it is none any more, and nobody needs to wait
        for its lease. StoreError for one that lives where it cannot be reached.
        """
        past = self.is_past(member.address)
        if not past and is_reachable(member.address):
            return False
        for _ in range(BURYING):  # the database may not have noticed yet
            if await self.coordination.bury(member.id):
                log.info("node %s (%s) has ended: it is no member any more", member.id, member.name)
                return True
            await trio.sleep(PAUSE)
        await self.coordination.leave(self.number)
        raise StoreError(
            f"node {member.id} ({member.name}) is on another machine, at {member.address}:"
            " all nodes on several machines want host:port"
        )

    def begin_drain(self) -> None:
        """No new clients are sent to this node any more."""
        self.membership.draining = True
        self.membership.look()  # and say so
        if self.node is not None:
            self.node.tell_ending()
            self.node.jobs.let_go()

    async def hand_over(self) -> None:
        """Give the topics that are used on other nodes to these; returns when that is done."""
        if self.node is not None:
            await self.node.rebalance.empty()

    async def alone(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one node may do at a time, whenever it is this one's turn."""
        node = None
        while True:
            while self.node is node:
                await self._entered.wait()
            node = self.node
            assert node is not None
            await node.jobs.hold(job, work)

    async def wait_linked(self) -> None:
        """Wait until there is a link to every other node that was there at the last beat."""
        while (node := self.node) is None or len(node.others) < len(self.membership.others or ()):
            await (self._entered if node is None else node.others.changed).wait()

    def choose(self, user: str) -> tuple[int, str] | None:
        """The other node to which a user is to be sent, and its address; None: he stays.

        It has an address of its own, can be reached, and will not end.
        """
        node, own = self.node, self.place
        if node is None:
            return None
        found = [
            Candidate(it.id, it.name, it.url, it.load)
            for it in node.members
            if it.url not in ("", own.url) and not it.draining and node.others.get(it.id)
        ]
        if found and not self.membership.draining:
            found.append(Candidate(node.id, own.name, own.url, self.membership.load()))
        chosen = self.assigning.choose(found, user) if found else None
        return None if chosen is None or chosen.id == node.id else (chosen.id, chosen.url)

    def statistics(self) -> NodeStatistics:
        """What this node counts."""
        node, fenced = self.node, (self._fenced, self._fenced_at)
        if node is None:
            return NodeStatistics(1, 0, 0, 0, 0, 0, 0, *fenced, self._past)
        return NodeStatistics(
            *(len(node.members) + 1, len(node.others)),
            *(sum(1 for _ in node.hub.runners()), node.serving.proxies(), len(node.jobs.doing)),
            *(self._moved + node.serving.moved, self._kept + node.serving.kept),
            *fenced,
            self._past + node.others.traffic(),
        )

    def nodes(self) -> tuple[int, ...]:
        """The other nodes, in reach or not."""
        return () if self.node is None else tuple(it.id for it in self.node.members)

    def name_of(self, node: int) -> str:
        """What people call a node."""
        members = () if self.node is None else self.node.members
        return next((it.name for it in members if it.id == node), f"node {node}")

    def with_user(self, user: str) -> tuple[int, ...]:
        """The other nodes that have said that a user has a session there."""
        return () if self.node is None else self.node.directory.with_user(user)

    def node_of(self, topic: str) -> int | None:
        """The other node that has said that a topic is loaded there."""
        return None if self.node is None else self.node.directory.where(topic)

    def users(self) -> set[str]:
        """Users with a session on any other node."""
        return set() if self.node is None else self.node.directory.users()

    async def ask(self, node: int, question: str, **arguments: Any) -> Any:
        """What another node answers; see `Others.ask`."""
        if self.node is None:
            raise Refused(UNREACHABLE)
        return await self.node.others.ask(node, question, **arguments)

    def tell_all(self, question: str, **arguments: Any) -> None:
        """A question to all other nodes, for whose answers nobody waits."""
        if self.node is not None:
            self.node.others.mention(protocol.Call(0, question, arguments))

    async def ask_at(self, job: str, question: str, **arguments: Any) -> Any:
        """Ask the node that does a job; it may be this one."""
        node = self.node
        owner = self.number if node is None else await node.jobs.owner(job)
        if node is None or owner == node.id:
            return await self.answerers[question](**arguments)
        return await node.others.ask(owner, question, **arguments)

    async def _tell_news(self, node: Node) -> None:
        while True:
            await self.commits.next().wait()
            node.tell_news()
            await trio.sleep(NEWS)

    @property
    def number(self) -> int:
        """Of this member."""
        return self.membership.node

    def open(self, hub: Hub) -> None:
        """From now on topics of `hub` are placed among the nodes."""
        self._hub = hub
        hub.companions = self
        self.answerers.update(hub.everywhere.answerers())
        self.answerers.update(hub.admissions.answerers())
        self._enter(hub)
        self._hub_given.set()

    def _enter(self, hub: Hub) -> None:
        claims = Claims(self.coordination, self.number)
        node = Node(
            *(self.number, hub, claims, self.membership),
            *(self.on_news, self._reread, self._ended),
            Questions(self.answerers),
            *(self.moves, self.cpu),
        )
        self.membership.load = lambda: hub.statistics().sessions
        self.node = hub.placement = node
        if self.membership.draining:
            node.jobs.let_go()
        self._entered.set()
        self._entered = trio.Event()

    def heed(self, standing: Standing) -> None:
        """Settings that are made at run time, here or on another node, hold on all."""
        self._standing = standing
        standing.on_change = lambda: self.node.tell_reread() if self.node else None

    def _reread(self) -> None:
        if self._hub is not None and not self._hub.closing and self._standing is not None:
            self._hub.nursery.start_soon(_read_again, self._standing)

    def _ended(self, user: str, reason: str) -> None:
        if self._hub is not None and self._hub.attendance is not None:
            self._hub.attendance.ended(user, reason)

    async def run(self) -> None:
        """Live as a member until it leaves, or is cancelled; as another one after being fenced."""
        while True:
            try:
                await self._live()
            except* Fenced as fenced:
                if not self._leaving:  # else a beat has found out that it has left
                    log.error("%s", fenced.exceptions[0])
            if self._leaving:
                return
            await self._come_back()

    async def _live(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.membership.run)
            await self._hub_given.wait()
            node = self.node
            assert node is not None
            links = self.links(node)

            def seen(members: tuple[Member, ...]) -> None:
                self.assigning.beaten()
                node.seen(members)
                links.members(members)

            self.membership.seen = seen
            nursery.start_soon(links.run)
            nursery.start_soon(node.claims.run)
            nursery.start_soon(node.serving.announcing.run)
            nursery.start_soon(node.rebalance.run)
            nursery.start_soon(self._tell_news, node)

    async def _come_back(self) -> None:
        draining = self.membership.draining
        hub = self._hub
        if hub is not None and self.node is not None:
            self._fenced, self._fenced_at = self._fenced + 1, hub.now()
            self._past += attrs.evolve(self.node.others.traffic(), waiting=0)
            self._moved += self.node.serving.moved
            self._kept += self.node.serving.kept
            self.node.abandon()
            hub.abandon(ctrl(hub.env(), UNAVAILABLE))
        while True:
            try:
                await self.join()
            except StoreError as error:
                log.error("the cluster cannot be joined again: %s", error)
                await trio.sleep(PAUSE)
            else:
                break
        self.membership.draining = draining
        if hub is not None:
            self._enter(hub)

    async def leave(self) -> None:
        """Let go of everything, and be a member no more."""
        self._leaving = True
        with contextlib.suppress(StoreError), trio.move_on_after(LEAVING):
            if self.node is not None:
                await self.node.claims.wait_released()
            await self.coordination.leave(self.number)


async def _read_again(standing: Standing) -> None:
    try:
        await standing.read_again()
    except (ConfigError, StoreError) as error:
        log.error("settings that another node has changed cannot be used: %s", error)


@contextlib.asynccontextmanager
async def joined(cluster: Cluster) -> AsyncIterator[Cluster]:
    """A member while the block runs. StoreError if it cannot be one."""
    await cluster.join()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.run)
        try:
            yield cluster
        finally:
            with trio.CancelScope(shield=True):
                await cluster.leave()
            nursery.cancel_scope.cancel()
