"""Sessions whose topic is elsewhere, when links break and nodes come and go.

Each of these was found by the simulation.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.cluster.parts import LEASE, Machines, nodes
from tests.cluster.test_failover import came, contents, group_of, in_sight
from tinode_py.access import Level
from tinode_py.cluster import protocol
from tinode_py.cluster.claims import Claims
from tinode_py.cluster.guests import GuestLink, Guests
from tinode_py.cluster.node import Node
from tinode_py.cluster.proxy import Proxy
from tinode_py.core.events import Asked, Caller, Presence, Woken
from tinode_py.errors import UNREACHABLE, StoreAway
from tinode_py.live.emission import Emission
from tinode_py.live.inbox import Inbox
from tinode_py.live.rules import Item
from tinode_py.store.coordination import MemoryCoordination
from tinode_py.wire.client_packets import Sub
from tinode_py.wire.parts import Time
from tinode_py.wire.server_packets import Ctrl


async def test_who_leaves_and_comes_again_hears_what_follows(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        await alice.pub(group, "before")
        assert await contents(bob, "before") == ["before"]
        await bob.leave(group)
        await bob.sub(group)
        await alice.pub(group, "after")
        with trio.fail_after(1):
            assert await contents(bob, "after") == ["after"]


async def test_a_contact_who_is_here_is_not_off_because_another_node_stops(autojump_clock):
    machines = Machines()
    with trio.fail_after(60):
        async with machines.node("b") as two:
            async with machines.node("a") as one:
                await trio.sleep(1)
                phone = await one.user("bob")
                await phone.sub("me")
                laptop, alice = await two.user("bob"), await two.user("alice")
                await laptop.sub("me")
                await alice.sub("me")
                await alice.sub(laptop.user)
                await laptop.sub(alice.user)
                await came(alice, "on", laptop.user)
            await trio.sleep(LEASE)
            found = [packet.get("pres", {}) for packet in alice.receive_all_nowait()]
            told = [pres["what"] for pres in found if pres.get("src") == laptop.user]
            assert "off" not in told


async def test_presence_is_right_after_a_link_was_lost(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await in_sight(one, two)
        machines.network.block(machines.number("a"), machines.number("b"))
        await bob.aclose()
        await trio.sleep(LEASE)
        machines.network.free(machines.number("a"), machines.number("b"))
        with trio.fail_after(1):
            await came(alice, "off", bob.user)
        machines.network.block(machines.number("a"), machines.number("b"))
        again = await two.user("bob")
        await again.sub("me")
        machines.network.free(machines.number("a"), machines.number("b"))
        with trio.fail_after(1):
            await came(alice, "on", bob.user)


async def test_who_cannot_read_what_he_has_missed_is_ended(autojump_clock):
    """The topic's node has lost the store in the moment in which the session returns."""
    async with nodes("a", "b") as (machines, (one, two)):
        phone, laptop = await one.user("alice"), await two.user("alice")
        await phone.sub("me")
        await laptop.sub("me", get={"what": "inbox", "inbox": {}})
        machines.cables["a"].is_cut = True
        machines.network.reset(machines.number("a"), machines.number("b"))
        with trio.fail_after(2):
            await laptop.wait_closed()
        assert laptop.close_code == 1012
        assert not phone.closed


async def test_how_far_a_session_has_its_inbox_comes_with_the_items(autojump_clock):
    """So a link that breaks leaves no gap and brings nothing twice."""
    async with nodes("a") as (_, (one,)):
        sent: list[protocol.Message] = []

        def send(message: protocol.Message) -> bool:
            sent.append(message)
            return True

        link = GuestLink("usrA", "sid", Guests(one.server.hub, send))
        link.follows(7)
        assert sent == []
        emission = Emission(None)
        emission.send(link, Ctrl(200, "ok", Time(0)))
        await emission.flush()
        (frames,) = sent
        assert isinstance(frames, protocol.Frames)
        assert (frames.sids, frames.seq) == (("sid",), 7)
        link.follows(None)
        assert sent[1:] == [protocol.Following("usrA", "sid")]


async def test_a_task_that_is_cancelled_takes_nobodys_place_on_another_node(autojump_clock):
    """As those that are still at work when a node has to end."""
    async with nodes("a", "b") as (_, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = await group_of(alice, bob)
        node = one.server.hub.placement
        assert isinstance(node, Node)
        node.serving._life[group].cancel()
        await trio.sleep(0.5)
        (near,) = one.server.hub.sessions_of(alice.user)
        (far,) = two.server.hub.sessions_of(bob.user)
        assert group not in near.attached
        assert group in far.attached


async def test_notices_wait_for_a_topic_that_is_out_of_reach(autojump_clock):
    async with nodes("a") as (_, (one,)):
        alice = await one.user("alice")
        await alice.sub("me")
        (link,) = one.server.hub.sessions_of(alice.user)
        inbox: Inbox[Item] = Inbox(10)
        proxy = Proxy(alice.user, inbox, lambda: 0, one.server.hub.link_of)
        said = [Item(Presence("usrB", what)) for what in ("on", "off", "on")]
        for item in said:
            assert inbox.put_nowait(item)
        inbox.mark("moved", Item(Woken()))
        proxy.links[link.sid] = link
        proxy.refuse_all(UNREACHABLE)
        assert inbox.take_nowait() == said[2:]
        proxy.links.clear()
        assert inbox.put_nowait(said[0])
        proxy.refuse_all(UNREACHABLE)
        assert inbox.is_empty


async def test_what_waits_for_a_claim_when_the_node_ends_is_refused_for_now(autojump_clock):
    async with trio.open_nursery() as nursery:
        claims = Claims(MemoryCoordination(trio.current_time), 1)

        async def end() -> None:
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0):
                await claims.run()

        nursery.start_soon(end)
        with pytest.raises(StoreAway) as refused:
            await claims.owner("grpA")
    assert refused.value.answer.code == 503


async def test_the_get_in_a_sub_is_refused_if_the_link_breaks_before_it_is_answered(
    autojump_clock,
):
    async with nodes("a") as (_, (one,)):
        alice = await one.user("alice")
        (link,) = one.server.hub.sessions_of(alice.user)
        inbox: Inbox[Item] = Inbox(10)
        proxy = Proxy("grpABCDEFGHIJK", inbox, lambda: 0, one.server.hub.link_of)
        asked = Asked(Caller(link.sid, alice.user, Level.AUTH, alice.user), Sub(id="7"), "grpA")
        link.asked()
        assert inbox.put_nowait(Item(asked, link))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(proxy.run, lambda message: True, lambda message: True)
            await trio.testing.wait_all_tasks_blocked()
            await proxy.receive(protocol.Asking("grpABCDEFGHIJK", link.sid))
            assert link.unanswered == 2
            await proxy.receive(protocol.Answered("grpABCDEFGHIJK", link.sid))
            proxy.lose()
        assert link.unanswered == 0
        refused = (await alice.receive())["ctrl"]
        assert (refused["id"], refused["code"]) == ("7", 503)
