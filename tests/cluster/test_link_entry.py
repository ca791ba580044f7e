"""Who is not let in: other secrets, former members, impostors, strangers."""

from __future__ import annotations

import contextlib
import random

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.linked import settle, two
from tests.cluster.nodes import SECRET, Heard, Network, Node, Wire
from tinode_py.cluster import handshake
from tinode_py.cluster.handshake import Credentials
from tinode_py.cluster.strangers import IN_TIME, MOST
from tinode_py.store.coordination import Member


def lines(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.message for record in caplog.records if text in record.message]


async def test_a_node_with_another_secret(
    autojump_clock: Clock, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = network.start(1, secret=b"another secret"), network.start(2)
    network.know()
    await settle(150)
    assert a.heard.told == b.heard.told == []
    assert 100 < len(network.wires) < 400  # about once a second
    assert 2 <= len(lines(caplog, "refused a connection: it has another secret")) <= 3
    assert 2 <= len(lines(caplog, "no link to node 2 (n2, node2:7070): it closed the")) <= 3
    assert "times more before" in caplog.text


async def test_a_node_that_is_no_member_any_more(
    autojump_clock: Clock, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = network.start(1), network.start(2)
    a.links.members([b.member])  # it does not know that it was fenced
    b.links.members([b.member])
    await settle(60)
    assert a.heard.told == b.heard.told == []
    assert len(lines(caplog, "refused a connection: it is no member of the cluster")) == 1


async def test_an_address_that_is_somebody_elses_now(
    autojump_clock: Clock, network: Network
) -> None:
    """The run of a node that had the address is over; another has begun there."""
    a, b = network.start(1), network.start(3, address="node2:7070")
    a.links.members([a.member, Member(2, "n2", "node2:7070", "")])
    b.links.members([a.member, b.member])
    await settle(60)
    assert a.heard.told == b.heard.told == []


async def test_the_wrong_one_connects(autojump_clock: Clock, network: Network) -> None:
    """The one with the higher number waits to be connected to."""
    a = network.start(1)
    a.links.members([Member(2, "n2", "node2:7070", "")])
    stream = await network.connect("node1:7070")
    with pytest.raises(handshake.NoLink, match="closed"):
        await handshake.connect(stream, Credentials(2, SECRET, random.Random(5).randbytes), 1)
    assert a.heard.told == []


async def test_an_impostor_cannot_speak_for_a_member(
    autojump_clock: Clock, network: Network
) -> None:
    """Whoever sits at a member's address, without the secret."""
    a = network.start(1)

    class Impostor:
        async def accept(self, stream: Wire) -> None:
            hello = await stream.receive_some(56)
            *versions, me, them, nonce = handshake._HELLO.unpack(hello)
            await stream.send_all(handshake._HELLO.pack(*versions, them, me, nonce))
            proof = await stream.receive_some(32)
            await stream.send_all(proof)  # reflected: the role is in it

    network.nodes["node2:7070"] = Node(
        Impostor(), Heard(), trio.CancelScope(), Member(2, "n2", "node2:7070", "")
    )
    a.links.members([Member(2, "n2", "node2:7070", "")])
    await settle(60)
    assert a.heard.told == []
    assert len(network.wires) > 40


async def test_what_a_member_has_said_cannot_be_said_again(
    autojump_clock: Clock, network: Network
) -> None:
    _, b = await two(network)
    recorded = bytes(network.wires[0][0].out)
    network.nodes["node1:7070"].scope.cancel()
    await settle()
    stream = await network.connect("node2:7070")
    await stream.send_all(recorded)
    await settle()
    assert b.heard.words("connected") == [1]
    assert b.heard.words("received") == []


async def test_two_nodes_are_not_led_to_speak_to_each_other_as_others(
    autojump_clock: Clock, network: Network
) -> None:
    """Someone in the middle passes on what 1 says to 2 to 3: the numbers are proved."""
    c = network.start(3)
    c.links.members([Member(1, "n1", "", "")])
    stream = await network.connect("node3:7070")
    credentials = Credentials(1, SECRET, random.Random(5).randbytes)
    with pytest.raises(handshake.NoLink):
        await handshake.connect(stream, credentials, 2)
    await settle()
    assert c.heard.told == []


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n\r\n" * 10, bytes(56), b"tinode/1", b"tinode/9" * 7]
)
async def test_strangers(autojump_clock: Clock, network: Network, data: bytes) -> None:
    b = network.start(2)
    b.links.members([Member(1, "n1", "node1:7070", "")])
    stream = await network.connect("node2:7070")
    await stream.send_all(data)
    with trio.fail_after(IN_TIME + 0.1):
        assert await stream.receive_some() == b""
    assert b.heard.told == []


async def test_strangers_who_drip_are_cut_off(autojump_clock: Clock, network: Network) -> None:
    network.start(2)
    stream = await network.connect("node2:7070")
    taken = 0
    with contextlib.suppress(trio.BrokenResourceError):
        for place in range(56):
            await stream.send_all(b"tinode/1"[place % 8 : place % 8 + 1])
            taken += 1
            await trio.sleep(1)
    assert 4 <= taken <= 6


async def test_strangers_that_are_many_do_not_keep_members_out(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = network.start(1), network.start(2)
    crowd = [await network.connect("node2:7070") for _ in range(3 * MOST)]
    network.know()
    await settle(0.5)
    assert set(a.links.peers) == {2}
    assert len(b.links._strangers) < MOST
    closed = 0
    for stream in crowd:
        with trio.move_on_after(0.001):
            closed += await stream.receive_some() == b""
    assert closed >= 2 * MOST


async def test_nobody_is_let_in_before_and_after(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    b.scope.cancel()
    await settle()
    assert len(b.heard.words("lost")) == 1
    await settle(60)  # a tries on
    assert b.heard.words("connected") == [1]
    assert len(network.wires) > 10
    assert a.heard.words("connected") == [2]
