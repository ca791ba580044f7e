"""Which node a ticket leads to; tickets and polling sessions belong to one node."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import trio
import trio_websocket

from tests.cluster.back_end import api_of
from tests.cluster.parts import nodes
from tests.web.polling import ASKED, ask, ctrl
from tests.web.v1.test_tickets import opened as opened_with
from tinode_py.cluster.assigning import Assigning, Candidate

NODES = [Candidate(n, f"n{n}", f"http://n{n}", 10 * n) for n in (3, 1, 2)]


def sent(policy: Any, count: int = 30) -> Counter[int]:
    chance = iter(range(1000))
    assigning = Assigning(policy, lambda size: next(chance).to_bytes(size, "big"))
    return Counter(assigning.choose(NODES, f"usr{i}").id for i in range(count))


def test_each_in_turn() -> None:
    assert sent("round_robin") == {1: 10, 2: 10, 3: 10}


def test_by_chance() -> None:
    assert sent("random") == {1: 10, 2: 10, 3: 10}


def test_where_least_is() -> None:
    """What was sent since the last beats counts, too: not all go to the same one."""
    assert sent("least_loaded", 20) == {1: 15, 2: 5}


def test_by_the_name_of_the_user() -> None:
    one = Assigning("user_hash", bytes)
    where = {f"usr{i}": one.choose(NODES, f"usr{i}").id for i in range(300)}
    assert all(count > 60 for count in Counter(where.values()).values())
    fewer = {user: one.choose(NODES[1:], user).id for user in where}
    assert {user for user in where if where[user] != fewer[user]} == {
        user for user, node in where.items() if node == 3
    }


async def test_tickets_lead_to_nodes_in_turn(autojump_clock):
    async with nodes("a", "b", "c") as (machines, (one, _, _)):
        alice = await one.user("alice")
        api = await api_of(one)

        async def hosts() -> set[str]:
            urls = [(await api("POST", "/tickets", {"user": alice.user}))["url"] for _ in range(6)]
            return {url.partition("://")[2].partition("/")[0] for url in urls}

        assert await hosts() == {"node", "b", "c"}  # `node`: where it was asked for
        machines.clusters["c"].begin_drain()
        await trio.sleep(1)
        assert await hosts() == {"node", "b"}
        machines.clusters["a"].begin_drain()
        assert await hosts() == {"b"}
        machines.network.block(machines.number("a"), machines.number("b"))
        assert await hosts() == {"node"}


async def hello(socket: trio_websocket.WebSocketConnection) -> Any:
    await socket.send_message('{"hi":{"id":"1","ver":"0.25","ua":"t"}}')
    return json.loads(await socket.get_message())["ctrl"]


async def test_a_ticket_is_good_once_at_any_node(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        alice = await one.user("alice")
        api = await api_of(one)
        wanted = {"user": alice.user, "metadata": {"tab": 5}, "ttl": 60}
        for number, at in ((1, one), (2, two), (1, two), (2, one)):
            url = ""
            while f"ticket={number}." not in url:
                url = (await api("POST", "/tickets", wanted))["url"]
            async with opened_with(at, url) as socket:
                assert (await hello(socket))["params"]["user"] == alice.user
                links = at.server.hub.sessions_of(alice.user)
                assert b'{"tab": 5}' in [link.metadata for link in links]
            for again in (one, two):
                async with opened_with(again, url) as socket:
                    ctrl = json.loads(await socket.get_message())["ctrl"]
                    assert ctrl["code"] == 401
        url = (await api("POST", "/tickets", {**wanted, "attach": True}))["url"]
        async with opened_with(two, url) as socket:
            assert json.loads(await socket.get_message())["ctrl"]["params"]["user"] == alice.user


async def test_tickets_that_are_none(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        for ticket in ("7.abc", "1.", "2.abc", ".", "9" * 20 + ".x", "\u0661.x", "1.1.1", "abc"):
            for server in (one, two):
                assert server.server.hub.admissions.take_here(ticket) is None
                assert await server.server.hub.admissions.take(ticket) is None


async def test_a_poll_at_another_node_is_told_so(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        sid = ctrl(await ask(one, "GET", ASKED))["params"]["sid"]
        assert sid.startswith(f"{machines.number('a')}.")
        answer = await ask(two, "GET", f"{ASKED}&sid={sid}")
        told = {"reason": "the session is on another node", "node": "a"}
        assert (answer[0], ctrl(answer)["params"]) == (403, told)
        for none in ("9.abc", "2.abc", "abc", "x.y", "%D9%A1.x"):
            answer = await ask(two, "GET", f"{ASKED}&sid={none}")
            assert (answer[0], "params" in ctrl(answer)) == (403, False), none
