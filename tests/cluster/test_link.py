"""Links between nodes: each pair has one, and it is known on both sides when there is none."""

from __future__ import annotations

import contextlib
import random

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock as Clock

from tests.cluster.nodes import SECRET, Heard, Network, Node, Wire
from tinode_py.cluster import handshake, protocol
from tinode_py.cluster.handshake import Credentials
from tinode_py.cluster.link import Peer
from tinode_py.cluster.peer import TURN
from tinode_py.cluster.protocol import Call, Fan, Message, Moved, News, Result, Told, pack
from tinode_py.cluster.strangers import IN_TIME, MOST
from tinode_py.core.events import Presence, Woken
from tinode_py.store.coordination import Member

LEASE = 5.0


async def settle(seconds: float = 0.5) -> None:
    """Virtual time in which what can happen does."""
    await trio.sleep(seconds)


async def two(network: Network) -> tuple[Node, Node]:
    a, b = network.start(1), network.start(2)
    network.know()
    await settle()
    assert a.heard.told == [("connected", 2)]
    assert b.heard.told == [("connected", 1)]
    return a, b


# --- what works --------------------------------------------------------------------------


async def test_messages_go_both_ways_in_order(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    there: list[Message] = [Call(n, "name", {"n": n}) for n in range(500)]
    back: list[Message] = [Result(n, n) for n in range(500)]
    for question, answer in zip(there, back, strict=True):
        assert a.links.peers[2].send(question)
        assert b.links.peers[1].send(answer)
    await settle()
    assert b.heard.words("received") == there
    assert a.heard.words("received") == back
    assert b.heard.most == 1


async def test_there_is_one_connection_for_each_pair(
    autojump_clock: Clock, network: Network
) -> None:
    for id in (4, 7, 9):
        network.start(id)
    network.know()
    await settle()
    assert len(network.wires) == 3
    for node in network.nodes.values():
        others = {4, 7, 9} - {node.links.me}
        assert set(node.links.peers) == others
        for peer in node.links.peers.values():
            assert peer.send(Moved(f"from {node.links.me}"))
    await settle()
    for node in network.nodes.values():
        senders = {f"from {id}" for id in {4, 7, 9} - {node.links.me}}
        assert {m.topic for m in node.heard.words("received")} == senders


async def test_a_long_message_goes(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    frames = random.Random(1).randbytes(20_000_000)  # more than may wait
    assert a.links.peers[2].send(Fan("grpA", 1, frames))
    assert not a.links.peers[2].send(News())
    await a.links.peers[2].wait_sent()
    assert a.links.peers[2].send(News())
    await settle()
    assert b.heard.words("received") == [Fan("grpA", 1, frames), News()]


async def test_an_idle_link_lasts(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    await settle(600)
    assert a.links.peers[2].send(News())
    await settle()
    assert b.heard.told == [("connected", 1), ("received", News())]
    near, far = network.wires[0]
    assert 590 * 4 < len(near.out) < 610 * 4 + 200  # a sign of life each second
    assert 590 * 4 < len(far.out) < 610 * 4 + 200
    assert a.links.peers[2].sent == len(near.out) - 56 - 32  # without the handshake
    assert b.links.peers[1].received == a.links.peers[2].sent


async def test_who_was_started_first_waits_for_the_other(
    autojump_clock: Clock, network: Network
) -> None:
    a = network.start(1)
    a.links.members([a.member, Member(2, "n2", "node2:7070", "")])
    await settle(60)
    b = network.start(2)
    network.know()
    await settle(1.5)  # the pause has grown to a second
    assert a.heard.told == [("connected", 2)]
    assert b.heard.told == [("connected", 1)]


async def test_members_that_leave_and_come(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    network.know([a])
    await settle()
    assert a.heard.words("lost") == ["it is no member of the cluster any more"]
    assert len(b.heard.words("lost")) == 1
    await settle(60)
    assert len(network.wires) == 1  # nobody tries any more
    network.stop(b)
    c = network.start(3, address="node2:7070")
    network.know([a, c])
    await settle()
    assert set(a.links.peers) == {3}
    assert a.heard.words("connected") == [2, 3]


async def test_a_member_that_has_gone_just_now_is_not_called(
    autojump_clock: Clock, network: Network
) -> None:
    """Its end may be known before the pause between two attempts is over for its task."""
    a = network.start(1)
    with trio.fail_after(1):
        await a.links._keep(2, trio.CancelScope())
    assert network.wires == []


async def test_the_end_of_a_node_is_seen_at_once(autojump_clock: Clock, network: Network) -> None:
    a, b = await two(network)
    a.links.peers[2].send(News())
    await a.links.peers[2].wait_sent()
    network.stop(b)
    await settle(0.01)
    assert b.heard.told == [
        *(("connected", 1), ("received", News())),
        ("lost", "this node ends it"),
    ]
    assert a.heard.told == [("connected", 2), ("lost", "it closed the connection")]
    await settle(10)
    assert a.links.peers == {}


@pytest.mark.parametrize("ended", [1, 2])
async def test_a_node_that_has_ended_is_buried(
    autojump_clock: Clock, network: Network, ended: int
) -> None:
    """Whoever of the two had made the connection, and as soon as the store agrees."""
    buried: list[tuple[int, float]] = []

    async def bury(node: int) -> bool:
        buried.append((node, trio.current_time()))
        return len(buried) == 2

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    began = trio.current_time()
    network.stop(a if ended == 1 else b)
    await settle(30)
    assert [node for node, _ in buried] == [ended, ended]
    assert buried[1][1] - began < 0.2


@pytest.mark.parametrize("ticks", range(12))
async def test_a_link_may_be_lost_while_the_node_ends(
    autojump_clock: Clock, network: Network, ticks: int
) -> None:
    """Nothing is begun for it any more: whichever of the two comes first, or both at once."""

    async def bury(node: int) -> bool:
        return False

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    b.links.peers[1].reset("a test")
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    network.stop(b)
    network.stop(a)
    await settle(10)


async def test_a_node_that_lives_is_not_buried(autojump_clock: Clock, network: Network) -> None:
    """Its connection broke, or it cannot be reached, or it went in good order."""
    buried: list[int] = []

    async def bury(node: int) -> bool:
        buried.append(node)
        return False

    a, b = network.start(1, bury=bury), network.start(2, bury=bury)
    network.know()
    await settle()
    for wires in range(1, 4):
        a.links.peers[2].reset("a test")
        await settle(1)
        assert wires < len(network.wires)
    network.deaf = True
    a.links.peers[2].reset("a test")
    await settle(10)
    network.deaf = False
    await settle(10)
    assert list(a.links.peers) == [2]
    network.know([a])
    network.stop(b)
    await settle(10)
    assert buried == []


# --- what breaks -------------------------------------------------------------------------


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


async def joined(network: Network, node: Node) -> trio.abc.Stream:
    """A connection of node 1 to `node`, after the handshake; the test is node 1."""
    node.links.members([Member(1, "n1", "node1:7070", "")])
    stream = await network.connect(node.member.address)
    chance = random.Random(5)
    await handshake.connect(stream, Credentials(1, SECRET, chance.randbytes), node.links.me)
    await settle(0.01)
    return stream


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


# --- who is not let in -------------------------------------------------------------------


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


# --- everything at once ------------------------------------------------------------------


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


async def test_a_message_that_an_older_version_does_not_know_is_not_sent(
    autojump_clock: Clock, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And costs no link."""
    monkeypatch.setattr(protocol, "VERSION", 9)
    monkeypatch.setitem(protocol.SINCE, protocol.Reread, 9)
    monkeypatch.setitem(protocol.SINCE, Presence, 9)
    newer, older = network.start(1), network.start(2)
    newer.links._credentials = attrs.evolve(newer.links._credentials, newest=9)
    network.know()
    await trio.sleep(1)
    peer = newer.heard.now[2]
    assert peer.version == 1
    sent = [
        *(protocol.Reread(), protocol.News(), protocol.Told("grpA", Presence("usrA", "on"))),
        protocol.Told("grpA", Woken()),
    ]
    assert all(peer.send(message) for message in sent)
    await trio.sleep(1)
    assert older.heard.words("received") == [sent[1], sent[3]]
    assert older.heard.words("lost") == []
