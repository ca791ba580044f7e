"""Requests that cross each other, sessions that end in mid-request, loops without a pause.

Whatever happens in which order: every request that can be answered is answered once, and when
the last connection is gone nothing is left.
"""

from __future__ import annotations

import gc
import sys

import pytest
import trio

from tests.abuse.people import Client, World, secret, world
from tinode_py.queries import UserById


async def test_a_login_while_another_is_checked(autojump_clock):
    """Twenty in one write: one after the other, the first right one counts."""
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        client = await it.guest()
        logins = ["alice", "bobby"] * 10
        await client.send(
            *({"login": {"id": str(n), "scheme": "basic", "secret": secret(login)}}
              for n, login in enumerate(logins))
        )  # fmt: skip
        answers = [await client.first() for _ in logins]
        assert [a["id"] for a in answers] == [str(n) for n in range(20)]
        assert [a["code"] for a in answers] == [200] + [409] * 19
        assert answers[0]["params"]["user"] == alice.user
        assert await client.code(sub={"topic": "me"}) == 200
        assert it.server.hub.statistics().users == 2
        assert bob.user


async def test_a_packet_behind_a_wrong_login_is_not_let_through(autojump_clock):
    async with world() as it:
        await it.person("alice")
        client = await it.guest()
        await client.send(
            {"login": {"id": "1", "scheme": "basic", "secret": secret("alice", "wrong")}},
            {"sub": {"id": "2", "topic": "me", "get": {"what": "desc"}}},
            {"get": {"id": "3", "topic": "me", "what": "desc"}},
        )
        assert [(await client.first())["code"] for _ in range(3)] == [401, 401, 401]
        assert client.seen == []


@pytest.mark.parametrize("after", range(0, 40, 3))
async def test_a_disconnect_at_any_step_of_a_login(after, autojump_clock):
    """Cut after so many turns of the loop, somewhere in a password check."""
    async with world() as it:
        alice = await it.person("alice")
        client = await it.guest()
        await client.send({"login": {"id": "1", "scheme": "basic", "secret": secret("alice")}})
        for _ in range(after):
            await trio.lowlevel.checkpoint()
        await client.close()
        await alice.close()
        await it.empty()
        assert it.server.hub.on_me.sids == {}


