"""Sessions, rooms and readers on all nodes together.

Where there are no other nodes, this is what the hub knows, and nothing waits. Else the nodes that
may know more are asked, all at once; who has a session where they have told before. A node that
has not answered within `PATIENCE` is never left out in silence: Refused with 502, and its name.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs
import trio

from ..access import READ, Level
from ..core.events import Brought, Caller
from ..core.me import MeState
from ..core.state import TopicState
from ..errors import EVICTED, UNAVAILABLE, UNREACHABLE, Answer, Refused
from ..wire.parts import Time
from ..wire.server_packets import Ctrl, ServerPacket
from .link import Link
from .rooms import rooms_in
from .rules import Item
from .runner import Runner

if TYPE_CHECKING:
    from .hub import Hub

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds
TURN = 200  # sessions told before others get their turn


@attrs.frozen
class LiveSession:
    """A session that has logged in, wherever it is."""

    user: str
    sid: str
    platform: str = ""
    user_agent: str = ""
    number: int = 0  # of the login
    on_me: bool = False
    rooms: tuple[str, ...] = ()


@attrs.frozen
class Reached:
    """Whom word has reached."""

    users: int = 0
    sessions: int = 0


@attrs.frozen(eq=False)
class Everywhere:
    """Asks the other nodes, and answers them. `here` is this node's hub."""

    here: Hub

    def answerers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What the others may ask, by the name of the question."""
        return {
            "scheduled": self._scheduled,
            "agent": self._other_agent,
            "sessions": self._sessions_here,
            "end": self._end_here,
            "tell": self._tell_here,
            "in topics": self._in_topics_here,
            "readers": self._readers_here,
            "followers": self._followers_here,
            "rooms": self._rooms_here,
            "bring": self._bring_here,
            "counts": self._counts_here,
        }

    # --- how much there is ---------------------------------------------------------------

    async def counts(self) -> dict[str, int]:
        """What `Hub.statistics` counts, of all nodes. Refused with 502 if one does not answer."""
        found = Counter(await self._counts_here())
        for theirs in await self._ask_nodes(self._others(), "counts"):
            found.update(theirs)
        return {**found, "users": self.count_users()}

    async def _counts_here(self) -> dict[str, int]:
        here, others = attrs.asdict(self.here.statistics()), self.here.companions
        return here if others is None else {**here, "topics": others.statistics().owned}

    # --- who is there --------------------------------------------------------------------

    def has_session(self, user: str) -> bool:
        """Whether a user has a session, as far as other nodes have told."""
        others = self.here.companions
        return self.here.has_session(user) or (others is not None and bool(others.with_user(user)))

    def users_after(self, after: str, limit: int) -> list[str]:
        """Users who have a session, in order of their names, after `after`."""
        return heapq.nsmallest(limit, (user for user in self._users() if user > after))

    def count_users(self) -> int:
        """How many users have a session. Where there are other nodes, it costs a look at each."""
        others = self.here.companions
        return self.here.statistics().users if others is None else len(self._users())

    def _users(self) -> Collection[str]:
        others = self.here.companions
        return self.here.users if others is None else others.users().union(self.here.users)

    async def sessions(self, users: Collection[str]) -> dict[str, list[LiveSession]]:
        """The live sessions of each of some users, in the order asked for."""
        found = {user: self._of(user) for user in users}
        for session in await self._ask_of(users, "sessions"):
            found[session.user].append(session)
        return found

    async def sessions_of(self, user: str) -> list[LiveSession]:
        """The live sessions of a user."""
        return (await self.sessions((user,)))[user]

    def _of(self, user: str) -> list[LiveSession]:
        links = self.here.sessions_of(user)
        return [_seen(user, it) for it in links if not it.ended and not it.outlet.closed]

    async def _sessions_here(self, users: tuple[str, ...]) -> tuple[LiveSession, ...]:
        return tuple(chain.from_iterable(map(self._of, users)))

    # --- ending, telling -----------------------------------------------------------------

    async def end(self, sessions: Collection[LiveSession], packet: Ctrl) -> None:
        """Tell sessions why, and close them."""
        sids = tuple(session.sid for session in sessions)
        await self._end_here(sids, packet)
        users = {session.user for session in sessions if self.here.link_of(session.sid) is None}
        await self._ask_nodes(self._nodes_with(users), "end", sids=sids, packet=packet)

    async def _end_here(self, sids: tuple[str, ...], packet: Ctrl) -> None:
        for sid in sids:
            link = self.here.link_of(sid)
            if link is not None:
                link.send(packet)
                link.outlet.finish(1000)

    async def give_way(self, user: str, node: int) -> None:
        """A user has logged in on another node, and here at the same moment: neither saw the
        other. Where `sessions.policy` does not let both be, the sessions here are ended.
        """
        policy, others = self.here.settings.sessions.policy, self.here.companions
        if policy == "many" or others is None or not self._of(user):
            return
        try:
            with trio.move_on_after(PATIENCE):
                theirs = await others.ask(node, "sessions", users=(user,))
                platforms = {session.platform for session in theirs}
                alike = [it for it in self._of(user) if policy == "one" or it.platform in platforms]
                if theirs:
                    log.info("a login elsewhere ends sessions", extra={"user": user})
                    sids = tuple(session.sid for session in alike)
                    await self._end_here(sids, elsewhere(self.here.now()))
        except Refused:
            return  # the node is lost, and with it its sessions

    async def tell(self, packet: ServerPacket, users: Collection[str] | None = None) -> Reached:
        """Send a packet to all sessions of some users, or of everybody."""
        users = None if users is None else tuple(users)
        nodes = self._others() if users is None else self._nodes_with(users)
        here = await self._tell_here(packet, users)
        if not nodes:
            return Reached(len(here), sum(here.values()))
        told = [here, *await self._ask_nodes(nodes, "tell", packet=packet, users=users)]
        sessions = sum(sum(one.values()) for one in told)
        return Reached(len(set().union(*told)), sessions)

    async def _tell_here(
        self, packet: ServerPacket, users: tuple[str, ...] | None
    ) -> dict[str, int]:
        """How many sessions of each user were told."""
        told = {}
        sent = 0
        for user in list(self.here.users) if users is None else users:
            links = self.here.sessions_of(user)
            for link in links:
                link.send(packet)
            if links:
                told[user] = len(links)
            sent += len(links)
            if sent >= TURN:
                sent = 0
                await trio.lowlevel.checkpoint()
        return told

    # --- who is where --------------------------------------------------------------------

    async def users_in(self, topics: Collection[str]) -> dict[str, frozenset[str]]:
        """Users who are attached to each of some topics, in the foreground or not."""
        found = {topic: self.here.users_in(topic) for topic in topics}
        for users in await self._ask_at(topics, "in topics"):
            found.update({topic: frozenset(names) for topic, names in users.items()})
        return found

    async def _in_topics_here(self, topics: tuple[str, ...]) -> dict[str, frozenset[str]]:
        return {topic: self.here.users_in(topic) for topic in topics}

    async def reached(self, topic: str, users: Collection[str]) -> frozenset[str]:
        """Those of some users of whom a live session gets what is published in a topic: it is
        attached there and may read, or it follows the user's inbox, which holds private messages.
        """
        names = tuple(users)
        found = set(await self._readers_here((topic,), names))
        for more in await self._ask_at((topic,), "readers", users=names):
            found.update(more)
        rest = tuple(user for user in names if user not in found)
        if topic.startswith("p2p") and rest:
            found.update(await self._followers_here(rest))
            for more in await self._ask_at(rest, "followers"):
                found.update(more)
        return frozenset(found)

    async def _readers_here(
        self, topics: tuple[str, ...], users: tuple[str, ...]
    ) -> tuple[str, ...]:
        wanted = set(users)
        return tuple(chain.from_iterable(self._reading(topic, wanted) for topic in topics))

    def _reading(self, topic: str, users: set[str]) -> set[str]:
        runner = self.here.loaded(topic)
        if not isinstance(runner, Runner) or not isinstance(runner.state, TopicState):
            return set()
        at = runner.state
        return {it.user for it in at.attached if it.user in users and at.mode(it) & READ}

    async def _followers_here(self, topics: tuple[str, ...]) -> tuple[str, ...]:
        """Of some users those whose `me` is here and has a session that follows the inbox."""
        return tuple(user for user in topics if self._follows(self.here.loaded(user)))

    @staticmethod
    def _follows(runner: object) -> bool:
        state = runner.state if isinstance(runner, Runner) else None
        return isinstance(state, MeState) and bool(state.follows)

    # --- rooms ---------------------------------------------------------------------------

    async def rooms_after(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Rooms in order of their names, after `after`, each with the number of its users."""
        found = dict(await self._rooms_here(after, limit))
        for rooms in await self._ask_nodes(self._others(), "rooms", after=after, limit=limit):
            found.update(rooms)
        return sorted(found.items())[:limit]

    async def _rooms_here(self, after: str, limit: int) -> tuple[tuple[str, int], ...]:
        names = self.here.rooms.after(after, limit)
        return tuple((name, len(self.here.users_in(name))) for name in names)

    async def bring(self, room: str, user: str, sids: Collection[str]) -> int:
        """Bring sessions of a user into a room; how many of them are in it then."""
        inside = await self._bring_here(room, user, tuple(sids))
        nodes = self._nodes_with((user,))
        for more in await self._ask_nodes(nodes, "bring", room=room, user=user, sids=tuple(sids)):
            inside += more
        return inside

    async def _bring_here(self, room: str, user: str, sids: tuple[str, ...]) -> int:
        links = [link for link in self.here.sessions_of(user) if link.sid in sids]
        for link in links:
            caller = Caller(link.sid, user, Level.AUTH, user, link.user_agent)
            if not self.here.submit(room, Item(Brought(caller), link)):
                raise Refused(UNAVAILABLE)
        for link in links:
            await link.wait_unanswered(0)
        return sum(room in link.attached for link in links)

    # --- words that nobody answers -------------------------------------------------------

    def note_scheduled(self) -> None:
        """More is to be sent later, by whichever node does that."""
        self.here.scheduled.set()
        if self.here.companions is not None:
            self.here.companions.tell_all("scheduled")

    async def _scheduled(self) -> None:
        self.here.scheduled.set()

    def note_agent(self, user: str, sid: str) -> None:
        """The session with which a user was last active is one of this node."""
        self.here.set_agent(user, sid)
        others = self.here.companions
        if others is not None and others.with_user(user):
            others.tell_all("agent", user=user)

    async def _other_agent(self, user: str) -> None:
        self.here.set_agent(user, "")

    # --- asking --------------------------------------------------------------------------

    def _others(self) -> tuple[int, ...]:
        return () if self.here.companions is None else self.here.companions.nodes()

    def _nodes_with(self, users: Iterable[str]) -> tuple[int, ...]:
        others = self.here.companions
        if others is None:
            return ()
        return tuple({node for user in users for node in others.with_user(user)})

    async def _ask_of(self, users: Iterable[str], question: str) -> Iterable[Any]:
        """What the nodes of some users say of them, one after the other."""
        others = self.here.companions
        if others is None:
            return ()
        of: dict[int, dict[str, Any]] = {}
        for user in users:
            for node in others.with_user(user):
                of.setdefault(node, {"users": []})["users"].append(user)
        return chain.from_iterable(await self._ask(question, of))

    async def _ask_at(self, topics: Iterable[str], question: str, **more: Any) -> list[Any]:
        """What the nodes that have some topics say of them."""
        others = self.here.companions
        if others is None:
            return []
        of: dict[int, dict[str, Any]] = {}
        for topic in topics:
            node = others.node_of(topic)
            if node is not None:
                of.setdefault(node, {"topics": [], **more})["topics"].append(topic)
        return await self._ask(question, of)

    async def _ask_nodes(self, nodes: Iterable[int], question: str, **arguments: Any) -> list[Any]:
        return await self._ask(question, dict.fromkeys(nodes, arguments))

    async def _ask(self, question: str, of: Mapping[int, dict[str, Any]]) -> list[Any]:
        """The answers of some nodes, each to its own arguments."""
        others = self.here.companions
        if others is None or not of:
            return []
        ask = others.ask
        answers: dict[int, Any] = {}

        async def put(node: int, arguments: dict[str, Any]) -> None:
            try:
                answers[node] = await ask(node, question, **arguments)
            except Refused:
                return  # as if it had not answered

        with trio.move_on_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for node, arguments in of.items():
                    nursery.start_soon(put, node, arguments)
        missing = [others.name_of(node) for node in of if node not in answers]
        if missing:
            raise Refused(Answer(UNREACHABLE.code, f"no answer from {', '.join(missing)}"))
        return list(answers.values())


def elsewhere(now: int) -> Ctrl:
    """What a session is told that must go for a newer one."""
    params = {"reason": "logged in elsewhere"}
    return Ctrl(EVICTED.code, EVICTED.text, Time(now), params=params)


def _seen(user: str, link: Link) -> LiveSession:
    return LiveSession(
        *(user, link.sid, link.platform, link.user_agent, link.number),
        on_me=user in link.attached,
        rooms=tuple(sorted(rooms_in([link]))),
    )
