"""Sockets that hold little, outboxes over them, and a topic's readers behind those."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import attrs
import trio

from tinode_py.access import Level
from tinode_py.core.effects import Attached
from tinode_py.core.state import Attachments
from tinode_py.live.fanout import FanOut
from tinode_py.live.link import Link
from tinode_py.live.outbox import Outlet, OutletTerms, SocketOutbox


def small_sockets() -> tuple[trio.SocketStream, socket.socket]:
    """A pair of connected sockets that hold a few kilobytes."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), theirs


def taken(peer: socket.socket) -> bytes:
    """All that has arrived."""
    parts = []
    try:
        while part := peer.recv(65_536):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts)


@attrs.define
class Hall:
    """A topic in which everybody may read, and what it tells its fan-out of them."""

    name: str = "grp"
    attached: Attachments = attrs.field(factory=Attachments)
    version: int = 0

    def mode(self, attached: Attached) -> int:
        return 0xFF

    def address(self, user: str, *, reader: bool = False) -> str:
        return self.name


@attrs.define
class Readers:
    """Those in a hall, and the other ends of the sockets of some."""

    fanout: FanOut
    hall: Hall
    terms: OutletTerms
    peers: list[socket.socket] = attrs.field(factory=list)
    outboxes: list[SocketOutbox] = attrs.field(factory=list)

    def come(self, sid: str, outlet: Outlet) -> Link:
        link = self.fanout.links[sid] = Link(sid, outlet)
        self.hall.attached.add(Attached(sid, f"usr{sid}", Level.AUTH))
        return link

    def taken(self) -> list[bytes]:
        """What each has got."""
        return [taken(peer) for peer in self.peers]


@asynccontextmanager
async def readers(count: int, limit: int = 1_000_000) -> AsyncIterator[Readers]:
    """So many behind sockets, one server's; their sids are their places."""
    hall = Hall()
    with ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            terms = OutletTerms(nursery, limit, 10, 5, lambda by: None)
            there = Readers(FanOut(hall), hall, terms)
            for n in range(count):
                stream, peer = small_sockets()
                stack.callback(stream.socket.close)
                there.peers.append(stack.enter_context(peer))
                there.outboxes.append(SocketOutbox(stream, terms))
                there.come(str(n), there.outboxes[-1])
            yield there
            nursery.cancel_scope.cancel()
