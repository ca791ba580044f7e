"""What only reads is answered without the topic's task while that is idle, and only then."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.live.parts import trick
from tinode_py.client import Packet
from tinode_py.live.runner import Runner
from tinode_py.testing import RunningServer, running_server

ASKED: tuple[dict[str, Any], ...] = (
    {"what": "data", "data": {"limit": 3}},
    {"what": "data", "data": {"since": 2, "before": 4}},
    {"what": "data", "data": {"ranges": [{"low": 1, "hi": 3}, {"low": 5}]}},
    {"what": "data", "data": {"since": 999}},
    {"what": "data del desc"},
    {"what": "desc tags aux cred"},
    {"what": "data", "data": {"user": "usrAAAAAAAAAAA"}},
    {"what": "nothing"},
    {"what": ""},
    {"what": "desc sub data"},
)


def turns(server: RunningServer, topic: str) -> int:
    """How often the topic's task has taken what waited."""
    (found,) = [it for it in server.server.hub.runners() if it.state.name == topic]
    return found.turn


async def told(*clients: Any) -> list[list[Packet]]:
    """What each has got, once everything is quiet."""
    await trio.testing.wait_all_tasks_blocked()
    return [client.receive_all_nowait() for client in clients]


async def conversation(server: RunningServer, **options: Any) -> tuple[Any, Any, str, str]:
    """Two in a conversation and in a group, with messages; one of each is deleted."""
    alice = await server.user("alice", options=options)
    bob = await server.user("bob", options=options)
    group = (await alice.sub("new1")).topic
    await bob.sub(group)
    await alice.sub(bob.user)
    await bob.sub(alice.user)
    for n in range(6):
        await alice.pub(group, n)
        await alice.pub(bob.user, n)
    for topic in (group, bob.user):
        await alice.del_("msg", topic=topic, delseq=[{"low": 2}], hard=True)
    await bob.del_("msg", topic=group, delseq=[{"low": 4}])
    await told(alice, bob)
    return alice, bob, group, bob.user


async def channel(server: RunningServer, owner: Any, **options: Any) -> tuple[Any, str]:
    """A reader in a channel with messages, and what he calls it."""
    reader = await server.user("reader", options=options)
    group = (await owner.sub("nch1")).topic
    await reader.sub("chn" + group[3:])
    for n in range(6):
        await owner.pub(group, n, head={"number": n})
    await told(owner, reader)
    return reader, "chn" + group[3:]


async def answers(near: bool, **options: Any) -> list[list[Packet]]:
    async with running_server(seed=5) as server:
        alice, bob, group, peer = await conversation(server, **options)
        reader, news = await channel(server, alice, **options)
        server.server.hub.near = near
        for number, asked in enumerate(ASKED):
            for client, topic in ((alice, group), (bob, group), (alice, peer), (reader, news)):
                await client.send({"get": {"id": str(number), "topic": topic, **asked}})
                await trio.testing.wait_all_tasks_blocked()
        return await told(alice, bob, reader)


@pytest.mark.parametrize("cbor", [False, True])
async def test_answers_are_the_same(autojump_clock, cbor: bool):
    at_once, by_the_task = await answers(True, cbor=cbor), await answers(False, cbor=cbor)
    assert at_once == by_the_task
    assert [len(packets) > 20 for packets in at_once] == [True, True, True]


async def test_a_page_of_the_deleted_is_empty(tinode_server: RunningServer, autojump_clock):
    """Though the numbers were given out."""
    alice, _, group, _ = await conversation(tinode_server)
    await alice.send(
        {"get": {"id": "page", "topic": group, "what": "data", "data": {"since": 2, "before": 3}}}
    )
    (packets,) = await told(alice)
    assert [packet["ctrl"]["code"] for packet in packets] == [204]


async def test_a_page_without_r_is_refused(tinode_server: RunningServer, autojump_clock):
    alice, bob, group, _ = await conversation(tinode_server)
    await alice.set(group, sub={"user": bob.user, "mode": "JWP"})
    await told(alice, bob)
    await bob.send({"get": {"id": "page", "topic": group, "what": "data"}})
    (packets,) = await told(bob)
    assert [packet["ctrl"]["code"] for packet in packets] == [403]


async def test_a_long_page_lets_others_run(tinode_server: RunningServer, autojump_clock):
    alice, _, group, _ = await conversation(tinode_server)
    for _ in range(4):
        await alice.pub(group, "x" * 100_000)
    found = (await alice.get(group, "data", data={"limit": 4})).data
    assert [len(it["content"]) for it in found] == [100_000] * 4


