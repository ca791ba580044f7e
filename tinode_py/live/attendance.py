"""Who is online, on its way into the log of events.

A user is online while at least one session is logged in as him. Coming and going is noted at
once, without waiting, and handed to the store by a task of its own: one turn of a user after
the other, of different users at the same time. The store keeps who is online, so that the two
always take turns. It may hold back what is written here, for others to share the transaction,
but not behind what its user publishes after it (`store.transaction`).

Whom a crash left behind gets his `user.offline` at the next start, before anybody can come in.
If the store fails, what happened waits. What waits is bounded by the users: someone who goes and
comes back over and over meanwhile is told of by his last state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import attrs
import msgspec
import trio

from ..changes import Batch
from ..changes_backend import PutOffline, PutOnline
from ..errors import StoreError
from ..queries_backend import OnlineAfter
from ..store.base import Store
from .complaints import Complaints
from .link import Link

log = logging.getLogger(__name__)

PAGE = 200  # users in one commit
KEPT = 4  # turns of one user that wait; more are told of by the last one
PAUSE = 1.0  # seconds before a commit that failed is tried again

_Turns = list[PutOnline | PutOffline]


@attrs.define(eq=False)
class Attendance:
    """The turns of all users of this server."""

    store: Store
    now: Callable[[], int]
    _waiting: dict[str, _Turns] = attrs.field(factory=dict)
    _flying: set[str] = attrs.field(factory=set)  # users of whom the store has turns to write
    _more: trio.Event = attrs.field(factory=trio.Event)
    _idle: trio.Event = attrs.field(factory=trio.Event)
    _failed: bool = False
    _complaints: Complaints = attrs.field(factory=lambda: Complaints(log, trio.current_time))

    async def begin(self) -> None:
        """Log the end of all that an earlier run of the server has left online."""
        detail = msgspec.json.encode({"reason": "restart"})
        now = self.now()
        while users := await self.store.fetch(OnlineAfter("", PAGE)):
            await self.store.commit(Batch(tuple(PutOffline(user, now, detail) for user in users)))

    def came(self, user: str, link: Link) -> None:
        """The first session of a user has logged in."""
        self._put(user, PutOnline(user, self.now(), _described(link)))

    def went(self, user: str, link: Link) -> None:
        """The last session of a user has ended."""
        self._put(user, PutOffline(user, self.now(), _described(link)))

    def ended(self, user: str, reason: str) -> None:
        """The last session of a user was on another node, which cannot tell of it."""
        detail = msgspec.json.encode({"reason": reason})
        self._put(user, PutOffline(user, self.now(), detail))

    def _put(self, user: str, turn: PutOnline | PutOffline) -> None:
        turns = self._waiting.setdefault(user, [])
        if len(turns) < KEPT:
            turns.append(turn)
        else:  # turns alternate: this one takes back the last
            turns.pop()
        self._more.set()

    async def run(self) -> None:
        """Hand to the store what waits, as soon as it can be, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._more.wait()
                self._more = trio.Event()
                if self._failed:
                    await trio.sleep(PAUSE)
                    self._failed = False
                for turns in self._taken():
                    nursery.start_soon(self._write, turns)

    def _taken(self) -> Iterator[dict[str, _Turns]]:
        """What is to be written now: of those who come, then of those who go. Batches of the
        two have different places among publications.
        """
        ready = (user for user in self._waiting if user not in self._flying)
        users = list(islice(ready, PAGE))
        if len(users) == PAGE:
            self._more.set()
        turns = {user: self._waiting.pop(user) for user in users}
        self._flying.update(users)
        coming = {user: those for user, those in turns.items() if any(map(_is_arrival, those))}
        going = {user: those for user, those in turns.items() if user not in coming}
        return filter(None, (coming, going))

    async def wait_idle(self) -> None:
        """Wait until all that happened is written."""
        while self._waiting or self._flying:
            self._idle = trio.Event()
            await self._idle.wait()

    async def _write(self, turns: Mapping[str, _Turns]) -> None:
        """Commit turns of some users, together with others' if some come soon."""
        changes = tuple(turn for those in turns.values() for turn in those)
        try:
            await self.store.commit(Batch(changes, patient=len(turns) < PAGE))
        except StoreError as error:
            self._complaints.failed("who is online could not be written", error)
            self._failed = True
            self._take_back(turns)
        self._flying.difference_update(turns)
        if self._waiting:
            self._more.set()
        self._idle.set()

    def _take_back(self, turns: Mapping[str, _Turns]) -> None:
        for user, those in turns.items():
            later = self._waiting.pop(user, [])
            self._waiting[user] = those
            for turn in later:
                self._put(user, turn)


def _is_arrival(turn: PutOnline | PutOffline) -> bool:
    return isinstance(turn, PutOnline)


def _described(link: Link) -> bytes:
    """The session that made the difference."""
    detail: dict[str, object] = {
        "platform": link.platform,
        "user_agent": link.user_agent,
        "login": link.number,
    }
    if link.metadata is not None:
        detail["metadata"] = msgspec.Raw(link.metadata)
    return msgspec.json.encode(detail)