@pytest.mark.parametrize("after", range(0, 40, 3))
@pytest.mark.parametrize("topic", ["me", "new", "fnd", "slf", "usr", "grp"])
async def test_a_disconnect_between_a_sub_and_its_answer(topic, after, autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        named = {"usr": alice.user, "grp": await it.group(alice)}.get(topic, topic)
        await bob.send({"sub": {"id": "1", "topic": named, "get": {"what": "desc sub data"}}})
        for _ in range(after):
            await trio.lowlevel.checkpoint()
        await bob.close()
        await alice.close()
        await it.empty()
        assert it.server.hub.on_me.sids == {}


async def test_a_tight_loop_of_coming_and_going(autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        await alice.quiet()
        await bob.send(
            *({kind: {"id": f"{kind}{n}", "topic": group}}
              for n in range(300) for kind in ("leave", "sub"))
        )  # fmt: skip
        answers = [await bob.first() for _ in range(600)]
        assert [a["id"] for a in answers] == [
            f"{k}{n}" for n in range(300) for k in ("leave", "sub")
        ]
        assert {a["code"] for a in answers} == {200}
        came = await alice.quiet()
        online = [p["pres"]["what"] for p in came if p.get("pres", {}).get("src") == bob.user]
        assert online == [] or online[-1] == "on"
        assert await alice.code(pub={"topic": group, "content": 1}) == 202


async def test_greetings_without_end(autojump_clock):
    async with world() as it:
        client = await it.guest()
        await client.send(*({"hi": {"id": str(n), "ver": "0.25"}} for n in range(500)))
        assert {(await client.first())["code"] for _ in range(500)} == {401}
        alice = await it.person("alice")
        await alice.send(*({"hi": {"id": str(n), "dev": f"d{n}"}} for n in range(500)))
        assert {(await alice.first())["code"] for _ in range(500)} == {200}


async def test_the_owner_deletes_a_group_in_which_all_write(autojump_clock):
    async with world() as it:
        alice = await it.person("alice")
        others = [await it.person(f"user{n}") for n in range(5)]
        group = await it.group(alice, *others)
        codes: list[int] = []

        async def write(client: Client) -> None:
            await client.send(
                *({"pub": {"id": str(n), "topic": group, "content": n, "noecho": True}}
                  for n in range(50))
            )  # fmt: skip
            for n in range(50):
                codes.append((await client.answer(str(n)))["code"])

        async with trio.open_nursery() as nursery:
            for client in others:
                nursery.start_soon(write, client)
            await trio.lowlevel.checkpoint()
            assert await alice.code(**{"del": {"topic": group, "what": "topic"}}) == 200
        assert len(codes) == 250
        assert set(codes) <= {202, 404, 409}
        assert await others[0].code(sub={"topic": group}) == 404


async def test_two_sessions_delete_one_account(autojump_clock):
    async with world() as it:
        alice = await it.person("alice")
        laptop = await it.person("bobby")
        phone = await it.again("bobby")
        group = await it.group(alice, laptop, phone)
        request = {"del": {"id": "x", "what": "user", "hard": True}}
        await laptop.send(request)
        await phone.send(request)
        for client in (laptop, phone):
            await client.closed()
        codes = [p["ctrl"]["code"] for c in (laptop, phone) for p in c.seen if "ctrl" in p]
        assert 200 in codes
        assert set(codes) <= {200, 205, 404}
        assert await it.server.store.fetch(UserById(laptop.user)) is None
        assert await alice.code(pub={"topic": group, "content": 1}) == 202


async def test_an_account_is_deleted_while_it_logs_in(autojump_clock):
    async with world() as it:
        for turns in range(0, 30, 2):
            alice = await it.person(f"alice{turns}")
            late = await it.guest()
            await late.send(
                {"login": {"id": "1", "scheme": "basic", "secret": secret(f"alice{turns}")}}
            )
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            assert await alice.code(**{"del": {"what": "user", "hard": True}}) == 200
            await trio.sleep(1)
            with trio.move_on_after(1):
                await late.send({"sub": {"id": "2", "topic": "me"}})
                await late.closed()
            codes = {p["ctrl"].get("id"): p["ctrl"]["code"] for p in late.seen if "ctrl" in p}
            assert codes.get("2", 404) in (401, 404), (turns, codes)


async def test_5000_names_of_nothing_leave_no_task(autojump_clock):
    async with world(limits={"packets_per_second": 0}) as it:
        alice = await it.person("alice")
        names = [f"{kind}{n:010d}A" for n in range(1250) for kind in ("grp", "usr", "chn", "grp")]
        await alice.send(
            *({("sub" if n % 2 else "get"): {"id": str(n), "topic": name, **({} if n % 2 else
               {"what": "desc"})}} for n, name in enumerate(names))
        )  # fmt: skip
        most = 0
        for n in range(5000):
            assert (await alice.first())["code"] in (404, 400)
            if not n % 100:
                most = max(most, it.server.hub.statistics().topics)
        assert most <= 70  # those that are being asked
        await trio.sleep(4.1)
        assert it.server.hub.statistics().topics == 0


async def test_a_full_inbox_is_answered_503(autojump_clock):
    """Twenty write at once where two may wait: each is answered once, what got in is done."""
    async with world(limits={"inbox": 2, "batch": 1}) as it:
        owner = await it.person("owner")
        people = [await it.person(f"user{n}") for n in range(20)]
        group = await it.group(owner, *people)
        for client in people:
            await client.quiet()
        for client in people:
            await client.send(
                *({"pub": {"id": str(n), "topic": group, "content": n, "noecho": True}}
                  for n in range(20))
            )  # fmt: skip
        answers = []
        for client in people:
            mine = [await client.first() for _ in range(20)]
            assert sorted(int(a["id"]) for a in mine) == list(range(20))
            answers += mine
        assert {(a["code"], a["text"]) for a in answers} == {
            (202, "accepted"),
            (503, "service unavailable"),
        }
        taken = sorted(a["params"]["seq"] for a in answers if a["code"] == 202)
        assert taken == list(range(1, len(taken) + 1))
        await owner.quiet()
        assert await owner.code(get={"topic": group, "what": "data", "data": {"limit": 1}}) == 208
        assert owner.seen[0]["data"]["seq"] == len(taken)


async def test_one_member_floods_and_the_others_chat(autojump_clock):
    """A flood of one is slowed, so the others' messages wait behind little of it."""
    async with world() as it:
        mallory, alice, bob = [await it.person(name) for name in ("mallory", "alice", "bobby")]
        group = await it.group(alice, bob, mallory)
        await alice.quiet()
        flood = b"".join(
            mallory.frame({"pub": {"topic": group, "content": "flood", "noecho": True}})
            for _ in range(4000)
        )
        waits: list[float] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mallory.stream.send_all, flood)
            for n in range(20):
                began = trio.current_time()
                assert await alice.code(pub={"topic": group, "content": f"a{n}"}) == 202
                waits.append(trio.current_time() - began)
                await trio.sleep(0.05)
        assert max(waits) < 0.1
        seqs = [p["data"]["seq"] for p in await bob.quiet() if "data" in p]
        assert seqs == sorted(set(seqs))


async def _cycle(it: World, number: int, token: str) -> None:
    """A visit by token: one by password leaves a row, its login's."""
    client = await it.guest(binary=bool(number % 2))
    assert await client.code(login={"scheme": "token", "secret": token}) == 200
    assert await client.code(sub={"topic": "me"}) == 200
    if number % 3:
        await client.code(leave={"topic": "me"})
    await client.close()


@pytest.mark.slow
async def test_2000_visits_leave_nothing(autojump_clock, tmp_path):
    on_disk = {"data": str(tmp_path), "store": f"sqlite:///{tmp_path}/tinode.db"}
    async with world(server=on_disk) as it:  # in memory the log of events would grow
        alice = await it.person("alice")
        await alice.close()
        for number in range(200):
            await _cycle(it, number, alice.token)
        await it.empty()
        gc.collect()
        start = sys.getallocatedblocks()
        for number in range(2000):
            await _cycle(it, number, alice.token)
        await it.empty()
        await trio.sleep(60)
        gc.collect()
        assert sys.getallocatedblocks() - start < 1000  # half a block of memory for each visit
        hub = it.server.hub
        assert (hub.on_me.sids, hub._agents, hub._online) == ({}, {}, set())
