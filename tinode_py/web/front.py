"""One port: every connection begins here, and every request's head passes here.

A connection is read until its first head is complete (bounded in size and time). A good
websocket handshake takes the connection over; all else is HTTP, until a head comes that is
not. What a connection does wrong ends that connection and no other.

`drain` is the end: no more is accepted, new requests are answered 503, what is under way is
given time, the rest is broken off.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from http import HTTPStatus

import attrs
import trio

from ..config import Settings
from ..live.outbox import ConnectionInfo, OutletTerms, SlowBy, SocketOutbox
from ..live.sockets import reset, socket_of
from .answers import bare_answer
from .closing import close_at_once, close_gently, close_now
from .handshake import PATH, Doors, accepted, key_of, ticket_of
from .head import BadRequest, RequestHead, Requests
from .http import App, Caller, Http, HttpLimits, Receive, Scope, Send, Served, serve_http
from .listen import serve
from .silence import Silence, Silences
from .tls import TlsContext
from .websocket import NewSession, SocketTerms, WebSocket

LOG = logging.getLogger(__name__)
_GOING_AWAY = 1001
_NO_FORM: Mapping[str, str] = {}
_LINGER = 2.0  # seconds for a peer to take a last answer
_LAST_ANSWER = 0.5  # seconds for those who were answered at the end to close their connections
_LAST_WORD = 5.0  # seconds for a websocket's peer to answer our close
_LOST = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


@attrs.frozen
class FrontStatistics:
    """Counts since the start, except `connections` and `sockets`, which are of now."""

    connections: int
    sockets: int
    accepted: int
    refused: int
    slow_by_bytes: int
    slow_by_time: int


class Front:
    """The server's side of all connections.

    `serve` (or `adopt` while it runs) gives it connections; `drain` and then the cancellation
    of `serve` end it.
    """

    def __init__(
        self,
        settings: Settings,
        new_session: NewSession,
        app: App,
        doors: Doors,
        tls: TlsContext | None = None,
        guard: Callable[[trio.abc.Stream], int] = lambda stream: 0,
    ) -> None:
        """`guard` gives the status with which a connection is turned away unheard; 0: none."""
        web, limits, server = settings.web, settings.limits, settings.server
        self._new_session = new_session
        self._app = app
        self._doors = doors
        self._tls = tls
        self._guard = guard
        self._forwarded_for = web.forwarded_for
        self._head_size, self._head_timeout = web.head_size, web.head_timeout
        self._limits = limits
        self._silence = Silence(min(server.ping_seconds, server.read_timeout), server.read_timeout)
        self._silences = Silences()
        self._http_limits = HttpLimits(
            read_timeout=server.read_timeout,
            write_timeout=limits.write_timeout,
        )
        self._accepting = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._terms: SocketTerms | None = None  # while it serves
        self._streams: set[trio.abc.Stream] = set()
        self._outboxes: set[SocketOutbox] = set()
        self._requests = 0  # being answered
        self._leaving: set[trio.abc.Stream] = set()  # answered since the drain began
        self._changed = trio.lowlevel.ParkingLot()
        self._slow = {"bytes": 0, "time": 0}
        self._accepted = self._refused = 0
        self.draining = False

    def statistics(self) -> FrontStatistics:
        return FrontStatistics(
            connections=len(self._streams),
            sockets=len(self._outboxes),
            accepted=self._accepted,
            refused=self._refused,
            slow_by_bytes=self._slow["bytes"],
            slow_by_time=self._slow["time"],
        )

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What lets other limits hold, for websockets that are opened afterwards."""

        def put_in_force() -> None:
            self._limits = settings.limits
            if self._nursery is not None:
                self._terms = self._socket_terms(self._nursery)

        return put_in_force

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        keep_paths: bool = False,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and serve until cancelled; `started` as soon as connections are taken. Paths of
        Unix sockets that are another's stay (`keep_paths`).
        """
        async with trio.open_nursery() as nursery:
            self._nursery, self._terms = nursery, self._socket_terms(nursery)
            nursery.start_soon(self._silences.run)
            task_status.started()
            with self._accepting:
                await serve(listeners, self.serve_connection, nursery, keep_paths=keep_paths)
            await trio.sleep_forever()

    def _socket_terms(self, nursery: trio.Nursery) -> SocketTerms:
        limits = self._limits
        outlet = OutletTerms(
            nursery,
            limit=limits.outbox,
            stall=limits.write_timeout,
            linger=_LAST_WORD,
            on_slow=self._count_slow,
        )
        return SocketTerms(
            limits.message_size,
            self._silence,
            outlet,
            self._silences,
            self._outboxes,
            self._new_session,
        )

    def adopt(self, stream: trio.abc.Stream) -> None:
        """Serve a connection that no listener accepted, for instance an in-memory stream."""
        if self._nursery is None:
            raise RuntimeError("the front does not serve yet")
        self._nursery.start_soon(self.serve_connection, stream)

    def begin_drain(self) -> None:
        """Accept no more connections; answer new requests on those there are with 503."""
        self.draining = True
        self._accepting.cancel()

    def close_sessions(self) -> None:
        """Tell every websocket that is still open that we are going away (1001)."""
        for outbox in tuple(self._outboxes):
            outbox.finish(_GOING_AWAY)

    def break_off(self) -> None:
        """Reset every connection that there is, without a word, as a network might."""
        for outbox in tuple(self._outboxes):
            outbox.abort()
        for stream in tuple(self._streams):
            reset(stream)

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is under way, at most for `seconds`; then break off the rest."""
        self.begin_drain()
        with trio.move_on_after(seconds):
            while self._outboxes or self._requests:
                await self._changed.park()
            with trio.move_on_after(_LAST_ANSWER):
                while self._leaving:  # a reset might overtake their answers
                    await self._changed.park()
        for outbox in tuple(self._outboxes):
            outbox.abort()  # before its descriptor is another's
        for stream in tuple(self._streams):
            if socket_of(stream) is None:
                await trio.aclose_forcefully(stream)
            reset(stream)

    async def wait_empty(self) -> None:
        """Wait until there is no connection."""
        while self._streams:
            await self._changed.park()

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end and close it. Raises nothing but Cancelled."""
        self._accepted += 1
        self._streams.add(stream)
        await self._guarded(stream, self._begin(stream))

    async def _guarded(self, stream: trio.abc.Stream, work: Coroutine[None, None, bool]) -> None:
        """Do some work on a connection; close it after that unless another task has it then."""
        handed_over = False
        try:
            handed_over = await work
        except Exception as error:
            if not _only_lost(error):
                LOG.exception("a connection failed")
        finally:
            if not handed_over:
                try:
                    await close_at_once(stream)
                finally:
                    self._streams.discard(stream)
                    self._changed.unpark_all()

    async def _begin(self, stream: trio.abc.Stream) -> bool:
        """Serve a connection until it becomes a websocket and another task's, or ends."""
        raw, address = stream, _address(stream)
        if status := self._guard(stream):
            await self._refuse(stream, status)
            return False
        if self._tls:
            stream = await self._secured(stream, self._tls)
        requests = Requests(stream, self._head_size, self._head_timeout)
        try:
            head = await requests.head()
        except BadRequest as error:
            await self._refuse(stream, error.status)
            return False
        if head and self._is_plain(head):
            served = await self._serve_plain(stream, requests, head, address)
            if served.taken:
                self._start(raw, self._serve_rest(stream, served.taken), "tinode_py.stream")
                return True
            head = served.next_head
        if not head:
            await close_now(stream, _LINGER)
            return False
        key, ticket = key_of(head, _NO_FORM), ticket_of(head)
        info = ConnectionInfo(self._client(head, address), "ws", key, ticket)
        answer = accepted(head, requests.parser)
        assert self._terms is not None
        socket = WebSocket(stream, self._terms)
        self._start(raw, socket.run(answer, requests.take_rest(), info), "tinode_py.websocket")
        return True

    def _start(self, stream: trio.abc.Stream, work: Coroutine[None, None, bool], name: str) -> None:
        """Go on with a connection in a task that holds nothing of its beginning."""
        assert self._nursery is not None
        self._nursery.start_soon(self._guarded, stream, work, name=name)

    async def _secured(self, stream: trio.abc.Stream, tls: TlsContext) -> trio.abc.Stream:
        secured = tls.wrap(stream)
        with trio.fail_after(self._head_timeout):
            await secured.do_handshake()
        return secured

    async def _serve_plain(
        self, stream: trio.abc.Stream, requests: Requests, head: RequestHead, address: str
    ) -> Served:
        """Answer requests until the connection ends, or is to go on as something else."""
        caller = Caller(lambda head: self._client(head, address), "https" if self._tls else "http")

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            with self._counted(stream):
                await self._app(scope, receive, send)

        http = Http(counted, self._is_plain, self._http_limits)
        try:
            served = await serve_http(stream, requests, head, http, caller)
            if served.refused:
                await self._refuse(stream, served.refused)
            elif served.next_head is None and served.taken is None:
                await close_gently(stream, _LINGER)
        finally:
            self._leaving.discard(stream)
            self._changed.unpark_all()
        return served

    async def _serve_rest(
        self, stream: trio.abc.Stream, taken: Callable[[], Awaitable[None]]
    ) -> bool:
        """Send the rest of an answer that was taken over, and close."""
        try:
            with self._counted(stream):
                await taken()
            await close_gently(stream, _LINGER)
        finally:
            self._leaving.discard(stream)
            self._changed.unpark_all()
        return False

    async def _refuse(self, stream: trio.abc.Stream, status: int) -> None:
        """Say why and close; who was too slow is told nothing."""
        self._refused += 1
        if status != HTTPStatus.REQUEST_TIMEOUT:
            with trio.move_on_after(_LINGER):
                await stream.send_all(bare_answer(status))
            await close_gently(stream, _LINGER)

    @contextlib.contextmanager
    def _counted(self, stream: trio.abc.Stream) -> Iterator[None]:
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            if self.draining:
                self._leaving.add(stream)
            self._changed.unpark_all()

    def _is_plain(self, head: RequestHead) -> bool:
        if head.path != PATH or self.draining:
            return True
        return self._doors.refusal(head, _NO_FORM) is not None

    def _client(self, head: RequestHead, address: str) -> str:
        if not self._forwarded_for:
            return address
        return forwarded_address(head.header("x-forwarded-for")) or address

    def _count_slow(self, by: SlowBy) -> None:
        self._slow[by] += 1


def forwarded_address(value: str) -> str:
    """The public address nearest to us in an `X-Forwarded-For`; empty if there is none.

    What stands before it was written by whoever sent it, and proves nothing.
    """
    for text in reversed(value.split(",")):
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            return ""
        if address.is_global:
            return str(address)
    return ""


def _address(stream: trio.abc.Stream) -> str:
    """The peer's address without its port; what kind of stream it is if it has none."""
    sock = socket_of(stream)
    if sock is None:
        return "memory"
    try:
        peer = sock.getpeername()
    except OSError:
        return "gone"
    return str(peer[0]) if isinstance(peer, tuple) else "unix"


def _only_lost(error: BaseException) -> bool:
    """Whether nothing but the connection failed."""
    if isinstance(error, BaseExceptionGroup):
        return all(_only_lost(inner) for inner in error.exceptions)
    return isinstance(error, _LOST)
