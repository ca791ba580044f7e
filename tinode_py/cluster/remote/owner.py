"""The store of this node, served to the other nodes of its cluster.

- Each program elsewhere is a *run*, with one connection at a time; a new one takes the place of
  the one before. It asks under numbers of its own, and is answered in any order.
- A commit goes to the same writer as this node's own, as of the node that handed it in, and is
  written whatever becomes of the connection. The next connection of the run is not welcomed
  before all its commits are over, and is told what became of them: so nothing that it reads then
  changes behind its back.
- What a run may have at work is bounded, in number and in bytes; beyond it nothing is read from
  it. What it does not take waits, up to a bound, and holds up what it asks next. A run that
  takes nothing, or says what makes no sense, loses its connection.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import attrs
import trio

from ...changes import Batch, Outcome
from ...errors import Fenced, StoreAway, StoreError
from ...live.complaints import Complaints
from ...queries import Query
from ...store.base import UNBOUNDED, Store
from ...store.coordination import MemoryCoordination, unknown
from ..handshake import NoLink, exactly
from ..items import BadMessage
from ..peer import Peer, Terms
from ..strangers import BROKEN, IN_TIME, Begun, Strangers, origin
from . import greeting
from .greeting import MAGIC
from .runs import Run, Runs
from .words import (
    Beat,
    Bury,
    Claim,
    Commit,
    Done,
    Failed,
    Fence,
    Fetch,
    Found,
    Give,
    Hello,
    Join,
    Leave,
    Release,
    Request,
    Unread,
    Unwelcome,
    Welcome,
    Words,
    pack,
)

log = logging.getLogger(__name__)

CONNECTED = 256  # runs, at most
FETCHING = 8  # queries without a bound of one run at the same time
TOPICS = 1_000_000  # claimed by one node, at most
LONGEST = 100  # characters of a topic's name


class OwnStore(Store, Protocol):
    """A store of all nodes, in the process that has it."""

    async def commit_as(self, node: int, batch: Batch) -> Outcome:
        """Commit as of a node: Fenced if it is no member when it is written."""


@attrs.frozen
class Identity:
    """What both sides must have in common, and what the owner calls itself."""

    secret: bytes = attrs.field(repr=False)
    schema: int
    version: str


class Owner:
    """Serves `store` and `coordination` to whoever holds the secret. `lease` in seconds; `queue`
    bytes may wait for each run, and be at work for it.
    """

    def __init__(
        self,
        store: OwnStore,
        coordination: MemoryCoordination,
        identity: Identity,
        *,
        random_bytes: Callable[[int], bytes],
        lease: float = 5.0,
        queue: int = 16_777_216,
    ) -> None:
        self.store = store
        self.coordination = coordination
        self.identity = identity
        self.queue = queue
        self._id = random_bytes(16)
        self._random_bytes = random_bytes
        self._terms = Terms(ping=lease / 5, silence=lease, queue=queue)
        self._runs = Runs()
        self._strangers = Strangers()
        self._nursery: trio.Nursery | None = None
        self._complaints = Complaints(log, trio.current_time)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled: call it once. Connections that come sooner or later are closed."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._strangers.end()

    # --- who comes -----------------------------------------------------------------------

    async def accept(
        self, stream: trio.abc.Stream, otherwise: Callable[[trio.abc.Stream], Awaitable[None]]
    ) -> None:
        """Serve a connection until it is over; closes it. One that does not begin as those to a
        store do is given to `otherwise`. Never raises for what the other side does.
        """
        other: trio.abc.Stream | None = None
        try:
            found = await self._meet(stream)
            if isinstance(found, Hello):
                await self._greet(stream, found)
            elif found is not None:
                other = Begun(stream, found)
        finally:
            if other is None:
                await trio.aclose_forcefully(stream)
        if other is not None:
            await otherwise(other)

    async def _meet(self, stream: trio.abc.Stream) -> Hello | bytes | None:
        """What it says of itself, if it holds the secret; its first bytes, if it wants something
        else; None if it is nobody.
        """
        why = f"it did not show within {IN_TIME:g} s who it is"
        try:
            with self._strangers.one():
                first = await exactly(stream, len(MAGIC))
                if first != MAGIC:
                    return first
                await greeting.accept(stream, self.identity.secret, self._random_bytes)
                return await greeting.hear_hello(stream)
        except NoLink as no:
            why = no.why
        except BadMessage as error:
            why = f"no message: {error}"
        except BROKEN:
            why = "the connection broke"
        text = f"refused a connection to the store{origin(stream)}: {why}"
        self._complaints.say(("refused", why), text)
        return None

    async def _greet(self, stream: trio.abc.Stream, hello: Hello) -> None:
        why = greeting.misfit(hello, self.identity.schema, self.identity.version)
        if not why and self._runs.connected() >= CONNECTED:
            why = f"{CONNECTED} nodes are connected, and there may be no more"
        if why:
            self._complaints.say(("misfit", why), f"refused a node{origin(stream)}: {why}")
            await self._said(stream, Unwelcome(why))
            return
        run, known = self._runs.find(hello.run)
        run.connections += 1
        mine = run.connections
        async with run.greeting:
            while run.peer is not None:
                run.peer.reset("another connection takes its place")
                await run.peer.wait_ended()
            settled = await run.settled()
            if run.connections != mine or self._nursery is None:
                return
            if not await self._said(stream, Welcome(self._id, known, settled)):
                return
            words = Words(Request)
            run.peer = Peer(0, self._terms, words)
        await self._serve(stream, run, run.peer, words)

    async def _said(self, stream: trio.abc.Stream, word: Welcome | Unwelcome) -> bool:
        with trio.move_on_after(IN_TIME):
            try:
                await greeting.say(stream, word)
            except BROKEN:
                return False
            return True
        return False

    async def _serve(self, stream: trio.abc.Stream, run: Run, peer: Peer, words: Words) -> None:
        gone = self.coordination.disconnected
        gone.discard(run.node)
        try:
            async with trio.open_nursery() as nursery:
                served = _Served(self, run, words, nursery)
                await peer.run(stream, served)
                nursery.cancel_scope.cancel()
        finally:
            run.peer = None
            if self.coordination.is_member(run.node):
                gone.add(run.node)
        who = f"node {run.node}" if run.node else "a node that has not joined"
        text = f"{who} has no store any more: {peer.reason}"
        level = logging.INFO if run.node and self._is_leaving(run.node) else logging.WARNING
        self._complaints.say(("lost", run.id), text, level)

    def _is_leaving(self, node: int) -> bool:
        """Whether it has left, or is about to."""
        return all(it.id != node or it.draining for it in self.coordination.members())

    # --- what lives on when a connection is over --------------------------------------------

    def start(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it whatever becomes of who asked; False if this ends."""
        if self._nursery is None:
            return False
        self._nursery.start_soon(work)
        return True


