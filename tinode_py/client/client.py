"""One session of a client: requests with their answers, and what comes unasked."""

from __future__ import annotations

import base64
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from .codec import Packet, decode, encode
from .errors import DISCONNECTED, TIMEOUT, ClientError
from .reply import Pending, Reply

VERSION = "0.25"
CLOSING = 1.0  # seconds
PROBE, PROBED = "1", "0"  # messages that are no packets


@attrs.define
class _Asked:
    pending: Pending
    done: trio.Event = attrs.field(factory=trio.Event)
    lost: bool = False


class Client:
    """One session; made by `connect`, within whose block it lives.

    Any task may use it. Requests are sent in the order of the calls; a cancelled request may
    have been carried out. Packets that answer no request are kept until they are received, at
    most `buffer` of them: beyond that the connection is given up, so that none is ever lost
    unnoticed.
    """

    def __init__(
        self, socket: WebSocketConnection, binary: bool, timeout: float, buffer: int
    ) -> None:
        self._socket = socket
        self._binary = binary
        self._timeout = timeout
        self._buffer = buffer
        self._number = 0
        self._asked: dict[str, _Asked] = {}
        self._unasked: deque[Packet] = deque()
        self._arrived = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closing = False
        self._life = trio.CancelScope()  # of the reading task
        self._heard = 0.0  # when anything came
        self._sign = trio.Event()  # something has come since the last probe
        self.user = ""  # once logged in
        self.token = ""

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._ended

    @property
    def close_code(self) -> int | None:
        """The code of the websocket's close, None before it."""
        reason = self._socket.closed
        return int(reason.code) if reason else None

    async def wait_closed(self) -> None:
        """Return once the connection has ended."""
        while self._closing or not self._ended:
            await self._arrived.park()

    async def aclose(self) -> None:
        """Close the connection in good order; a second at most is given to the server."""
        self._closing = True
        try:
            with trio.move_on_after(CLOSING):
                await self._socket.aclose()
        finally:
            self._closing = False
            self._arrived.unpark_all()

    # --- reading -------------------------------------------------------------------------

    async def read(self) -> None:
        """Read until the connection ends: the task that `connect` starts."""
        try:
            with self._life:
                await self._read()
        except (ConnectionClosed, ValueError):
            pass  # whoever waits is told below; what is no packet ends it like a lost connection
        finally:
            self._ended = True
            self._sign.set()
            for asked in self._asked.values():
                asked.lost = True
                asked.done.set()
            self._arrived.unpark_all()

    async def _read(self) -> None:
        while len(self._unasked) <= self._buffer:
            message = await self._socket.get_message()
            self._heard = trio.current_time()
            self._sign.set()
            if message != PROBED:
                self._take(decode(message))

    async def keep_alive(self, idle: float) -> None:
        """Probe a server that has been silent for `idle` seconds: the task that `connect` starts.

        One that does not answer in the client's `timeout` is given up, as if it had closed.
        """
        self._heard = trio.current_time()
        while not self._ended:
            due = self._heard + idle  # compared as it stands: differences of times are rounded
            if trio.current_time() < due:
                await trio.sleep_until(due)
                continue
            with trio.move_on_after(self._timeout) as patience:
                await self._probe()
            if patience.cancelled_caught:
                self.abort()

    async def _probe(self) -> None:
        """Return once anything has come."""
        self._sign = trio.Event()
        with contextlib.suppress(ClientError):  # then the reading task ends, too
            await self.send(PROBE)
        await self._sign.wait()

    def abort(self) -> None:
        """Be disconnected now: whoever waits is told so."""
        self._life.cancel()

    def _take(self, packet: Packet) -> None:
        kind, body = next(iter(packet.items()))
        asked = self._asked.get(body.get("id", "")) if kind in ("ctrl", "meta") else None
        if asked is None:
            self._keep(packet)
        elif asked.pending.take(kind, body):
            for early in asked.pending.held:
                self._keep(early)
            asked.done.set()

    def _keep(self, packet: Packet) -> None:
        if "data" in packet:
            for asked in self._asked.values():
                if asked.pending.holds(packet["data"]["topic"]):
                    asked.pending.held.append(packet)
                    return
        self._unasked.append(packet)
        self._arrived.unpark_all()  # some wait for packets, some for the end

    async def receive(self) -> Packet:
        """The next packet that answers no request. ClientError once there will be no more."""
        while not self._unasked:
            if self._ended:
                raise ClientError(DISCONNECTED, "disconnected")
            await self._arrived.park()
        return self._unasked.popleft()

    def receive_all_nowait(self) -> list[Packet]:
        """What has come and answers no request, oldest first."""
        packets = list(self._unasked)
        self._unasked.clear()
        return packets

    def __aiter__(self) -> AsyncIterator[Packet]:
        """Packets that answer no request, until the connection ends."""
        return self

    async def __anext__(self) -> Packet:
        try:
            return await self.receive()
        except ClientError:
            raise StopAsyncIteration from None

    # --- writing -------------------------------------------------------------------------

    async def send(self, message: Packet | str | bytes) -> None:
        """Send a packet, or a raw message, as it stands; an answer counts as unasked."""
        if isinstance(message, dict):
            message = encode(message, binary=self._binary)
        try:
            await self._socket.send_message(message)
        except ConnectionClosed:
            raise ClientError(DISCONNECTED, "disconnected") from None

    async def request(self, packet: Packet, *, timeout: float | None = None) -> Reply:
        """Send a request and wait for all of its answer; ClientError if it is refused.

        It gets an id if it has none. `timeout` in seconds instead of the client's own.
        """
        kind = next(name for name in packet if name != "extra")
        body: Packet = dict(packet[kind])
        ident = body.setdefault("id", self._next_id())
        asked = _Asked(Pending.of(kind, body))
        self._asked[ident] = asked
        try:
            with trio.fail_after(self._timeout if timeout is None else timeout):
                await self.send({**packet, kind: body})
                await asked.done.wait()
        except trio.TooSlowError:
            raise ClientError(TIMEOUT, "timeout") from None
        finally:
            del self._asked[ident]
        if asked.lost:
            raise ClientError(DISCONNECTED, "disconnected")
        return asked.pending.reply()

    def _next_id(self) -> str:
        self._number += 1
        return str(self._number)

    # --- the protocol's requests ---------------------------------------------------------

    async def hi(self, **members: Any) -> Reply:
        """Greet the server; everything else comes after it."""
        return await self.request({"hi": {"ver": VERSION, "ua": "tinode-py", **members}})

    async def create_account(self, login: str, password: str, /, **members: Any) -> Reply:
        """Make an account with a password and log in with it (`login=False`: do not)."""
        body = {"user": "new", "scheme": "basic", "secret": _secret(login, password)}
        return self._entered(await self.request({"acc": {**body, "login": True, **members}}))

    async def visit(self, **members: Any) -> Reply:
        """Make an account without a login, and be logged in with it; its token is all it has."""
        body = {"user": "new", "scheme": "anonymous", "login": True, **members}
        return self._entered(await self.request({"acc": body}))

    async def login(self, login: str, password: str) -> Reply:
        """Log in with a password."""
        return await self.login_with("basic", _secret(login, password))

    async def login_token(self, token: str) -> Reply:
        """Log in with the token of an earlier login."""
        return await self.login_with("token", token)

    async def login_with(self, scheme: str, secret: str, **members: Any) -> Reply:
        """Log in by any scheme; `secret` is base64 text."""
        body = {"scheme": scheme, "secret": secret, **members}
        return self._entered(await self.request({"login": body}))

    def _entered(self, reply: Reply) -> Reply:
        if "token" in reply.params and reply.code < 300:
            self.user = reply.params["user"]
            self.token = reply.params["token"]
        return reply

    async def sub(self, topic: str, **members: Any) -> Reply:
        """Attach to a topic; `reply.topic` is its name, `reply.meta` what `get` asked for."""
        return await self.request({"sub": {"topic": topic, **members}})

    async def leave(self, topic: str, *, unsub: bool = False) -> Reply:
        return await self.request({"leave": {"topic": topic, "unsub": unsub}})

    async def pub(self, topic: str, content: Any, **members: Any) -> int:
        """Publish, and return the message's number in its topic, 0 if it is not kept."""
        reply = await self.request({"pub": {"topic": topic, "content": content, **members}})
        return int(reply.params.get("seq", 0))

    async def get(self, topic: str, what: str, **members: Any) -> Reply:
        """Ask for parts of a topic, named in `what` with blanks between."""
        return await self.request({"get": {"topic": topic, "what": what, **members}})

    async def set(self, topic: str, **members: Any) -> Reply:
        """Change a topic. Of several parts the first one's answer is awaited."""
        return await self.request({"set": {"topic": topic, **members}})

    async def del_(self, what: str, **members: Any) -> Reply:
        return await self.request({"del": {"what": what, **members}})

    async def note(self, topic: str, what: str, seq: int = 0, **members: Any) -> None:
        """Send a note; nothing answers it."""
        body = {"topic": topic, "what": what, **({"seq": seq} if seq else {}), **members}
        await self.send({"note": body})


def _secret(login: str, password: str) -> str:
    return base64.b64encode(f"{login}:{password}".encode()).decode("ascii")
