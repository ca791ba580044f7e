"""A topic's task: its bounds, its batches, its end, and what a failure costs."""

from __future__ import annotations

import trio
import trio.testing

from tests.live.parts import topic_names, trick
from tinode_py.queries import MessagesIn
from tinode_py.testing import RunningServer, running_server


def pub(topic: str, ident: int) -> dict[str, dict[str, object]]:
    return {"pub": {"id": str(ident), "topic": topic, "content": ident, "noecho": True}}


async def test_a_full_inbox_answers_503(autojump_clock):
    async with running_server(limits={"inbox": 2, "batch": 1}) as server:
        store = trick(server)
        alice, bob = await server.user("alice"), await server.user("bob")
        group = (await alice.sub("new1")).topic
        await bob.sub(group)
        store.gate = trio.Event()
        await alice.send(pub(group, 0))  # taken, and waiting for its commit
        await trio.testing.wait_all_tasks_blocked()
        for ident in range(1, 6):
            await bob.send(pub(group, ident))
        await trio.testing.wait_all_tasks_blocked()
        refused = [packet["ctrl"] for packet in bob.receive_all_nowait() if "ctrl" in packet]
        assert [(it["id"], it["code"]) for it in refused] == [("3", 503), ("4", 503), ("5", 503)]
        store.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        answers = [packet["ctrl"] for packet in bob.receive_all_nowait() if "ctrl" in packet]
        assert [it["params"]["seq"] for it in answers] == [2, 3]
        assert await bob.pub(group, "again") == 4


async def test_what_waits_is_committed_together(tinode_server: RunningServer, autojump_clock):
    store = trick(tinode_server)
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    group = (await alice.sub("new1")).topic
    await bob.sub(group)
    store.gate = trio.Event()
    await alice.send(pub(group, 0))
    await trio.testing.wait_all_tasks_blocked()
    for ident in range(20):
        await (alice if ident % 2 else bob).send(pub(group, ident))
    await trio.testing.wait_all_tasks_blocked()
    before = store.statistics().batches
    store.gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert store.statistics().batches - before == 2
    assert await alice.pub(group, "next") == 22


async def test_a_failed_commit_answers_each_sender_and_says_nothing_else(
    tinode_server: RunningServer, autojump_clock
):
    store = trick(tinode_server)
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bob")
    group = (await alice.sub("new1")).topic
    await bob.sub(group)
    assert await alice.pub(group, "first", noecho=True) == 1
    store.gate = trio.Event()
    await alice.send(pub(group, 0))
    await trio.testing.wait_all_tasks_blocked()
    await alice.send(pub(group, 1))
    await bob.send(pub(group, 2))
    await bob.send({"note": {"topic": group, "what": "read", "seq": 1}})
    await trio.testing.wait_all_tasks_blocked()
    alice.receive_all_nowait(), bob.receive_all_nowait()
    store.failing = True
    store.gate.set()
    await trio.testing.wait_all_tasks_blocked()
    told = {who: who.receive_all_nowait() for who in (alice, bob)}
    codes = {
        who: [(p["ctrl"].get("id"), p["ctrl"]["code"]) for p in told[who] if "ctrl" in p]
        for who in told
    }
    assert codes == {alice: [("0", 500), ("1", 500)], bob: [("2", 500)]}  # a note: silence
    assert all("ctrl" in packet for packets in told.values() for packet in packets)
    store.failing = False
    assert await bob.pub(group, "second") == 2
    assert [m["content"] for m in (await alice.get(group, "data")).data] == ["second", "first"]
    rows = (await alice.get(group, "sub")).meta["sub"]
    assert {row["user"]: row.get("read", 0) for row in rows} == {alice.user: 1, bob.user: 2}


async def test_a_bug_costs_one_request(tinode_server: RunningServer, autojump_clock, caplog):
    store = trick(tinode_server)
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    await alice.pub(group, "kept", noecho=True)
    store.broken = MessagesIn
    await alice.send(pub(group, 1))
    await alice.send({"get": {"id": "2", "topic": group, "what": "data"}})
    await alice.send(pub(group, 3))
    await trio.testing.wait_all_tasks_blocked()
    answers = [packet["ctrl"] for packet in alice.receive_all_nowait()]
    assert [(it["id"], it["code"]) for it in answers] == [("1", 202), ("2", 500), ("3", 202)]
    store.broken = None
    assert [m["seq"] for m in (await alice.get(group, "data")).data] == [3, 2, 1]
    assert "a request failed" in caplog.text


async def test_an_idle_topic_ends_and_comes_back(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    await alice.pub(group, "kept", noecho=True)
    assert group in topic_names(tinode_server)
    await alice.leave(group)
    await trio.sleep(3.9)
    assert group in topic_names(tinode_server)
    await trio.sleep(0.2)
    assert group not in topic_names(tinode_server)
    (kept,) = (await alice.sub(group, get={"what": "data"})).data
    assert kept["content"] == "kept"


async def test_a_request_at_the_last_moment_is_not_lost(
    tinode_server: RunningServer, autojump_clock
):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    await alice.leave(group)
    await trio.sleep(4)  # the very moment at which the topic ends
    assert (await alice.get(group, "desc")).meta["desc"]["acs"]["mode"] == "JRWPASDO"


async def test_topics_that_do_not_exist_do_not_stay(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    for body in range(20):
        await alice.send({"get": {"id": "x", "topic": f"grpAAAAAAAA{body:02}A", "what": "desc"}})
    await trio.sleep(5)
    assert not [name for name in topic_names(tinode_server) if name.startswith("grp")]
