"""The connection of a node to the owner of its store: kept up, and what is asked over it.

While there is none, whatever is asked is refused at once (StoreAway). A connection that breaks
takes with it what was asked and not answered; a commit is then in doubt. It waits for the next
connection, over which the owner says what became of it, for as long as a lease; then, or if the
owner was started anew, nobody knows. What is asked over the next connection sees all that ever
comes of the one before: a commit that was given up cannot come later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import outcome
import trio

from ...errors import Fenced, StoreAway, StoreError
from ...live.complaints import Complaints
from ..handshake import NoLink
from ..items import BadMessage
from ..peer import Peer, Terms
from ..strangers import BROKEN, IN_TIME
from . import greeting
from .greeting import NotWelcome
from .owner import Identity
from .runs import SPAN, WINDOW
from .words import PROTOCOL, Answer, Done, Failed, Found, Hello, Unread, Welcome, Words, pack

log = logging.getLogger(__name__)

_KINDS = {"error": StoreError, "away": StoreAway, "fenced": Fenced}
_IN_DOUBT = "it is not known whether what was asked then was done"


@attrs.frozen
class Way:
    """How the owner is reached: `connect` opens a stream (OSError, BrokenResourceError), and
    `shown` is what people call it.
    """

    connect: Callable[[], Awaitable[trio.abc.Stream]]
    shown: str


@attrs.define(eq=False)
class _Asked:
    """A request that is not answered, and the task that sleeps until it is."""

    task: trio.lowlevel.Task
    is_commit: bool


class Line:
    """One run of a program, for the owner. `lease` in seconds, `queue` in bytes that may wait.

    `on_new_owner` is called when there is a connection to an owner that was started anew: nobody is
    a member there.
    """

    def __init__(
        self,
        way: Way,
        identity: Identity,
        *,
        random_bytes: Callable[[int], bytes],
        lease: float = 5.0,
        queue: int = 16_777_216,
    ) -> None:
        self._way = way
        self._identity = identity
        self._random_bytes = random_bytes
        self._run = random_bytes(16)
        self._terms = Terms(ping=lease / 5, silence=lease, queue=queue)
        self.on_new_owner: Callable[[], None] = lambda: None
        self._owner = b""
        self._is_new = False  # the owner
        self._peer: Peer | None = None
        self._why = "there is no connection yet"
        self._lost_at = 0.0
        self.has_left = False  # the cluster: it may lose the connection
        self._last = 0
        self._asked: dict[int, _Asked] = {}  # in the order of their numbers
        self._commits: dict[int, None] = {}  # of these, likewise
        self._task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        self._room = trio.lowlevel.ParkingLot()
        self._complaints = Complaints(log, trio.current_time)

    # --- asking --------------------------------------------------------------------------

    async def ask(self, make: Callable[[int], Any]) -> Any:
        """The answer to a request, which `make` makes of its number. Sleeps until it is there.

        Raises what the store does. Cancelled, the request may have been carried out or not.
        """
        return await self._answer(make, is_commit=False)

    async def commit(self, make: Callable[[int, int], Any]) -> Any:
        """The same for a commit; `make` is told as well which ones are answered, too."""
        return await self._answer(
            lambda no: make(no, next(iter(self._commits), no)), is_commit=True
        )

    async def _answer(self, make: Callable[[int], Any], *, is_commit: bool) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        while (peer := self._peer) is not None and self._is_full():
            await self._room.park()
        if peer is None:
            raise StoreAway(f"{self._way.shown}: {self._why}")
        self._last += 1
        no = self._last
        try:
            data = pack(make(no))
        except (BadMessage, ValueError) as error:
            raise StoreError(f"{type(error).__name__}: {error}") from None
        if not peer.send_packed(data):
            raise StoreAway(f"{self._way.shown}: too much waits to be sent")
        self._asked[no] = _Asked(trio.lowlevel.current_task(), is_commit)
        if is_commit:
            self._commits[no] = None

        def abandon(_: Callable[[], Any]) -> trio.lowlevel.Abort:
            self._take(no)
            return trio.lowlevel.Abort.SUCCEEDED

        return await trio.lowlevel.wait_task_rescheduled(abandon)

    def _is_full(self) -> bool:
        if len(self._asked) >= WINDOW:
            return True
        return self._last - next(iter(self._commits), self._last) > SPAN

    def _take(self, no: int) -> _Asked | None:
        self._commits.pop(no, None)
        asked = self._asked.pop(no, None)
        if asked is not None:
            self._room.unpark()
        return asked

    def _wake(self, no: int, answer: outcome.Outcome[Any]) -> None:
        asked = self._take(no)
        if asked is not None:
            trio.lowlevel.reschedule(asked.task, answer)

    def _fail(self, why: str, *, commits: bool) -> None:
        """Refuse what was asked and is not answered, all of it or without commits."""
        for no, asked in list(self._asked.items()):
            if commits or not asked.is_commit:
                self._wake(no, outcome.Error(StoreAway(f"{self._way.shown}: {why}")))

    # --- what comes: the handler of the connection ------------------------------------------

    def connected(self, peer: Peer) -> None:
        self._peer = peer
        self._task_status.started()
        self._task_status = trio.TASK_STATUS_IGNORED
        if self._is_new:
            self.on_new_owner()

    async def received(self, peer: Peer, answer: Found | Done | Failed | Unread) -> None:
        if answer.no > self._last:
            peer.reset("an answer to what was not asked")
        else:
            self._wake(answer.no, _meaning(answer))

    def lost(self, peer: Peer) -> None:
        self._peer = None
        self._why = f"the connection was lost ({peer.reason})"
        self._lost_at = trio.current_time()
        self._fail(f"{self._why}: {_IN_DOUBT}", commits=False)
        self._room.unpark_all()

    # --- connecting ----------------------------------------------------------------------

    async def open(self, patience: float) -> tuple[trio.abc.Stream, Welcome]:
        """The first connection, for `run`. StoreError if there is none within `patience` seconds,
        or at once if the owner does not want this node.
        """
        give_up = trio.current_time() + patience
        while True:
            try:
                return await self._attempt()
            except (NoLink, NotWelcome) as no:
                raise StoreError(self._told(no)) from None
            except (*BROKEN, trio.TooSlowError) as error:
                if trio.current_time() >= give_up:
                    raise StoreAway(self._told(error)) from None
                self._complaints.say("first", f"{self._told(error)}: waiting for it", logging.INFO)
            await trio.sleep(self._terms.ping / 5)

    async def run(
        self,
        stream: trio.abc.Stream,
        welcome: Welcome,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Use the first connection, and make it again when it is lost, until cancelled. Started
        when something may be asked. Call it once.
        """
        self._task_status = task_status
        try:
            while True:
                await self._serve(stream, welcome)
                stream, welcome = await self._again()
        finally:
            self._peer, self._why = None, "the store is closed"
            self._fail(self._why, commits=True)

    async def _serve(self, stream: trio.abc.Stream, welcome: Welcome) -> None:
        try:
            self._settle(welcome)
            peer = Peer(0, self._terms, Words(Answer))
            await peer.run(stream, self)
            text = f"{self._way.shown}: lost the connection to the store: {peer.reason}"
            level = logging.INFO if self.has_left else logging.WARNING
            self._complaints.say(("lost", peer.reason), text, level)
        finally:
            await trio.aclose_forcefully(stream)

    def _settle(self, welcome: Welcome) -> None:
        """Nothing that came over the connection before is under way any more."""
        if welcome.known and welcome.owner == self._owner:
            for it in welcome.settled:
                self._wake(it.no, _meaning(it.answer))
            self._fail(f"{self._why}: nothing was changed", commits=True)
        else:
            self._fail(f"{self._why}, the owner is another: {_IN_DOUBT}", commits=True)
        self._is_new = self._owner not in (b"", welcome.owner)
        self._owner = welcome.owner
        log.info("%s: there is a connection to the store", self._way.shown)

    async def _again(self) -> tuple[trio.abc.Stream, Welcome]:
        """The next connection; meanwhile nobody waits for longer than a lease."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_up)
            found = await self._next()
            nursery.cancel_scope.cancel()
        return found

    async def _give_up(self) -> None:
        await trio.sleep_until(self._lost_at + self._terms.silence)
        self._fail(f"{self._why}: {_IN_DOUBT}", commits=True)

    async def _next(self) -> tuple[trio.abc.Stream, Welcome]:
        least, most = self._terms.ping / 10, self._terms.ping / 2
        pause = least
        while True:
            chance = self._random_bytes(1)[0] / 255
            await trio.sleep(pause * (1 + chance) / 2)
            try:
                return await self._attempt()
            except (NoLink, NotWelcome, *BROKEN, trio.TooSlowError) as error:
                self._why = told = self._told(error).removeprefix(f"{self._way.shown}: ")
                self._complaints.say(("again", told), f"{self._way.shown}: {told}")
            pause = min(pause * 2, most)

    async def _attempt(self) -> tuple[trio.abc.Stream, Welcome]:
        stream: trio.abc.Stream | None = None
        mine = self._identity
        try:
            with trio.fail_after(IN_TIME):
                stream = await self._way.connect()
                await greeting.connect(stream, mine.secret, self._random_bytes)
                await greeting.say(stream, Hello(PROTOCOL, mine.schema, mine.version, self._run))
                return stream, await greeting.hear_welcome(stream)
        except BaseException as error:
            if stream is not None:
                await trio.aclose_forcefully(stream)
            if isinstance(error, BadMessage):
                raise NotWelcome(f"it says what is not understood: {error}") from None
            raise

    def _told(self, error: BaseException) -> str:
        match error:
            case trio.TooSlowError():
                why = f"no answer within {IN_TIME:g} s"
            case NoLink(why="it closed the connection"):
                why = "it closed the connection: is cluster.secret the same there? Its log says why"
            case NoLink(why="it has another secret"):
                why = "it has another cluster.secret"
            case NoLink() | NotWelcome():
                why = str(error)
            case _:
                why = str(error.__cause__ or error) or "the connection broke"
        return f"{self._way.shown}: {why}"


def _meaning(answer: Found | Done | Failed | Unread) -> outcome.Outcome[Any]:
    match answer:
        case Found(value=value):
            return outcome.Value(value)
        case Done(outcome=found):
            return outcome.Value(found)
        case Failed(kind=kind, text=text):
            return outcome.Error(_KINDS[kind](text))
        case Unread(reason=reason):
            return outcome.Error(StoreError(f"the owner of the store says: {reason}"))
