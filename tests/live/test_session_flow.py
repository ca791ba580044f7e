"""A session's flow: the window, the pace, order between topics, the slow and the vanished."""

from __future__ import annotations

import trio
import trio.testing

from tests.live.parts import bare_client, presence, trick
from tinode_py.client import Packet
from tinode_py.testing import RunningServer, running_server


async def test_the_window_stops_reading(autojump_clock):
    async with running_server(limits={"inflight": 4}) as server:
        store = trick(server)
        alice, bob = await server.user("alice"), await server.user("bob")
        group = (await alice.sub("new1")).topic
        await bob.sub(group)
        store.gate = trio.Event()
        for ident in range(20):
            await bob.send(
                {"pub": {"id": str(ident), "topic": group, "content": 1, "noecho": True}}
            )
        await trio.testing.wait_all_tasks_blocked()
        (runner,) = (it for it in server.server.hub.runners() if it.state.name == group)
        assert max(link.unanswered for link in runner.links.values()) == 4
        store.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        answers = [packet["ctrl"] for packet in bob.receive_all_nowait() if "ctrl" in packet]
        assert [it["params"]["seq"] for it in answers] == [*range(1, 21)]


async def test_the_pace_slows_and_drops_nothing(autojump_clock):
    async with running_server(limits={"packets_per_second": 10}) as server:
        alice = await server.user("alice")
        await trio.sleep(10)
        start = trio.current_time()
        for ident in range(35):
            await alice.send({"get": {"id": f"g{ident}", "topic": "me", "what": "desc"}})
        answers = [await alice.receive() for _ in range(35)]
        assert [packet["meta"]["id"] for packet in answers] == [f"g{n}" for n in range(35)]
        assert 1.5 <= trio.current_time() - start <= 2.7  # a burst is a second or two of it


async def test_me_is_answered_before_the_chat(tinode_server: RunningServer, autojump_clock):
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    await bob.sub(alice.user)
    await bob.pub(alice.user, "hello")
    phone = await bare_client(tinode_server, alice.token)
    await phone.send(
        {"sub": {"id": "1", "topic": "me", "get": {"what": "desc sub tags cred"}}},
        {"sub": {"id": "2", "topic": bob.user, "get": {"what": "desc sub data del"}}},
    )
    got = [await phone.receive() for _ in range(11)]
    ids = [next(iter(packet.values())).get("id") for packet in got if "pres" not in packet]
    assert [it for it in ids if it] == ["1"] * 5 + ["2"] * 5
    assert [packet["data"]["content"] for packet in got if "data" in packet] == ["hello"]


async def test_a_thousand_packets_in_one_write(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    bare = await bare_client(tinode_server, alice.token)
    many: list[Packet] = [{"sub": {"id": "0", "topic": group}}]
    for n in range(1, 1000):
        ask: Packet = {"get": {"id": str(n), "topic": group, "what": "desc"}}
        tell: Packet = {"pub": {"id": str(n), "topic": group, "content": n, "noecho": True}}
        many.append(ask if n % 2 else tell)
    await bare.send(*many)
    ids: list[int] = []
    while len(ids) < 1000:
        packet = await bare.receive()
        body = packet.get("ctrl") or packet.get("meta") or {}
        if "id" in body:
            ids.append(int(body["id"]))
    assert ids == [*range(1000)]


async def test_who_does_not_read_is_cut_off(autojump_clock):
    """And the others get everything, at once."""
    async with running_server(limits={"outbox": 65536, "message_size": 65536}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        group = (await alice.sub("new1")).topic
        slow = await bare_client(server, bob.token, narrow=True)
        await slow.send({"sub": {"id": "s", "topic": group}})
        while "ctrl" not in await slow.receive():
            pass
        alice.receive_all_nowait()
        for _ in range(12):
            await alice.pub(group, "x" * 10_000)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() < 1
        assert server.server.front.statistics().slow_by_bytes == 1
        got = alice.receive_all_nowait()
        assert len([packet for packet in got if "data" in packet]) == 12
        assert [it["src"] for it in presence(got, "off")] == [bob.user]


async def test_who_takes_nothing_for_a_while_is_cut_off(autojump_clock):
    async with running_server(limits={"write_timeout": 3}) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        group = (await alice.sub("new1")).topic
        slow = await bare_client(server, bob.token, narrow=True)
        await slow.send({"sub": {"id": "s", "topic": group}})
        while "ctrl" not in await slow.receive():
            pass
        await alice.pub(group, "x")
        await trio.sleep(3.1)
        assert server.server.front.statistics().slow_by_time == 1
        assert len(presence(alice.receive_all_nowait(), "off")) == 1


async def test_who_vanishes_is_evicted_and_off_once(tinode_server: RunningServer, autojump_clock):
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    for one, other in ((alice, bob), (bob, alice)):
        await one.sub(other.user)
    await alice.sub("me")
    group = (await alice.sub("new1")).topic
    gone = await bare_client(tinode_server, bob.token)
    await gone.send({"sub": {"id": "1", "topic": "me"}}, {"sub": {"id": "2", "topic": group}})
    await trio.testing.wait_all_tasks_blocked()
    alice.receive_all_nowait()
    await trio.sleep(54)
    assert not presence(alice.receive_all_nowait(), "off")
    await trio.sleep(1.1)
    assert [it["topic"] for it in presence(alice.receive_all_nowait(), "off")] == [group]
    await trio.sleep(3.5)
    assert not presence(alice.receive_all_nowait(), "off")
    await trio.sleep(200)
    off = presence(alice.receive_all_nowait(), "off")
    assert [(it["topic"], it["src"]) for it in off] == [("me", bob.user)]
    assert tinode_server.server.hub.statistics().sessions == 2


async def test_a_probe_of_the_network_is_answered(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    bare = await bare_client(tinode_server, alice.token)
    await bare.stream.send_all(b"\x81\x81\0\0\0\x001")
    assert await bare.reader.frame() == (1, b"0")
