"""Publications that are decided together reach everybody as if each had come alone."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio
import trio.testing

from tests.live.parts import inbox_items, trick
from tinode_py.client import Packet
from tinode_py.core import me_topic
from tinode_py.core.events import Deliver
from tinode_py.live.outbox import NoConnection
from tinode_py.testing import RunningServer, running_server
from tinode_py.wire.frames import payload_of
from tinode_py.wire.server_packets import Pres


async def quiet(clients: list[Any]) -> list[list[Packet]]:
    await trio.testing.wait_all_tasks_blocked()
    return [client.receive_all_nowait() for client in clients]


async def told(seed: int, *, together: bool) -> tuple[list[Packet], list[list[Packet]]]:
    """What was published in a conversation of two, and what each of four sessions has got: the
    last one follows its inbox and is in no conversation.
    """
    chance = random.Random(seed)
    async with running_server(seed=seed) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        again, away = await server.user("alice"), await server.user("bob")
        for client, peer in ((alice, bob), (bob, alice), (again, bob)):
            await client.sub(peer.user)
        await away.sub("me", get={"what": "inbox", "inbox": {"since": 1}})
        store = trick(server)
        clients = [alice, again, bob, away]
        # The topic was loaded before: it takes the tricky store when it is loaded again.
        for runner in server.server.hub.runners():
            runner.store = store
        await quiet(clients)
        store.gate = trio.Event()
        if not together:
            store.gate.set()
        await alice.send({"pub": {"id": "0", "topic": bob.user, "content": "first"}})
        await trio.testing.wait_all_tasks_blocked()
        said = []
        for number in range(1, 12):
            author = chance.choice([0, 0, 0, 1, 2])
            client, peer = clients[author], (alice if author == 2 else bob)
            pub = {"topic": peer.user, "content": number, "noecho": chance.random() < 0.6}
            if chance.random() < 0.8:
                pub["id"] = str(number)
            if chance.random() < 0.3:
                pub["head"] = {"mime": "text/plain"}
            said.append({"author": author, **pub})
            await client.send({"pub": pub})
            await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
        return said, await quiet(clients)


@pytest.mark.parametrize("seed", range(2))
async def test_a_batch_is_told_as_one_by_one(autojump_clock, seed: int):
    said, together = await told(seed, together=True)
    same, alone = await told(seed, together=False)
    assert said == same
    for mine, theirs in zip(without_times(together[:3]), without_times(alone[:3]), strict=True):
        assert mine == theirs
    assert [it["content"] for it in inbox_items(together[3])] == ["first", *range(1, 12)]
    assert without_times(inbox_items(together[3])) == without_times(inbox_items(alone[3]))


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(it) for name, it in value.items() if name != "ts"}
    return [without_times(it) for it in value] if isinstance(value, list) else value


async def test_who_speaks_is_who_the_packet_says(tinode_server: RunningServer, autojump_clock):
    """A session is asked who it is once, but for what it says for somebody else."""
    root, bob = await tinode_server.user("root", root=True), await tinode_server.user("bob")
    group = (await root.sub("new1")).topic
    await bob.sub(group)
    await quiet([bob])
    for extra in ({}, {"extra": {"obo": bob.user}}, {}):
        await root.send({"pub": {"topic": group, "content": "x"}, **extra})
        await trio.testing.wait_all_tasks_blocked()
    data = [packet["data"] for packet in bob.receive_all_nowait() if "data" in packet]
    assert [it["from"] for it in data] == [root.user, bob.user, root.user]


class Recorder(NoConnection):
    """An outlet that keeps what it is given: a list of writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def push(self, frame: bytes) -> None:
        self.writes.append(frame)


def packets_in(data: bytes) -> list[Packet]:
    found, at = [], 0
    while at < len(data):
        begin, at = payload_of(data, at)
        found.append(json.loads(data[begin:at]))
    return found


async def test_who_is_on_me_hears_of_a_batch_in_one_write(
    tinode_server: RunningServer, autojump_clock
):
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    group = (await alice.sub("new1")).topic
    await bob.sub(group)
    away = await tinode_server.user("bob")
    await away.sub("me")
    links = tinode_server.server.hub.sessions_of(bob.user)
    (link,) = (it for it in links if bob.user in it.attached)
    link.outlet = recorder = Recorder()
    store = trick(tinode_server)
    for runner in tinode_server.server.hub.runners():
        runner.store = store
    store.gate = trio.Event()
    for n in range(5):
        await alice.send({"pub": {"id": str(n), "topic": group, "content": n}})
        await trio.testing.wait_all_tasks_blocked()  # the first one's commit is waited for
    store.gate.set()
    await trio.testing.wait_all_tasks_blocked()
    told = [[packet["pres"] for packet in packets_in(write)] for write in recorder.writes]
    assert [[(it["what"], it["src"], it["seq"]) for it in those] for those in told] == [
        [("msg", group, 1)],
        [("msg", group, seq) for seq in range(2, 6)],
    ]


def test_word_that_changes_who_counts_as_online_is_taken_by_itself():
    """The next event on `me` must find that the contact is gone."""
    assert me_topic.is_plain(Deliver(Pres(topic="me", what="msg", src="grpX")))
    assert not me_topic.is_plain(Deliver(Pres(topic="me", what="gone", src="grpX"), always=True))
