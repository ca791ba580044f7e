"""Who is at the other end of a connection between nodes: known before anything else is read.

The one that connects says hello: who it is, whom it wants to speak to, and a nonce. The other
does the same. Then each proves that it holds the cluster's secret by an HMAC over both hellos and
its own role; the one that connects first, so that a stranger who does is told nothing.

- Nothing can be replayed: both nonces are in both proofs. Nothing can be reflected: the roles are.
- Numbers of nodes are never given out again, so who speaks to a node's number speaks to that run
  of it and to no other.
- All parts have fixed lengths, and nothing is read beyond them: what follows belongs to the link.
- What follows is not signed. Where others can write into the network between nodes, TLS is needed.

The caller sets the deadline.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable

import attrs
import trio

from .protocol import OLDEST, VERSION

_HELLO = struct.Struct(">6sBBQQ32s")  # protocol, newest and oldest version, from, to, nonce
_PROTOCOL = b"tinode"
PROOF = 32  # bytes
NONCE = 32
_CONNECTS, _ACCEPTS = b"tinode-py link: connects", b"tinode-py link: accepts"


class NoLink(Exception):
    """There is no link with whoever is at the other end."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@attrs.frozen
class Credentials:
    """What a node shows: its number, and that it holds the secret. `newest` and `oldest`: the
    versions of `protocol` that it speaks.
    """

    me: int
    secret: bytes = attrs.field(repr=False)
    random_bytes: Callable[[int], bytes] = attrs.field(repr=False)
    newest: int = VERSION
    oldest: int = OLDEST

    def hello(self, them: int) -> bytes:
        versions = self.newest, self.oldest
        return _HELLO.pack(_PROTOCOL, *versions, self.me, them, self.random_bytes(NONCE))

    def agreed(self, hello: bytes) -> int:
        """The newest version that both sides speak; NoLink if there is none."""
        _, newest, oldest, *_ = _HELLO.unpack(hello)
        if min(newest, self.newest) < max(oldest, self.oldest):
            theirs, ours = _versions(oldest, newest), _versions(self.oldest, self.newest)
            raise NoLink(f"it speaks {theirs} of what nodes say, and this node {ours}")
        return min(int(newest), self.newest)

    def proof(self, role: bytes, hellos: bytes) -> bytes:
        return hmac.digest(self.secret, role + hellos, "sha256")


async def connect(stream: trio.abc.Stream, credentials: Credentials, them: int) -> int:
    """Be the one that connects; returns when node `them` has proved that it is it, with the
    version that both speak.

    Raises NoLink, or what the stream does.
    """
    mine = credentials.hello(them)
    await stream.send_all(mine)
    theirs = await exactly(stream, _HELLO.size)
    if _who(theirs) != (them, credentials.me):
        raise NoLink("it has another number")
    version = credentials.agreed(theirs)
    await stream.send_all(credentials.proof(_CONNECTS, mine + theirs))
    await check(stream, credentials.proof(_ACCEPTS, mine + theirs))
    return version


async def accept(
    stream: trio.abc.Stream, credentials: Credentials, is_member: Callable[[int], bool]
) -> tuple[int, int]:
    """Be the one that is connected to; the number of the other node, which has proved it, and the
    version that both speak. If there is none, both sides know why.

    The node with the lower number connects; any other is refused. `is_member` is asked last.
    Raises NoLink, or what the stream does.
    """
    theirs = await exactly(stream, _HELLO.size)
    them, wanted = _who(theirs)
    if wanted != credentials.me or them >= wanted:
        raise NoLink("it has another number")
    mine = credentials.hello(them)
    await stream.send_all(mine)
    version = credentials.agreed(theirs)
    await check(stream, credentials.proof(_CONNECTS, theirs + mine))
    if not is_member(them):
        raise NoLink("it is no member of the cluster")
    await stream.send_all(credentials.proof(_ACCEPTS, theirs + mine))
    return them, version


def _who(hello: bytes) -> tuple[int, int]:
    """From whom and to whom it is."""
    protocol, _, _, sender, receiver, _ = _HELLO.unpack(hello)
    if protocol != _PROTOCOL:
        raise NoLink("it is no node of a cluster")
    return sender, receiver


def _versions(oldest: int, newest: int) -> str:
    return f"version {newest}" if oldest == newest else f"versions {oldest} to {newest}"


async def check(stream: trio.abc.Stream, proof: bytes) -> None:
    """Read a proof, which must be this one. Raises NoLink, or what the stream does."""
    if not hmac.compare_digest(await exactly(stream, PROOF), proof):
        raise NoLink("it has another secret")


async def exactly(stream: trio.abc.Stream, size: int) -> bytes:
    """So many bytes. NoLink if there are fewer."""
    data = bytearray()
    while len(data) < size:
        chunk = await stream.receive_some(size - len(data))
        if not chunk:
            raise NoLink("it closed the connection")
        data += chunk
    return bytes(data)
