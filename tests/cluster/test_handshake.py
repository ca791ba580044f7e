"""Who is at the other end: each thing that a hello says is looked at."""

from __future__ import annotations

import random

import attrs
import pytest
import trio
import trio.testing

from tinode_py.cluster.handshake import Credentials, NoLink, accept, connect
from tinode_py.cluster.protocol import VERSION

SECRET = b"the secret of this cluster"


def node(id: int, secret: bytes = SECRET) -> Credentials:
    return Credentials(id, secret, random.Random(id).randbytes)


def anybody(them: int) -> bool:
    return True


async def both(one: Credentials, wants: int, other: Credentials) -> list[object]:
    """What comes of it on both sides: the one that connects, the one that is connected to."""
    near, far = trio.testing.memory_stream_pair()
    found: list[object] = [None, None]

    async def connecting() -> None:
        async with near:
            try:
                found[0] = await connect(near, one, wants)
            except NoLink as no:
                found[0] = no.why

    async def accepting() -> None:
        async with far:
            try:
                found[1] = await accept(far, other, anybody)
            except NoLink as no:
                found[1] = no.why

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connecting)
            nursery.start_soon(accepting)
    return found


async def test_two_nodes_of_one_cluster(autojump_clock: object) -> None:
    assert await both(node(1), 2, node(2)) == [VERSION, (1, VERSION)]


@pytest.mark.parametrize(
    ("one", "wants", "other", "why"),
    [
        (node(1), 2, node(2, b"another"), "it has another secret"),
        (node(1), 2, node(3), "it has another number"),
        (node(2), 1, node(1), "it has another number"),
        (node(2), 2, node(2), "it has another number"),
    ],
)
async def test_the_one_that_is_connected_to_refuses_first(
    autojump_clock: object, one: Credentials, wants: int, other: Credentials, why: str
) -> None:
    assert await both(one, wants, other) == ["it closed the connection", why]


async def test_a_stranger_is_told_nothing_that_the_secret_made(autojump_clock: object) -> None:
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def accepting() -> None:
            async with far:
                with pytest.raises(NoLink, match="another secret"):
                    await accept(far, node(2), anybody)

        nursery.start_soon(accepting)
        await near.send_all(node(1).hello(2) + bytes(32))
        told = b""
        while chunk := await near.receive_some():
            told += chunk
    assert told == node(2).hello(1)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (node(3).hello(1), "it has another number"),
        (node(2).hello(4), "it has another number"),
        (b"tinudo" + node(2).hello(1)[6:], "it is no node of a cluster"),
        (node(2).hello(1)[:-1], "it closed the connection"),
        (node(2).hello(1) + bytes(32), "it has another secret"),
    ],
)
async def test_what_the_one_that_connects_does_not_believe(
    autojump_clock: object, reply: bytes, why: str
) -> None:
    near, far = trio.testing.memory_stream_pair()
    await far.send_all(reply)
    await far.send_stream.aclose()
    with pytest.raises(NoLink, match=why):
        await connect(near, node(1), 2)


async def test_a_stranger_is_named(autojump_clock: object) -> None:
    near, far = trio.testing.memory_stream_pair()
    await near.send_all(b"tinudo" + node(1).hello(2)[6:])
    with pytest.raises(NoLink, match="it is no node of a cluster"):
        await accept(far, node(2), anybody)


@pytest.mark.parametrize("newer", [1, 2])
async def test_two_versions_speak_the_newest_that_both_know(
    autojump_clock: object, newer: int
) -> None:
    one, two = (attrs.evolve(node(it), newest=9 if it == newer else 7, oldest=5) for it in (1, 2))
    assert await both(one, 2, two) == [7, (1, 7)]


async def test_versions_that_have_nothing_in_common_are_named_on_both_sides(
    autojump_clock: object,
) -> None:
    old, new = attrs.evolve(node(1), newest=7, oldest=5), attrs.evolve(node(2), newest=9, oldest=9)
    assert await both(old, 2, new) == [
        "it speaks version 9 of what nodes say, and this node versions 5 to 7",
        "it speaks versions 5 to 7 of what nodes say, and this node version 9",
    ]


async def test_nothing_is_read_beyond_the_handshake(autojump_clock: object) -> None:
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, far, node(2), anybody)
        await connect(near, node(1), 2)
        await near.send_all(b"what follows")
    assert await far.receive_some() == b"what follows"


def test_the_secret_does_not_show() -> None:
    assert "secret" not in repr(node(1))
