"""A server in the test's own process, its people, and what may be done to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import trio
import trio.testing

from .. import client
from ..access import Level
from ..changes import Batch, PutLogin
from ..client import Chat, Client, Register
from ..config import Settings
from ..queries import LoginByName
from ..server import Parts, Server, running
from .faults import Fault, Faults

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


SEEDED_START = 1_767_225_600_000  # 2026-01-01


def trio_clock(now: int | None = None) -> Callable[[], int]:
    """Milliseconds since 1970 that go on as Trio's clock does, virtual or not, from `now` on."""
    begin = time.time_ns() // 1_000_000 if now is None else now
    start = begin - round(trio.current_time() * 1000)
    return lambda: start + round(trio.current_time() * 1000)


@attrs.define(eq=False)
class RunningServer:
    """A server, and how to reach it. All its clients are closed when it ends."""

    server: Server
    _nursery: trio.Nursery
    _faults: Faults
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

    # --- what may go wrong ---------------------------------------------------------------

    def drop_connections(self) -> None:
        """Break off every connection without a word, as a network does."""
        self.server.front.break_off()

    def pause(self) -> Fault:
        """Take nothing that clients send, until `end()` or the end of a `with` block.

        Connections stay, new ones are accepted, and everything is taken up afterwards.
        """
        return Fault(self._faults.pause, self._faults.resume)

    def fail_commits(self) -> Fault:
        """Let the store write nothing, as a full disk does, until `end()` or the end of `with`.

        What clients ask to be stored is answered 500.
        """
        return Fault(self._faults.break_disk, self._faults.mend_disk)

    # --- inside --------------------------------------------------------------------------

    async def _raise_to_root(self, name: str) -> None:
        row = await self.server.store.fetch(LoginByName("basic", name.lower()))
        assert row is not None
        await self.server.store.commit(Batch((PutLogin(attrs.evolve(row, level=Level.ROOT)),)))


def password_of(name: str) -> str:
    """The password of an account that `RunningServer.user` made; its login is the name."""
    return f"{name}-password"


@contextlib.asynccontextmanager
async def running_server(
    *, parts: Parts | None = None, seed: int | None = None, **settings: Any
) -> AsyncIterator[RunningServer]:
    """A server for the time of the block, with the given settings (sections as keywords).

    Kept in memory unless `server={"store": …}` says otherwise. With a `seed`, ids, keys and
    times are the same in every run: it is 2026-01-01 when it starts. `parts` replaces time,
    chance, the hash of passwords and threads. What the block raises comes out as it is.
    """
    chosen = Settings.of(**_merged(_DEFAULTS, settings))
    faults = Faults()
    made = attrs.evolve(parts or _parts(seed), around_store=faults.around, on_session=faults.watch)
    stack = contextlib.AsyncExitStack()
    server = await stack.enter_async_context(running(chosen, made))
    nursery = await stack.enter_async_context(trio.open_nursery())
    try:
        yield RunningServer(server, nursery, faults)
    finally:
        faults.resume()  # so that it can drain
        nursery.cancel_scope.cancel()
        await stack.aclose()  # without the error, so that no nursery makes a group of it


def _parts(seed: int | None) -> Parts:
    if seed is None:
        return Parts(trio_clock(), os.urandom, CheapHasher(), inline=True)
    chance = random.Random(seed)
    return Parts(trio_clock(SEEDED_START), chance.randbytes, CheapHasher(), inline=True)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
