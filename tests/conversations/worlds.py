"""The servers that a conversation is played with."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from tests.cluster.parts import nodes
from tinode_py import client
from tinode_py.access import Level
from tinode_py.changes import Batch, PutLogin
from tinode_py.client import Client
from tinode_py.queries import LoginByName
from tinode_py.testing import RunningServer, running_server

Connection = tuple[AbstractAsyncContextManager[Client], Callable[[], Awaitable[None]]]


@attrs.define
class Here:
    """A server in this process, on the virtual clock."""

    server: RunningServer
    nursery: trio.Nursery
    cbor: bool = False

    def login(self, name: str) -> str:
        return name

    def connect(self) -> Connection:
        stream = self.server.stream()

        async def vanish() -> None:
            await trio.aclose_forcefully(stream)

        return client.connect_over(stream, cbor=self.cbor), vanish

    async def settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()

    async def make_root(self, login: str) -> None:
        store = self.server.server.store
        row = await store.fetch(LoginByName("basic", login))
        assert row is not None
        await store.commit(Batch((PutLogin(attrs.evolve(row, level=Level.ROOT)),)))

    async def drain(self) -> None:
        await self.server.server.drain()


@asynccontextmanager
async def here(settings: dict[str, Any], *, cbor: bool = False) -> AsyncIterator[Here]:
    """A fresh server for one conversation."""
    async with running_server(**settings) as server, trio.open_nursery() as nursery:
        yield Here(server, nursery, cbor)
        nursery.cancel_scope.cancel()


@attrs.define
class Among(Here):
    """Several servers that are one: every session is on another one than that before it."""

    servers: tuple[RunningServer, ...] = ()
    _next: int = 0

    def connect(self) -> Connection:
        self.server = self.servers[self._next % len(self.servers)]
        self._next += 1
        return super().connect()

    async def drain(self) -> None:
        for server in self.servers:
            await server.server.drain()


@asynccontextmanager
async def among(settings: dict[str, Any], count: int) -> AsyncIterator[Among]:
    """Fresh nodes for one conversation."""
    names = [f"node{i}" for i in range(count)]
    async with nodes(*names, delay=0, **settings) as (_, servers), trio.open_nursery() as nursery:
        yield Among(servers[0], nursery, servers=tuple(servers))
        nursery.cancel_scope.cancel()


@attrs.define
class Elsewhere:
    """A server behind a URL, in real time. Its accounts get logins that are new each time."""

    url: str
    nursery: trio.Nursery
    quiet: float = 0.3  # seconds
    salt: str = attrs.field(factory=lambda: f"{time.time_ns() // 1000000 % 10**9:x}")

    def login(self, name: str) -> str:
        return f"{name}{self.salt}"

    def connect(self) -> Connection:
        opened: list[Client] = []

        @asynccontextmanager
        async def connection() -> AsyncIterator[Client]:
            async with client.connect(self.url) as one:
                opened.append(one)
                yield one

        async def close() -> None:
            await opened[0].aclose()  # as near as one gets from here

        return connection(), close

    async def settle(self) -> None:
        await trio.sleep(self.quiet)

    async def make_root(self, login: str) -> None:
        raise NotImplementedError("only in memory")

    async def drain(self) -> None:
        raise NotImplementedError("only in memory")
