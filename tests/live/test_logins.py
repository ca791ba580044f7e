"""Logins by number: listed, ended, carried on by tokens, bounded by the policy."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tinode_py.access import Level
from tinode_py.auth.base import Identity
from tinode_py.client import ClientError
from tinode_py.live.logins import Logins
from tinode_py.live.person import Person
from tinode_py.queries import SessionsOf
from tinode_py.settings.accounts import Sessions
from tinode_py.store.memory import MemoryStore
from tinode_py.testing import password_of, running_server


async def logins(client):
    await client.request({"get": {"topic": "me", "what": "desc"}})
    reply = await client.get("me", "sessions")
    (meta,) = [p["meta"] for p in reply.packets if "meta" in p]
    return meta["sessions"]


async def device(server, name="alice", **hi):
    client = await server.user(name, hi=hi or None)
    await client.sub("me")
    return client


async def test_each_device_has_a_number(autojump_clock):
    async with running_server() as server:
        phone = await device(server, ua="Phone/1", platf="android")
        desk = await device(server, ua="Desk/2", platf="web")
        rows = await logins(desk)
        assert [(row["n"], row["ua"], row["platf"]) for row in rows] == [
            (1, "Phone/1", "android"),
            (2, "Desk/2", "web"),
        ]
        assert [row.get("current", False) for row in rows] == [False, True]
        assert [row.get("current", False) for row in await logins(phone)] == [True, False]


async def test_logins_at_the_same_time_have_numbers_of_their_own():
    store = MemoryStore()
    user = "usrAAAAAAAAAAA"

    async def alone(*asked: Any) -> tuple[()]:
        return ()

    made = Logins(store, Sessions(), 1000, lambda: 5, alone, alone)  # type: ignore[arg-type]
    numbers = []

    async def log_in() -> None:
        numbers.append(await made.wait(Person(), Identity(user, Level.AUTH)))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(log_in)
    assert sorted(numbers) == [*range(1, 9)]
    assert [row.n for row in await store.fetch(SessionsOf(user))] == [*range(1, 9)]


async def test_a_token_carries_its_number_on(autojump_clock):
    async with running_server() as server:
        first = await device(server)
        for _ in range(3):
            again = await server.open()
            await again.hi(ua="alice")
            await again.login_token(first.token)
            first = again
        await again.sub("me")
        assert [row["n"] for row in await logins(again)] == [1]


async def test_a_login_that_was_ended_is_over_at_once(autojump_clock):
    async with running_server() as server:
        phone, desk = await device(server), await device(server)
        await desk.del_("session", topic="me", session="1")
        await phone.wait_closed()
        evicted = [p["ctrl"] for p in phone.receive_all_nowait() if "ctrl" in p]
        assert [c["text"] for c in evicted] == ["evicted"]
        back = await server.open()
        await back.hi()
        with pytest.raises(ClientError, match="401"):
            await back.login_token(phone.token)
        assert [row["n"] for row in await logins(desk)] == [2]


async def test_all_logins_can_be_ended(autojump_clock):
    async with running_server() as server:
        phone, desk = await device(server), await device(server)
        await desk.request({"del": {"what": "session", "session": "*"}})
        await phone.wait_closed()
        await desk.wait_closed()
        back = await server.open()
        await back.hi()
        for token in (phone.token, desk.token):
            with pytest.raises(ClientError, match="401"):
                await back.login_token(token)
        await back.login("alice", password_of("alice"))


@pytest.mark.parametrize(
    ("session", "code"), [("", "400"), ("x", "400"), ("-1", "400"), ("9", "404"), ("0", "404")]
)
async def test_what_is_no_login_is_refused(autojump_clock, session, code):
    async with running_server() as server:
        alice = await device(server)
        with pytest.raises(ClientError, match=code):
            await alice.del_("session", topic="me", session=session)


async def test_a_new_password_ends_the_other_logins(autojump_clock):
    async with running_server() as server:
        phone, desk = await device(server), await device(server)
        secret = "OmFub3RoZXIx"  # ":another1"
        await desk.request({"acc": {"scheme": "basic", "secret": secret}})
        await phone.wait_closed()
        back = await server.open()
        await back.hi()
        with pytest.raises(ClientError, match="401"):
            await back.login_token(phone.token)
        await back.login_token(desk.token)


@pytest.mark.parametrize("obo", [False, True])
async def test_a_new_password_by_root_ends_all_logins(autojump_clock, obo):
    """Also the one that has the number of root's own login."""
    async with running_server() as server:
        phone, desk = await device(server), await device(server)
        root = await server.user("root", root=True)
        secret = base64.b64encode(b":another-password").decode()
        acc = {"acc": {"user": phone.user, "scheme": "basic", "secret": secret}}
        if obo:
            acc = {**acc, "extra": {"obo": phone.user, "authlevel": "root"}}
        assert (await root.request(acc)).code == 200
        for client in (phone, desk):
            await client.wait_closed()
            said = [p["ctrl"] for p in client.receive_all_nowait() if "ctrl" in p]
            assert [c["text"] for c in said] == ["evicted"]
            back = await server.open()
            await back.hi()
            with pytest.raises(ClientError, match="401"):
                await back.login_token(client.token)
        await back.login("alice", "another-password")
        assert (await root.sub("me")).code == 200


async def test_a_second_session_may_be_refused(autojump_clock):
    rules = {"policy": "one", "on_duplicate": "refuse"}
    async with running_server(sessions=rules) as server:
        first = await device(server)
        with pytest.raises(ClientError, match="423"):
            await server.user("alice")
        await first.aclose()
        await wait_all_tasks_blocked()
        await server.user("alice")


async def test_a_second_session_may_end_the_first(autojump_clock):
    async with running_server(sessions={"policy": "one"}) as server:
        first = await device(server)
        await device(server)
        await first.wait_closed()
        (told,) = [p["ctrl"] for p in first.receive_all_nowait() if "ctrl" in p]
        assert told["code"] == 205
        assert told["params"] == {"reason": "logged in elsewhere"}


async def test_platforms_may_have_one_each(autojump_clock):
    async with running_server(sessions={"policy": "one_per_platform"}) as server:
        phone = await device(server, platf="android")
        desk = await device(server, platf="web")
        assert not phone.closed
        await device(server, platf="web")
        await desk.wait_closed()
        assert not phone.closed


async def test_a_token_of_a_deleted_account_is_answered_as_the_reference_does(autojump_clock):
    async with running_server() as server:
        alice = await device(server)
        await alice.request({"del": {"what": "user", "hard": True}})
        await alice.wait_closed()
        back = await server.open()
        await back.hi()
        with pytest.raises(ClientError, match="404"):
            await back.login_token(alice.token)
