"""The beginning of a connection to the owner of a store: who is there, and whether they fit.

As between nodes (`cluster.handshake`): each side says a nonce, then proves by an HMAC over both
and its role that it holds the secret, the one that connects first. Here it is the cluster's
secret of the settings: that in the store cannot be read yet. All that is read before is of fixed
length; then one short message from each side says whether they understand each other.

The caller sets the deadline.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

import trio

from ..handshake import NONCE, PROOF, NoLink, check, exactly
from ..items import BadMessage
from .words import PROTOCOL, Hello, Unwelcome, Welcome, pack, unpack

MAGIC = b"tinode/s"  # what a connection to a store begins with
LONGEST_HELLO = 4096  # bytes
LONGEST_WELCOME = 1 << 20
_CONNECTS, _ACCEPTS = b"tinode-py store: connects", b"tinode-py store: accepts"
_SIZE = len(MAGIC) + NONCE

RandomBytes = Callable[[int], bytes]


class NotWelcome(Exception):
    """The other side holds the secret, and cannot be spoken to. The text says why."""


async def connect(stream: trio.abc.Stream, secret: bytes, random_bytes: RandomBytes) -> None:
    """Be the one that connects; returns when the other has proved that it holds the secret.

    Raises NoLink, or what the stream does.
    """
    mine = MAGIC + random_bytes(NONCE)
    await stream.send_all(mine)
    theirs = await exactly(stream, _SIZE)
    if not theirs.startswith(MAGIC):
        raise NoLink("it is no node of this version")
    await stream.send_all(_proof(secret, _CONNECTS, mine + theirs))
    await check(stream, _proof(secret, _ACCEPTS, mine + theirs))


async def accept(stream: trio.abc.Stream, secret: bytes, random_bytes: RandomBytes) -> None:
    """Be the one that is connected to, and has read `MAGIC`. As above."""
    theirs = MAGIC + await exactly(stream, NONCE)
    mine = MAGIC + random_bytes(NONCE)
    await stream.send_all(mine)
    await check(stream, _proof(secret, _CONNECTS, theirs + mine))
    await stream.send_all(_proof(secret, _ACCEPTS, theirs + mine))


def _proof(secret: bytes, role: bytes, both: bytes) -> bytes:
    proof = hmac.digest(secret, role + both, "sha256")
    assert len(proof) == PROOF
    return proof


async def say(stream: trio.abc.Stream, word: Hello | Welcome | Unwelcome) -> None:
    data = pack(word)
    await stream.send_all(len(data).to_bytes(4, "big") + data)


async def hear_hello(stream: trio.abc.Stream) -> Hello:
    """Raises BadMessage, NoLink, or what the stream does."""
    hello: Hello = unpack(await _one(stream, LONGEST_HELLO), Hello)
    return hello


async def hear_welcome(stream: trio.abc.Stream) -> Welcome:
    """Raises NotWelcome and as above."""
    word = unpack(await _one(stream, LONGEST_WELCOME), Welcome, Unwelcome)
    if isinstance(word, Unwelcome):
        raise NotWelcome(word.reason)
    assert isinstance(word, Welcome)
    return word


async def _one(stream: trio.abc.Stream, longest: int) -> bytes:
    size = int.from_bytes(await exactly(stream, 4), "big")
    if size > longest:
        raise BadMessage(f"{size} bytes, of {longest} at most")
    return await exactly(stream, size)


def misfit(hello: Hello, schema: int, version: str) -> str:
    """Why a node cannot be served by an owner of this schema and version; empty: it can."""
    if (hello.protocol, hello.schema) == (PROTOCOL, schema):
        return ""
    return (
        f"the owner of the store is of version {version} (protocol {PROTOCOL}, schema {schema}),"
        f" the node of version {hello.version[:40]} (protocol {hello.protocol}, schema"
        f" {hello.schema}): they must be of the same"
    )
