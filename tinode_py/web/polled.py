"""Sessions over long polling: made, found by their sid, ended.

Here belongs what outlives a request: the session's task, its life, how many there may be.
HTTP is in `longpoll`. A session has one task, which hands it packets one at a time, so that a
connection that breaks never breaks off a request. It ends when the session was closed and the
client has fetched what waited, or when nobody has asked for the session for its life.

Requests on two connections overtake each other, and official clients send {hi} and what follows
it at the same time. So a session whose first packet is another waits a little for its {hi}.

A sid opens the session to whoever knows it. It is not the id that topics and logs use. Of several
nodes one has a session, and its sid begins with that node's number. A request at another node is
told so, and not handed on: a poll waits for long, and each packet would take two ways. Proxies keep
a client with its node (docs/cluster.md). Several workers have one port, so among them a request
comes in anywhere: the sid has the worker's number, too, and the request is handed on (`longpoll`).
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Callable

import attrs
import trio

from .. import ids
from ..config import Settings
from ..errors import EVICTED
from ..live.outbox import ConnectionInfo
from ..live.placement import Companions
from ..live.pollbox import PollOutbox, PollTerms
from ..live.session import Session as ChatSession
from ..wire.frames import text_frame
from .answers import ctrl_body
from .neighbours import Neighbours
from .silence import Silences
from .websocket import NewSession, Session

LOG = logging.getLogger(__name__)
POLLS = 16  # of one session at a time
_BUFFERED = 4  # packets of a session that are taken before it is done with those before
_WAITING = 16  # requests with packets that wait for room in there
_EARLY = 2.0  # seconds in which a {hi} goes before what came first; a busy machine needs one
_HELLO = re.compile(r'\s*\{\s*"hi"', re.IGNORECASE)
_DIGITS = 18  # of a number that may be a node's
_LINGER = 5.0  # seconds for a request under way when its session is closed
_NOTICED = 4  # turns of the scheduler in which a connection's end, if it has come, is noticed
_UNCOUNTED = frozenset({"unix", "memory", "gone"})  # many clients, or nobody's address


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


class TooMany(Exception):
    """A bound was reached: to be answered 503."""


@attrs.frozen
class PolledStatistics:
    """`sessions` and `polls` are of now, the others counts since the start."""

    sessions: int
    polls: int
    opened: int
    refused: int
    expired: int
    slow: int


class PolledSession:
    """One session and its outlet. `run` is its task."""

    def __init__(self, table: PolledSessions, sid: str, info: ConnectionInfo) -> None:
        self.sid = sid
        self.address = info.address
        self.outbox = PollOutbox(table.terms, self._stop)
        self.session: Session = table.new_session(self.outbox, info)
        self.due = 0
        self.polls = 0
        self._table = table
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._heard = trio.current_time()
        self._door, self._packets = trio.open_memory_channel[str](_BUFFERED)

    def heard(self) -> None:
        """Somebody has asked for this session."""
        self._heard = trio.current_time()

    async def post(self, packet: str) -> bool:
        """Hand over a packet; waits while the session is busy. False if the session is over.

        TooMany if others wait already. Cancelled, the packet was not handed over.
        """
        if self._door.statistics().tasks_waiting_send >= _WAITING:
            raise TooMany
        try:
            await self._door.send(packet)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        return True

    async def poll(self, left: trio.Event) -> bytes | None:
        """Wait for a packet and take it; b"" if none came, None if the session is over.

        Nothing is taken for a client that has `left`, or on cancellation. Several may wait:
        each packet goes to one of them. TooMany beyond `POLLS`.
        """
        if self.polls >= POLLS:
            raise TooMany
        self.polls += 1
        try:
            with trio.move_on_after(self._table.poll_seconds):
                return await self._next(left)
        finally:
            self.polls -= 1
        return b""

    async def _next(self, left: trio.Event) -> bytes | None:
        while True:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancelled_when, left, nursery.cancel_scope)
                await self.outbox.ready()
                for _ in range(_NOTICED):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            if left.is_set():
                return b""
            packet = self.outbox.take()  # from here on nothing waits, so it cannot get lost
            if packet is not None or self.outbox.closed:
                return packet

    async def run(self) -> None:
        """Hand packets to the session until it is closed; then wait for the client to know."""
        try:
            with self._scope:
                try:
                    await self._read()
                finally:
                    self.session.end()
                await self.outbox.emptied()
        finally:
            self.outbox.abort()
            self._table.forget(self)

    async def _read(self) -> None:
        try:
            with self._reading, self._packets:
                for packet in await self._first():
                    await self._hand_over(packet)
                async for packet in self._packets:
                    await self._hand_over(packet)
        except Exception:  # a bug must cost one session, not the server
            LOG.exception("a polling session failed")
        self.outbox.finish()

    async def _first(self) -> list[str]:
        """The first packet; or, if it is no {hi} but one comes soon, that and what was before."""
        packets: list[str] = []
        with trio.move_on_after(math.inf) as patience:
            async for packet in self._packets:
                if _HELLO.match(packet):
                    return [packet, *packets]
                packets.append(packet)
                if len(packets) == 1 and packet.lstrip().startswith("{"):
                    patience.deadline = trio.current_time() + _EARLY
                elif len(packets) == 1 or len(packets) > _BUFFERED:
                    break
        return packets

    async def _hand_over(self, packet: str) -> None:
        if not self.outbox.closed:
            await self.session.receive(packet)

    def _stop(self) -> None:
        """The outlet was closed: finish what is under way, take nothing more."""
        self._door.close()
        self._reading.deadline = trio.current_time() + _LINGER

    def check(self, now: float) -> float:
        """End it if nobody has asked for it for too long."""
        end = self._heard + self._table.life_seconds
        if now < end:
            return end
        if not self.polls:
            self._table.expired += 1
            self._scope.cancel()
        return now + 1.0


async def cancelled_when(event: trio.Event, scope: trio.CancelScope) -> None:
    """End a scope as soon as something has happened."""
    await event.wait()
    scope.cancel()


class PolledSessions:
    """All polling sessions of a server, by sid. `serve` runs them, and must run."""

    def __init__(
        self,
        settings: Settings,
        new_session: NewSession,
        now: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        companions: Companions | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._companions = companions
        self.neighbours = neighbours
        chosen = settings.web.longpoll
        self.new_session = new_session
        self.life_seconds = chosen.life_seconds
        self.poll_seconds = min(chosen.poll_seconds, chosen.life_seconds)
        self._obey(settings)
        self.expired = 0
        self._now = now
        self._most, self._most_of_one = chosen.sessions, chosen.per_address
        self._random_bytes = random_bytes
        self._sessions: dict[str, PolledSession] = {}
        self._by_address: Counter[str] = Counter()
        self._silences = Silences()
        self._nursery: trio.Nursery | None = None  # while it serves
        self._emptied = trio.lowlevel.ParkingLot()
        self._opened = self._refused = self._slow = 0

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What lets other settings hold, for sessions that begin afterwards."""
        return lambda: self._obey(settings)

    def _obey(self, settings: Settings) -> None:
        self.message_size = settings.limits.message_size
        self.terms = PollTerms(settings.limits.outbox, self._evicted, self._count_slow)

    def statistics(self) -> PolledStatistics:
        return PolledStatistics(
            sessions=len(self._sessions),
            polls=sum(session.polls for session in self._sessions.values()),
            opened=self._opened,
            refused=self._refused,
            expired=self.expired,
            slow=self._slow,
        )

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the sessions' tasks until cancelled; every session is ended then."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._silences.run)
            task_status.started()

    def open(self, info: ConnectionInfo) -> PolledSession:
        """A new session. TooMany if there are as many as there may be."""
        assert self._nursery is not None
        most = 0 if info.address in _UNCOUNTED else self._most_of_one
        if len(self._sessions) >= self._most or 0 < most <= self._by_address[info.address]:
            self._refused += 1
            raise TooMany
        session = PolledSession(self, self._new_sid(), info)
        self._opened += 1
        self._sessions[session.sid] = session
        self._by_address[session.address] += 1
        self._silences.watch(session, trio.current_time() + self.life_seconds)
        self._nursery.start_soon(session.run, name="tinode_py.longpoll")
        return session

    def _new_sid(self) -> str:
        sid = ids.new_body(self._random_bytes)
        if self.neighbours is not None:
            sid = f"{self.neighbours.worker.number}.{sid}"
        return sid if self._companions is None else f"{self._companions.number}.{sid}"

    def where(self, sid: str) -> str:
        """The name of the other node that has a session, as its sid says; empty if none has."""
        others, (node, _, _) = self._companions, sid.partition(".")
        if others is None or not _is_number(node):
            return ""
        return others.name_of(int(node)) if int(node) in others.nodes() else ""

    def neighbour(self, sid: str) -> int:
        """The number of the other worker of this server that has a session, as its sid says; 0 if
        none has.
        """
        parts = sid.split(".")
        if self.neighbours is None or len(parts) != 3 or not _is_number(parts[1]):
            return 0
        return int(parts[1]) if int(parts[1]) in self.neighbours.numbers() else 0

    async def user_of(self, sid: str) -> str | None:
        """Who a session is, also one of another worker: None if there is none, empty if it is not
        logged in.
        """
        number = self.neighbour(sid)
        if not number or self.neighbours is None:
            return self.user_here(sid)
        return await self.neighbours.user_of(number, sid)

    def user_here(self, sid: str) -> str | None:
        """The same, of a session that is here."""
        found = self.get(sid)
        session = found.session if found else None
        if not isinstance(session, ChatSession) or session.link.ended:
            return None
        return session.person.user

    def get(self, sid: str) -> PolledSession | None:
        """The session with this sid, which somebody has asked for; None if it is over."""
        session = self._sessions.get(sid)
        if session is not None:
            session.heard()
        return session

    def forget(self, session: PolledSession) -> None:
        """A session's task has ended."""
        self._silences.forget(session)
        del self._sessions[session.sid]
        self._by_address[session.address] -= 1
        if not self._by_address[session.address]:
            del self._by_address[session.address]
        if not self._sessions:
            self._emptied.unpark_all()

    async def wait_collected(self) -> None:
        """Wait until every session has ended, and its client has fetched what waited."""
        while self._sessions:
            await self._emptied.park()

    def _evicted(self) -> bytes:
        return text_frame(ctrl_body(EVICTED, self._now()).rstrip())

    def _count_slow(self) -> None:
        self._slow += 1
