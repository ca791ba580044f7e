"""Where those come from who are not let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.testing

from tinode_py.cluster.strangers import Begun, origin


@asynccontextmanager
async def accepted(
    listener: trio.SocketListener, theirs: trio.SocketStream
) -> AsyncIterator[trio.SocketStream]:
    async with listener, theirs, await listener.accept() as ours:
        yield ours


async def test_an_address_is_told_of_what_has_begun_too() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    theirs = await trio.testing.open_stream_to_socket_listener(listener)
    async with accepted(listener, theirs) as ours:
        assert origin(ours) == origin(Begun(ours, b"first")) == " from 127.0.0.1"
    assert origin(ours) == ""


async def test_what_has_no_address_is_told_without(tmp_path: Path) -> None:
    path = str(tmp_path / "named")
    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(path)
    sock.listen()
    own = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await own.bind(str(tmp_path / "own"))
    await own.connect(path)
    async with accepted(trio.SocketListener(sock), trio.SocketStream(own)) as ours:
        assert origin(ours) == ""
    assert origin(trio.testing.memory_stream_pair()[0]) == ""
