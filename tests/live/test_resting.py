"""Idle topics have no task and no queue, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing

from tests.live.parts import presence, topic_names
from tinode_py.client import Client
from tinode_py.live.inbox import Inbox
from tinode_py.live.resting import REST
from tinode_py.testing import RunningServer, running_server

LONG = 2 * REST + 0.1


def tasks(server: RunningServer) -> set[str]:
    """Topics that have a task."""
    found = server.server.hub.nursery.child_tasks
    return {it.name.removeprefix("topic ") for it in found if it.name.startswith("topic ")}


@pytest.fixture
async def server(autojump_clock):
    async with running_server() as running:
        yield running


async def pair(server: RunningServer) -> tuple[Client, Client]:
    """Two who talk to each other, both on `me`."""
    alice, bob = await server.user("alice"), await server.user("bob")
    for one, other in ((alice, bob), (bob, alice)):
        await one.sub("me")
        await one.sub(other.user)
    return alice, bob


async def test_an_idle_topic_rests_and_goes_on_where_it_was(server: RunningServer):
    alice, bob = await pair(server)
    loaded = topic_names(server)
    assert tasks(server) == loaded
    await trio.sleep(LONG)
    assert tasks(server) == set()
    assert topic_names(server) == loaded
    assert all(runner.inbox.rests for runner in server.server.hub.runners())
    bob.receive_all_nowait()
    read = server.server.store.statistics().queries
    await alice.pub(bob.user, "still there?")
    await trio.testing.wait_all_tasks_blocked()
    packets = bob.receive_all_nowait()
    assert [it["data"]["content"] for it in packets if "data" in it] == ["still there?"]
    assert server.server.store.statistics().queries == read
    await trio.sleep(LONG)
    assert tasks(server) == set()


async def test_a_topic_with_something_to_do_does_not_rest(server: RunningServer):
    alice, bob = await pair(server)
    (talk,) = (name for name in topic_names(server) if name.startswith("p2p"))
    for _ in range(8):
        await trio.sleep(REST / 2)
        await alice.pub(bob.user, "x")
        assert talk in tasks(server)


async def test_what_is_due_is_done_though_the_topic_rests(server: RunningServer):
    alice, bob = await pair(server)
    await trio.sleep(10)  # user agents have been told of
    bob.receive_all_nowait()
    await alice.aclose()
    await trio.sleep(3.9)
    assert tasks(server) == set()
    assert not presence(bob.receive_all_nowait(), "off")
    await trio.sleep(0.2)
    await trio.testing.wait_all_tasks_blocked()
    assert presence(bob.receive_all_nowait(), "off")
    await trio.sleep(10)
    assert alice.user not in topic_names(server)


async def test_a_server_stops_while_topics_rest(autojump_clock):
    async with running_server() as server:
        await pair(server)
        await trio.sleep(LONG)
        assert tasks(server) == set()
        hub = server.server.hub
    assert not list(hub.runners())


async def test_what_comes_to_an_inbox_at_rest_calls_its_reader():
    inbox: Inbox[str] = Inbox(2)
    called: list[int] = []
    gives: list[Callable[[], object]] = [
        partial(inbox.put_nowait, "x"),
        partial(inbox.mark, "k", "x"),
    ]
    for number, give in enumerate(gives):
        inbox.rest(partial(called.append, number))
        assert inbox.rests
        give()
        inbox.put_nowait("y")
        assert called == list(range(number + 1))
        assert await inbox.take(9, float("inf")) == ["x", "y"]
    inbox.put_nowait("z")
    assert called == [0, 1]


async def test_a_nudge_is_nothing_beside_an_item():
    inbox: Inbox[str] = Inbox(2)
    inbox.nudge()
    assert await inbox.take(9, float("inf")) == []
    inbox.nudge()
    inbox.put_nowait("x")
    inbox.nudge()
    assert await inbox.take(9, float("inf")) == ["x"]
    assert inbox.is_empty