async def test_an_idle_topic_is_not_woken(tinode_server: RunningServer, autojump_clock):
    alice, _, group, _ = await conversation(tinode_server)
    before = turns(tinode_server, group)
    await alice.get(group, "data", data={"limit": 3})
    await alice.get(group, "desc")
    assert turns(tinode_server, group) == before
    await alice.get(group, "sub")
    assert turns(tinode_server, group) == before + 1


async def test_an_agent_that_is_known_wakes_nobody(tinode_server: RunningServer, autojump_clock):
    """Who comes back with the same device is active with it: his `me` need not be told."""
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    before = []
    for agent in ("alice", "alice", "phone"):
        await alice.aclose()
        alice = await tinode_server.user("alice", hi={"ua": agent})
        await alice.sub("me")
        before.append(turns(tinode_server, alice.user))
        await alice.sub(group)
        await told(alice)
        before[-1] -= turns(tinode_server, alice.user)
    assert before == [0, 0, -1]


@pytest.mark.parametrize(
    "first",
    [
        {"pub": {"id": "first", "content": "x", "noecho": True}},
        {"del": {"id": "first", "what": "msg", "delseq": [{"low": 5}], "hard": True}},
    ],
)
async def test_what_is_being_written_is_answered_first(
    tinode_server: RunningServer, autojump_clock, first: Packet
):
    """Also for another session: it sees what was stored, and not before it is."""
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    store = trick(tinode_server)
    group = (await alice.sub("new1")).topic
    await bob.sub(group)
    for n in range(6):
        await alice.pub(group, n)
    await told(alice, bob)
    store.gate = trio.Event()
    ((kind, members),) = first.items()
    await alice.send({kind: {**members, "topic": group}})
    await trio.testing.wait_all_tasks_blocked()
    for client in (alice, bob):
        await client.send({"get": {"id": "page", "topic": group, "what": "data"}})
    assert await told(alice, bob) == [[], []]
    store.gate.set()
    mine, theirs = await told(alice, bob)
    assert mine[0]["ctrl"]["id"] == "first"
    written = {1, 2, 3, 4, 5, 6, 7} if kind == "pub" else {1, 2, 3, 4, 6}
    for packets in (mine, theirs):
        assert {it["data"]["seq"] for it in packets if "data" in it} == written
        assert packets[-1]["ctrl"]["id"] == "page"


async def test_a_page_that_was_overtaken_while_it_was_read_is_read_again(
    tinode_server: RunningServer, autojump_clock
):
    """With a store that takes its time."""
    store = trick(tinode_server)
    alice, bob, group, _ = await conversation(tinode_server)
    store.answers = trio.Event()
    await bob.send({"get": {"id": "page", "topic": group, "what": "data", "data": {"limit": 1}}})
    await trio.testing.wait_all_tasks_blocked()
    overtaken, store.answers = store.answers, store.gate
    assert await alice.pub(group, "meanwhile") == 7
    overtaken.set()
    (packets,) = await told(bob)
    assert [it["data"]["seq"] for it in packets if "data" in it] == [7, 7]  # live, and the page
    assert packets[-1]["ctrl"]["params"]["count"] == 1


async def test_what_was_decided_too_early_is_decided_again(
    tinode_server: RunningServer, autojump_clock, monkeypatch
):
    """As above, for a request that takes more than a page."""
    alice, bob, group, _ = await conversation(tinode_server)
    hub = tinode_server.server.hub
    (runner,) = [it for it in hub.runners() if it.state.name == group]
    gate, decide = trio.Event(), Runner.decide

    async def slowly(self: Runner, item: Any) -> Any:
        decision = await decide(self, item)
        if self is runner and not gate.is_set():
            await gate.wait()
        return decision

    monkeypatch.setattr(Runner, "decide", slowly)
    asked = {"id": "page", "topic": group, "what": "data aux", "data": {"limit": 1}}
    await bob.send({"get": asked})
    await trio.testing.wait_all_tasks_blocked()
    monkeypatch.setattr(Runner, "decide", decide)
    assert await alice.pub(group, "meanwhile") == 7
    gate.set()
    (packets,) = await told(bob)
    assert [it["data"]["seq"] for it in packets if "data" in it] == [7, 7]
    assert [it["ctrl"]["code"] for it in packets if "ctrl" in it] == [208, 204]


async def test_a_store_that_cannot_be_read_costs_one_request(
    tinode_server: RunningServer, autojump_clock
):
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    store = trick(tinode_server)
    await bob.sub(alice.user)
    await alice.sub(bob.user)
    await alice.pub(bob.user, "x")
    await told(alice)
    store.unreadable = True
    await alice.send({"get": {"id": "page", "topic": bob.user, "what": "data"}})
    (packets,) = await told(alice)
    assert [packet["ctrl"]["code"] for packet in packets] == [500]
    store.unreadable = False
    assert (await alice.get(bob.user, "data")).data
