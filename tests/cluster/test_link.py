"""Links between nodes: each pair has one, and it is known on both sides when there is none."""

from __future__ import annotations

import random

import attrs
import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.linked import settle, two
from tests.cluster.nodes import Network
from tinode_py.cluster import protocol
from tinode_py.cluster.protocol import Call, Fan, Message, Moved, News, Result
from tinode_py.core.events import Presence, Woken
from tinode_py.store.coordination import Member


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
