"""A whole server inside a test: no port needed, nothing on disk, ready in milliseconds.

    async with running_server(limits={"message_size": 4096}) as server:
        alice = await server.user("alice")
        await alice.sub("me")

It is the server that `serve` runs, with other parts: passwords cost nothing, the store and
password checks run on the loop's thread, and time is Trio's, so that tests under a virtual
clock never wait. Nothing is tuned for the whole process. Suites without Trio use
`server_in_thread`; under pytest-trio there is the fixture `tinode_server`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import attrs
import trio
import trio.testing

from . import client
from .access import Level
from .changes import Batch, PutLogin
from .client import Chat, Client, Register
from .config import Settings
from .queries import LoginByName
from .server import Parts, Server, running

T = TypeVar("T")
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "server": {"listen": ["127.0.0.1:0"], "store": "memory:", "drain_seconds": 1.0},
    "auth": {"basic": {"min_login": 1}},
}


class CheapHasher:
    """Passwords as their bare digests: for tests only."""

    def encode(self, password: str) -> str:
        return "cheap:" + hashlib.sha256(password.encode()).hexdigest()

    def verify(self, password: str, encoded: str | None) -> bool:
        return encoded == self.encode(password)


def trio_clock() -> Callable[[], int]:
    """Milliseconds since 1970 that go on as Trio's clock does, virtual or not."""
    start = time.time_ns() // 1_000_000 - round(trio.current_time() * 1000)
    return lambda: start + round(trio.current_time() * 1000)


@attrs.define(eq=False)
class RunningServer:
    """A server, and how to reach it. All its clients are closed when it ends."""

    server: Server
    _nursery: trio.Nursery
    _names: set[str] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        """Where it listens, on a free port of 127.0.0.1 unless `server.listen` says otherwise."""
        return self.server.url

    def connect(self, **options: Any) -> AbstractAsyncContextManager[Client]:
        """A client over memory, for `async with`; not greeted. Options as of `client.connect`."""
        return client.connect_over(self.stream(), **options)

    def stream(self) -> trio.abc.Stream:
        """A bare connection over memory."""
        mine, theirs = trio.testing.memory_stream_pair()
        self.server.front.adopt(theirs)
        return mine

    async def open(self, **options: Any) -> Client:
        """As `connect`, for a client that lives as long as the server."""
        opened: Client = await self._nursery.start(self._hold, options)
        return opened

    async def _hold(
        self, options: Mapping[str, Any], *, task_status: trio.TaskStatus[Client]
    ) -> None:
        async with self.connect(**options) as opened:
            task_status.started(opened)
            await opened.wait_closed()

    async def user(
        self,
        name: str,
        *,
        hi: Mapping[str, Any] | None = None,
        root: bool = False,
        options: Mapping[str, Any] | None = None,
        **account: Any,
    ) -> Client:
        """A client that is logged in as `name` and attached to nothing.

        The first call for a name makes the account (`account`: members of its {acc}, such as
        `desc` and `tags`; public data with the name unless given); later ones are more devices
        of the same user. `hi`: members of its {hi}. `options`: as of `connect`.
        """
        device = await self.open(**(options or {}))
        await device.hi(**{"ua": name, **(hi or {})})
        if name not in self._names:
            account.setdefault("desc", {"public": {"fn": name}})
            await device.create_account(name, password_of(name), login=not root, **account)
            self._names.add(name)
            if root:
                await self._raise_to_root(name)
        if not device.user:
            await device.login(name, password_of(name))
        return device

    def chat(
        self, name: str, *, account: Mapping[str, Any] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Chat]:
        """A user who stays connected, for `async with`; the same accounts as of `user`.

        `account`: members of its {acc}. `options`: as of `client.stay_connected_by`.
        """
        self._names.add(name)
        members = {"desc": {"public": {"fn": name}}, **(account or {})}
        login = Register(name, password_of(name), members)
        return client.stay_connected_by(self.connect, login, **options)

    async def _raise_to_root(self, name: str) -> None:
        row = await self.server.store.fetch(LoginByName("basic", name.lower()))
        assert row is not None
        await self.server.store.commit(Batch((PutLogin(attrs.evolve(row, level=Level.ROOT)),)))


def password_of(name: str) -> str:
    """The password of an account that `RunningServer.user` made; its login is the name."""
    return f"{name}-password"


@contextlib.asynccontextmanager
async def running_server(
    *, parts: Parts | None = None, **settings: Any
) -> AsyncIterator[RunningServer]:
    """A server for the time of the block, with the given settings (sections as keywords).

    Kept in memory unless `server={"store": …}` says otherwise. `parts` replaces time, chance,
    the hash of passwords and threads. What the block raises comes out as it is.
    """
    chosen = Settings.of(**_merged(_DEFAULTS, settings))
    made = parts or Parts(trio_clock(), os.urandom, CheapHasher(), inline=True)
    stack = contextlib.AsyncExitStack()
    server = await stack.enter_async_context(running(chosen, made))
    nursery = await stack.enter_async_context(trio.open_nursery())
    try:
        yield RunningServer(server, nursery)
    finally:
        nursery.cancel_scope.cancel()
        await stack.aclose()  # without the error, so that no nursery makes a group of it


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


# --- for suites without Trio -------------------------------------------------------------


@attrs.define(eq=False)
class ThreadServer:
    """A server in a thread of its own, in real time. Its methods block."""

    url: str
    _server: RunningServer
    _token: trio.lowlevel.TrioToken

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call an async function in the server's thread, with it as the first argument."""
        return trio.from_thread.run(function, self._server, *args, trio_token=self._token)

    def account(self, name: str, **account: Any) -> tuple[str, str]:
        """Make an account; its user id and a token to log in with. Login and password are as
        `RunningServer.user` and `password_of` have them.
        """
        return self.run(_account, name, account)


async def _account(server: RunningServer, name: str, account: dict[str, Any]) -> tuple[str, str]:
    device = await server.user(name, **account)
    await device.aclose()
    return device.user, device.token


@contextlib.contextmanager
def server_in_thread(**settings: Any) -> Iterator[ThreadServer]:
    """A server that other threads talk to, through its URL, for the time of the block."""
    started = _Started()
    thread = threading.Thread(target=started.run, args=(settings,), name="tinode-py")
    thread.start()
    try:
        started.ready.wait()
        if started.failure is not None:
            raise started.failure
        assert started.server is not None
        yield started.server
    finally:
        started.stop()
        thread.join()


@attrs.define(eq=False)
class _Started:
    """What the thread tells of itself."""

    ready: threading.Event = attrs.field(factory=threading.Event)
    server: ThreadServer | None = None
    failure: BaseException | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _token: trio.lowlevel.TrioToken | None = None

    def run(self, settings: Mapping[str, Any]) -> None:
        try:
            trio.run(self._serve, settings)
        except BaseException as error:  # carried over to the thread that waits
            self.failure = error
        finally:
            self.ready.set()

    async def _serve(self, settings: Mapping[str, Any]) -> None:
        async with running_server(**settings) as server:
            self._token = trio.lowlevel.current_trio_token()
            self.server = ThreadServer(server.url, server, self._token)
            self.ready.set()
            with self._scope:  # inside: what is cancelled is the wait, and the server drains
                await trio.sleep_forever()

    def stop(self) -> None:
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)
