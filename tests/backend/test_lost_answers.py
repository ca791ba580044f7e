"""Answers lost on their way: what was asked for is there once, by a server that was asked twice."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs
import pytest
import trio

from tests.backend.twins import KINDS, Twin, twin
from tests.ports import on_a_port
from tests.web.v1.conftest import key_for
from tinode_py.backend import Backend, Conflict, Send, Unreachable
from tinode_py.testing import RunningServer, running_server


@attrs.define(eq=False)
class Line:
    """A line to a server that breaks while the answer comes, as often as it is told to."""

    port: int
    url: str = ""
    breaks: int = 0
    broken: int = 0

    async def carry(self, near: trio.SocketStream) -> None:
        try:
            far = await trio.open_tcp_stream("127.0.0.1", self.port)
            async with near, far, trio.open_nursery() as nursery:
                nursery.start_soon(self._requests, near, far)
                async for part in far:
                    if self.broken < self.breaks:
                        self.broken += 1
                        break
                    await near.send_all(part)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _requests(self, near: trio.SocketStream, far: trio.SocketStream) -> None:
        async for part in near:
            await far.send_all(part)
        await far.send_eof()


@contextlib.asynccontextmanager
async def line(server: RunningServer) -> AsyncIterator[Line]:
    made = Line(int(server.url.rpartition(":")[2]))
    async with on_a_port(made.carry) as made.url:
        yield made


@pytest.mark.parametrize("kind", KINDS)
async def test_once(kind: str):
    async with running_server() as server:
        key = await key_for(server)
        async with line(server) as wire, twin(kind, wire.url, key) as api:
            await api("create_user", external_id="a")
            await messages_are_there_once(api, wire)
            await what_is_deleted_is_gone(api, wire)
            await what_would_be_done_twice_is_told(api, wire)


async def messages_are_there_once(api: Twin, wire: Line) -> None:
    wire.broken, wire.breaks = 0, 2
    sent = await api("send_message", "one", user="ext:a")
    assert (wire.broken, sent.results[0].seq) == (2, 1)
    wire.broken, wire.breaks = 0, 1
    many = await api("send_messages", [Send(text, user="ext:a") for text in ("two", "three")])
    assert [it.results[0].seq for it in many.messages] == [2, 3]
    history = await api.all("all_history", sent.results[0].topic)
    assert [it.content for it in history] == ["three", "two", "one"]


async def what_is_deleted_is_gone(api: Twin, wire: Line) -> None:
    key = await api("create_key", "short-lived", ["users:read"])
    wire.broken, wire.breaks = 0, 1
    assert await api("revoke_key", key.id) is None
    assert wire.broken == 1


async def what_would_be_done_twice_is_told(api: Twin, wire: Line) -> None:
    wire.broken, wire.breaks = 0, 1
    with pytest.raises(Unreachable) as lost:
        await api("create_user", external_id="b")
    assert lost.value.maybe_done
    with pytest.raises(Conflict):
        await api("create_user", external_id="b")


async def test_events_come_once_over_a_line_that_breaks():
    """It breaks at every piece for a while, then it holds."""
    async with running_server() as server:
        key = await key_for(server)
        async with Backend(server.url, key) as direct, line(server) as wire:
            wire.breaks = 4
            async with Backend(wire.url, key) as backend:
                stream = backend.events(after=0, kinds=["account.created"])
                made = [(await direct.create_user()).id for _ in range(3)]
                got = [(await anext(stream)).user for _ in range(3)]
            assert got == made
            assert wire.broken == 4
