"""A call whose node stops goes on, if its sessions do; else it ends, and says so."""

from __future__ import annotations

import json
from typing import Any

import trio
from msgspec import structs

from tests.cluster.parts import LEASE, nodes
from tinode_py.client import Client, Packet
from tinode_py.core.calls import RETURNING
from tinode_py.queries import CallsAfter
from tinode_py.server import Parts
from tinode_py.store.memory import MemoryStore
from tinode_py.testing import running_server
from tinode_py.testing.running import CheapHasher, trio_clock

ICE = {"ice_servers": [{"urls": ["stun:stun.example:3478"]}]}
OFFER = {"webrtc": "started", "mime": "text/x-drafty"}
SOON = LEASE + RETURNING / 1000 + 1


async def heard(client: Client, kind: str, **members: Any) -> Packet:
    """The next packet of a kind with these members."""
    while True:
        body: Packet = (await client.receive()).get(kind, {})
        if all(body.get(name) == value for name, value in members.items()):
            return body


async def states(client: Client, topic: str) -> list[str]:
    """What a call was, one message after the other."""
    found = (await client.get(topic, "data", data={"limit": 50})).data
    return [it["head"]["webrtc"] for it in found[::-1]]


async def called(caller: Client, callee: Client, *, accepted: bool = True) -> int:
    """A call; its number."""
    for who, other in ((caller, callee), (callee, caller)):
        await who.sub("me")
        await who.sub(other.user)
    seq = await caller.pub(callee.user, {"txt": " "}, head=OFFER)
    if accepted:
        await callee.note(caller.user, "call", seq, event="accept")
        await heard(caller, "info", event="accept", topic=callee.user)
    return seq


async def test_a_call_ends_with_the_node_of_one_of_its_parties(autojump_clock):
    """Which has the topic, too."""
    async with nodes("a", "b", calls=ICE) as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        await called(alice, bob)
        machines.isolate("a")
        with trio.fail_after(SOON):
            await heard(bob, "info", event="hang-up")
        assert await states(bob, alice.user) == ["started", "accepted", "disconnected"]


async def test_a_call_between_two_other_nodes_is_taken_up(autojump_clock):
    async with nodes("a", "b", "c", calls=ICE) as (machines, (one, two, three)):
        early = await one.user("alice")
        alice, bob = await two.user("alice"), await three.user("bob")
        await early.sub(bob.user)
        assert machines.number("a") in [
            number for name, number in machines.owners().items() if name.startswith("p2p")
        ]
        seq = await called(alice, bob)
        machines.isolate("a")
        await trio.sleep(SOON)
        await alice.note(bob.user, "call", seq, event="offer", payload={"sdp": "x"})
        with trio.fail_after(1):
            offer = await heard(bob, "info", event="offer")
        assert offer["payload"] == {"sdp": "x"}
        await bob.note(alice.user, "call", seq, event="hang-up")
        with trio.fail_after(1):
            await heard(alice, "info", event="hang-up")
        assert await states(alice, bob.user) == ["started", "accepted", "finished"]


async def test_a_call_that_rings_goes_on_ringing(autojump_clock):
    async with nodes("a", "b", "c", calls=ICE) as (machines, (one, two, three)):
        early = await one.user("alice")
        alice, bob = await two.user("alice"), await three.user("bob")
        await early.sub(bob.user)
        seq = await called(alice, bob, accepted=False)
        machines.isolate("a")
        await trio.sleep(SOON)
        await bob.note(alice.user, "call", seq, event="accept")
        with trio.fail_after(1):
            await heard(alice, "info", event="accept")
        assert await states(bob, alice.user) == ["started", "accepted"]


async def test_nobody_has_to_ask_for_a_call_that_is_over(autojump_clock):
    """Both were on the node that stops; one of them is also on another."""
    async with nodes("a", "b", calls=ICE) as (machines, (one, two)):
        alice, bob = await one.user("alice"), await one.user("bob")
        elsewhere = await two.user("bob")
        await elsewhere.sub("me")
        await called(alice, bob)
        store = machines.store
        (_,) = await store.fetch(CallsAfter("", 9))
        machines.isolate("a")
        with trio.fail_after(SOON):
            await heard(elsewhere, "info", event="hang-up", src=alice.user)
        assert await store.fetch(CallsAfter("", 9)) == ()
        await elsewhere.sub(alice.user)
        assert (await states(elsewhere, alice.user))[-1] == "disconnected"


async def test_a_call_does_not_outlast_its_server(autojump_clock):
    """The server was killed while somebody called, and is started again."""
    store = MemoryStore()

    def parts() -> Parts:
        return Parts(trio_clock(), hasher=CheapHasher(), inline=True, store=store)

    async with running_server(parts=parts(), calls=ICE) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        await called(alice, bob)
        (name,) = await store.fetch(CallsAfter("", 9))
        call = store._tables.topics.rows[name].call
    # As if the server had not ended in good order.
    topics = store._tables.topics.rows
    topics[name] = structs.replace(topics[name], call=call)
    assert json.loads(call or b"")["seq"] == 1
    async with running_server(parts=parts(), calls=ICE) as server:
        server._names |= {"alice", "bob"}
        again = await server.user("alice")
        await again.sub("me")
        with trio.fail_after(RETURNING / 1000 + 1):
            await heard(again, "info", event="hang-up", src=bob.user)
        assert await store.fetch(CallsAfter("", 9)) == ()
        await again.sub(bob.user)
        assert (await states(again, bob.user))[-1] == "disconnected"
