"""Links that break, stall and carry nonsense: it is known on both sides, and there is no gap."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.linked import LEASE, joined, settle, two
from tests.cluster.nodes import Network, Node
from tinode_py.cluster.link import Peer
from tinode_py.cluster.peer import TURN
from tinode_py.cluster.protocol import Call, Fan, Message, Moved, News, Result, Told, pack
from tinode_py.cluster.strangers import IN_TIME
from tinode_py.core.events import Woken


@pytest.mark.parametrize("end", [0, 1])
async def test_a_way_that_is_cut_in_one_direction(
    autojump_clock: Clock, network: Network, end: int
) -> None:
    a, b = await two(network)
    deaf, mute = (b, a) if end == 0 else (a, b)
    network.wires[0][end].cut = True
    network.refusing = True
    for peer in [*mute.links.peers.values()]:
        assert peer.send(News())  # it cannot know
    await settle(LEASE + 0.1)
    assert deaf.heard.words("lost") == ["nothing was heard for 5 s"]
    await settle(LEASE + 1)
    assert mute.heard.words("lost") == ["it closed the connection"]
    assert deaf.heard.words("received") == []
    network.refusing = False
    await settle(1.5)
    assert set(a.links.peers) == {2}
    assert set(b.links.peers) == {1}


async def test_a_connection_that_is_dead_on_both_sides(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = await two(network)
    near, far = network.wires[0]
    near.cut = far.cut = True
    network.deaf = True  # and new ones are, too
    await settle(LEASE + 0.1)
    for node in (a, b):
        assert node.heard.words("lost") == ["nothing was heard for 5 s"]
    await settle(60)
    network.deaf = False
    await settle(IN_TIME + 1.5)
    assert set(a.links.peers) == {2}
    assert set(b.links.peers) == {1}


async def test_a_connection_made_anew_takes_the_place_of_the_dead_one(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = await two(network)
    first = b.links.peers[1]
    network.wires[0][0].cut = True  # b will not hear that a has given up
    a.links.peers[2].reset("for a test")
    await settle()
    assert b.heard.told == [
        ("connected", 1),
        ("lost", "another connection takes its place"),
        ("connected", 1),
    ]
    assert not first.send(News())
    assert b.links.peers[1].send(News())
    await settle()
    assert a.heard.words("received") == [News()]


async def test_what_a_reset_leaves_unsaid_is_never_said(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = await two(network)
    peer = a.links.peers[2]
    peer.send(News())
    peer.reset("for a test")
    assert not peer.send(Moved("grpA"))
    assert peer.reason == "for a test"
    peer.reset("again")
    await peer.wait_ended()
    await peer.wait_sent()
    assert peer.reason == "for a test"
    await settle()
    assert b.heard.words("received") == []
    assert set(a.links.peers) == {2}


async def test_a_queue_that_is_full_refuses(autojump_clock: Clock, network: Network) -> None:
    b = network.start(2, queue=100_000)
    stream = await joined(network, b)
    network.wires[0][1].stuck = True
    message = Fan("grpA", 1, bytes(9_900))
    peer = b.links.peers[1]
    assert sum(peer.send(message) for _ in range(50)) == 10
    assert peer.queued <= 100_000 + 40
    for _ in range(4):
        await stream.send_all(bytes(4))  # it lives, but takes nothing
        await trio.sleep(1)
        assert not peer.send(message)
    assert b.heard.words("lost") == []
    await trio.sleep(1.1)
    assert b.heard.words("lost") == ["nothing was taken for 5 s"]
    assert peer.queued == 0
    assert not peer.send(News())


async def test_nothing_is_heard_after_a_reset(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    b.heard.resets = True
    for n in range(5):
        a.links.peers[2].send(Result(n))
    await settle()
    assert b.heard.told[:3] == [("connected", 1), ("received", Result(0)), ("lost", "enough")]
    assert len(b.heard.words("received")) == 1


async def test_others_get_their_turn_while_much_is_heard(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = await two(network)
    b.heard.slow = -1
    for n in range(1000):
        a.links.peers[2].send(Result(n))
    seen = set()
    while len(b.heard.told) <= 1000:
        await trio.lowlevel.checkpoint()
        seen.add(len(b.heard.told))
    assert len(seen) > 1000 / 2 / TURN


async def test_a_slow_handler_holds_up_the_sender_and_is_no_silence(
    autojump_clock: Clock, network: Network
) -> None:
    a, b = await two(network)
    b.heard.slow = 3 * LEASE
    for n in range(20):
        a.links.peers[2].send(Result(n))
    await settle(15 * LEASE)
    heard = b.heard.words("received")
    assert 4 <= len(heard) <= 6
    assert heard == [Result(n) for n in range(len(heard))]
    assert (a.heard.words("lost"), b.heard.words("lost")) == ([], [])


async def test_a_handler_that_is_at_work_when_the_link_is_lost_is_cancelled(
    autojump_clock: Clock,
    network: Network,
) -> None:
    a, b = await two(network)
    b.heard.slow = 1e9
    a.links.peers[2].send(News())
    await settle()
    b.links.peers[1].reset("for a test")
    await settle()
    assert b.heard.told[1:3] == [("received", News()), ("lost", "for a test")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "a message of 4294967295 bytes, of 67108864 at most"),
        (b"\x00\x00\x00\x02\xff\xff", "no message: not CBOR: "),
        (b"\x00\x00\x00\x05\xa1\x60\x62Ne", "no message: 'Ne' is not known here"),
        (b"\x00\x00\x00\x01\x05", "no message: wants an object, not int"),
        (b"\x00\x00\x00\x01", "nothing was heard for 5 s"),
    ],
)
async def test_a_member_that_says_what_is_no_message(
    autojump_clock: Clock, network: Network, data: bytes, reason: str
) -> None:
    b = network.start(2)
    stream = await joined(network, b)
    good = pack(News())
    await stream.send_all(len(good).to_bytes(4, "big") + good + bytes(8) + data)
    await settle(LEASE + 1)
    assert b.heard.words("received") == [News()]
    assert len(b.heard.words("lost")) == 1
    assert str(b.heard.words("lost")[0]).startswith(reason)


async def test_a_stream_in_the_smallest_pieces(autojump_clock: Clock, network: Network) -> None:
    b = network.start(2)
    stream = await joined(network, b)
    good = pack(Told("grpA", Woken()))
    whole = (len(good).to_bytes(4, "big") + good + bytes(4)) * 3
    for place in range(len(whole)):
        await stream.send_all(whole[place : place + 1])
        await settle(0.01)
    assert b.heard.words("received") == [Told("grpA", Woken())] * 3


Sent = dict[tuple[int, int], list[tuple[Peer, list[Message]]]]  # by who to whom, by connection


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_breaks_there_is_no_gap(
    autojump_clock: Clock, network: Network, seed: int
) -> None:
    """On each connection: what came is the beginning of what was sent, in order. In the end,
    when nothing breaks any more, all are linked.
    """
    chance = random.Random(seed)
    nodes = [network.start(id) for id in (1, 2, 3)]
    network.know()
    sent: Sent = {}
    for step in range(200):
        await trio.sleep(chance.expovariate(3))
        say(chance.choice(nodes), step, sent)
        harm(network, chance)
    network.refusing = network.deaf = False
    network.know()
    for near, far in network.wires:
        near.stuck = far.stuck = False
    await settle(2 * LEASE + IN_TIME + 5)
    for node in nodes:
        assert len(node.links.peers) == 2
        for sender in {1, 2, 3} - {node.links.me}:
            check(node, sender, [run for _, run in sent.get((sender, node.links.me), [])])
    assert sum(map(len, sent.values())) > 8  # so many connections were used


def say(node: Node, step: int, sent: Sent) -> None:
    for peer in node.links.peers.values():
        message = Call(step, str(node.links.me), {})
        if peer.send(message):
            runs = sent.setdefault((node.links.me, peer.id), [])
            if not runs or runs[-1][0] is not peer:
                runs.append((peer, []))
            runs[-1][1].append(message)


def harm(network: Network, chance: random.Random) -> None:
    if chance.random() < 0.1:
        wire = chance.choice(chance.choice(network.wires[-4:]))
        match chance.randrange(4):
            case 0:
                wire.cut = True
            case 1:
                wire.stuck = not wire.stuck
            case 2:
                network.refusing = not network.refusing
            case 3:
                network.deaf = not network.deaf
    elif chance.random() < 0.1:
        network.refusing = network.deaf = False
    if chance.random() < 0.05:
        nodes = [*network.nodes.values()]
        known = [node.member for node in nodes if chance.random() < 0.8]
        chance.choice(nodes).links.members(known)
    if chance.random() < 0.03:
        node = chance.choice([*network.nodes.values()])
        for peer in [*node.links.peers.values()]:
            peer.reset("for a test")


def check(node: Node, sender: int, runs: list[list[Message]]) -> None:
    came = [m for m in node.heard.words("received") if m.name == str(sender)]
    steps = [m.no for m in came]
    assert steps == sorted(set(steps))  # nothing twice, nothing out of order
    for run in runs:
        of_run = [m for m in came if m in run]
        assert of_run == run[: len(of_run)]