@attrs.define(eq=False)
class _Served:
    """The handler of one connection."""

    owner: Owner
    run: Run
    words: Words
    nursery: trio.Nursery
    fetching: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(FETCHING))

    def connected(self, peer: Peer) -> None:
        pass

    def lost(self, peer: Peer) -> None:
        pass

    async def received(self, peer: Peer, request: Any) -> None:
        run, size = self.run, self.words.size
        await run.wait_room(self.owner.queue)
        run.begin(size)
        match request:
            case Commit():
                if not run.write(request.seen):
                    run.end(size)
                    peer.reset("it does not say which answers it has heard")
                elif not self.owner.start(partial(self._commit, peer, request, size)):
                    peer.reset("this node ends")
            case Fetch() if type(request.query) in UNBOUNDED:
                self.nursery.start_soon(self._slowly, peer, request, size)
            case Join() | Fence() | Bury() | Leave():
                if not self.owner.start(partial(self._answer, peer, request, size)):
                    peer.reset("this node ends")
            case _:
                await self._answer(peer, request, size)

    async def _commit(self, peer: Peer, request: Commit, size: int) -> None:
        run = self.run
        try:
            answer = await self._written(request)
            run.written(answer)
            await _send(peer, answer)
        finally:
            run.end(size)

    async def _written(self, request: Commit) -> Done | Failed:
        batch = Batch(request.changes, request.now, request.patient)
        try:
            if request.node != self.run.node:
                raise unknown(request.node)
            return Done(request.no, await self.owner.store.commit_as(request.node, batch))
        except StoreError as error:
            return _failed(request.no, error)
        except Exception as error:  # what a node asks must not end this one
            log.exception("a commit of node %d", request.node)
            return Failed(request.no, "error", f"{type(error).__name__}: {error}")

    async def _slowly(self, peer: Peer, request: Fetch, size: int) -> None:
        async with self.fetching:
            await self._answer(peer, request, size)

    async def _answer(self, peer: Peer, request: Any, size: int) -> None:
        answer: Found | Failed
        try:
            answer = Found(request.no, await self._found(request))
        except StoreError as error:
            answer = _failed(request.no, error)
        except Exception as error:  # as above
            log.exception("a question of node %d", self.run.node)
            answer = Failed(request.no, "error", f"{type(error).__name__}: {error}")
        try:
            await _send(peer, answer)
        finally:
            self.run.end(size)

    async def _found(self, request: Any) -> Any:
        run, shared = self.run, self.owner.coordination
        match request:
            case Fetch(query=query):
                if not isinstance(query, Query):
                    raise StoreError("this is no query")
                return await self.owner.store.fetch(query)
            case Join(name=name, address=address, url=url):
                return await self._join(name, address, url)
            case Fence(node=node, lease=lease):
                return await shared.fence(node, lease)
            case Bury(node=node):
                return await shared.bury(node)
            case Unread(reason=reason):
                raise StoreError(f"the owner of the store does not understand: {reason}")
        if request.node != run.node:
            return self._of_another(request)
        match request:
            case Beat(node=node, load=load, draining=draining):
                return await shared.beat(node, load=load, draining=draining)
            case Claim(node=node, topics=topics):
                return await self._claim(node, topics)
            case Release(node=node, topics=topics):
                return await shared.release(node, topics)
            case Give(node=node, topic=topic, to=to):
                return await shared.give(node, topic, to)
            case Leave(node=node):
                return await shared.leave(node)

    def _of_another(self, request: Any) -> Any:
        """Of a node that this run is not, or no more."""
        if isinstance(request, Release | Leave):
            return None
        if isinstance(request, Give):
            return False
        raise unknown(request.node)

    async def _join(self, name: str, address: str, url: str) -> int:
        """Who joins again is no member as what he was."""
        run, shared = self.run, self.owner.coordination
        if run.node:
            await shared.leave(run.node)
        run.node = await shared.join(name, address, url)
        log.info("node %d (%s) has the store of this node", run.node, name)
        return run.node

    async def _claim(self, node: int, topics: tuple[str, ...]) -> dict[str, int]:
        shared = self.owner.coordination
        if any(len(topic) > LONGEST for topic in topics):
            raise StoreError("a topic's name is too long")
        if shared.owned(node) + len(topics) > TOPICS:
            raise StoreError(f"node {node} has too many topics")
        return await shared.claim(node, topics)


async def _send(peer: Peer, answer: Found | Done | Failed) -> None:
    """Send it as soon as there is room, or the connection is over."""
    try:
        data = pack(answer)
    except (BadMessage, TypeError, ValueError) as error:
        log.error("an answer cannot be sent: %s", error)
        data = pack(Failed(answer.no, "error", f"the answer cannot be sent: {error}"))
    while not peer.send_packed(data) and not peer.reason:
        await peer.wait_sent()


def _failed(no: int, error: StoreError) -> Failed:
    if isinstance(error, Fenced):
        return Failed(no, "fenced", str(error))
    return Failed(no, "away" if isinstance(error, StoreAway) else "error", str(error))
