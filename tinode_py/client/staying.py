"""Staying connected: log in, follow, and begin again when the connection is lost."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio

from .backoff import MOST, Backoff
from .chat import Chat
from .client import Client
from .connection import connect, kept_apart
from .directory import Directory
from .errors import DISCONNECTED, ClientError
from .events import Connected, Disconnected
from .following import is_passing
from .logins import Login, Token
from .positions import MemoryPositions, Positions

PATIENCE = 30.0  # seconds for the first connection
LASTED = 5.0  # seconds after which a connection counts as a good one
SAVING = 5.0  # seconds for the last positions
_UNAUTHORIZED = 401
Dial = Callable[[], AbstractAsyncContextManager[Client]]


def stay_connected(
    url: str, login: Login, *, connecting: Mapping[str, Any] | None = None, **options: Any
) -> AbstractAsyncContextManager[Chat]:
    """A user of the server at `url` who stays connected for the time of the block.

        async with stay_connected(url, Password("alice", "secret")) as alice:
            async for message in alice.messages():
                ...

    `login`: how to log in; later logins use the token of the first as long as it is good.
    `connecting`: options of `connect`. `options`: those of `stay_connected_by`.
    """
    given = connecting or {}
    options.setdefault("directory", Directory(url, given.get("tls")))
    return stay_connected_by(partial(connect, url, **given), login, **options)


@asynccontextmanager
async def stay_connected_by(
    dial: Dial,
    login: Login,
    *,
    positions: Positions | None = None,
    follow: tuple[str, ...] = (),
    hi: Mapping[str, Any] | None = None,
    patience: float = PATIENCE,
    longest: float = MOST,
    chance: Callable[[], float] = random.random,
    directory: Directory | None = None,
) -> AsyncIterator[Chat]:
    """As `stay_connected`, over connections that `dial` opens.

    `positions`: where the program was, and is when it ends. `follow`: topics to follow from the
    start. `hi`: members of {hi}. `patience`: seconds for the first connection (`math.inf`: for
    ever). `longest`: seconds between two tries at most. `chance`: numbers from [0, 1).
    `directory`: who tells who is online.

    Raises ClientError when the server refuses the login, at first or later, or has thrown this
    session out for good; or when there was no connection in time. A lost connection raises
    nothing. Positions are those of messages that are done with; what was being worked on when
    the block was left by an error comes again.
    """
    with trio.CancelScope() as scope:
        async with kept_apart() as nursery:
            chat = Chat(nursery, {}, directory)
            for topic in follow:
                chat.following.expect(topic)
            stay = _Stay(
                chat,
                dial,
                login,
                positions or MemoryPositions(),
                dict(hi or {}),
                Backoff(most=longest, chance=chance),
            )
            try:
                nursery.start_soon(stay.run, scope)
                await stay.wait_up(patience)
                nursery.start_soon(stay.keep_positions, scope)
                yield chat
                chat.finish()
            finally:
                await stay.save_last()
    if stay.failure is not None:
        raise stay.failure


@attrs.define(eq=False)
class _Stay:
    chat: Chat
    dial: Dial
    login: Login
    positions: Positions
    hi: Mapping[str, Any]
    backoff: Backoff
    failure: Exception | None = None
    _reason: ClientError | None = None
    _token: str = ""
    _up: trio.Event = attrs.field(factory=trio.Event)
    _saving: trio.Lock = attrs.field(factory=trio.Lock)

    async def run(self, scope: trio.CancelScope) -> None:
        """Connect again and again, until the server wants us no more."""
        while True:
            began = trio.current_time()
            try:
                async with self.dial() as client:
                    await self._enter(client)
                    await self.chat.following.run(client, partial(self._ready, client))
            except ClientError as error:
                self._reason = error
            except (OSError, ValueError) as error:  # of the positions
                self._fail(error, scope)
                return
            finally:
                self.chat.down()
            assert self._reason is not None
            if not is_passing(self._reason):
                self._fail(self._reason, scope)
                return
            if trio.current_time() - began > LASTED:
                self.backoff.reset()
            wait = self.backoff.next()
            self.chat.tell(Disconnected(self._reason.text, wait))
            await trio.sleep(wait)

    def _fail(self, error: Exception, scope: trio.CancelScope) -> None:
        self.failure = error
        scope.cancel()

    async def _enter(self, client: Client) -> None:
        await client.hi(**self.hi)
        await self._log_in(client)
        if not self.chat.user:
            self.chat.load(client.user, await self.positions.load(client.user))

    async def _log_in(self, client: Client) -> None:
        if self._token:
            try:
                await Token(self._token)(client)
            except ClientError as error:
                if error.code != _UNAUTHORIZED:
                    raise
                self._token = ""
        if not self._token:
            reply = await self.login(client)
            if reply.code >= 300:
                raise ClientError(reply.code, reply.text, reply.params)
        self._token = client.token

    def _ready(self, client: Client) -> None:
        self.chat.up(client)
        self.chat.tell(Connected(client.user))
        self._up.set()

    async def wait_up(self, patience: float) -> None:
        """Until the first connection is there, at most `patience` seconds."""
        with trio.move_on_after(patience) as waiting:
            await self._up.wait()
        if waiting.cancelled_caught:
            raise self._reason or ClientError(DISCONNECTED, "no answer")

    async def keep_positions(self, scope: trio.CancelScope) -> None:
        """Save positions whenever they have moved."""
        try:
            while True:
                await self.chat.moved.wait()
                self.chat.moved = trio.Event()
                await self._save()
        except OSError as error:
            self._fail(error, scope)

    async def save_last(self) -> None:
        """Save once more, whatever ends the block."""
        if self.chat.user:
            with trio.CancelScope(shield=True), trio.move_on_after(SAVING):
                await self._save()

    async def _save(self) -> None:
        async with self._saving:
            await self.positions.save(self.chat.user, self.chat.positions())
