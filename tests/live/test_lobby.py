"""Everybody joins one group on registration, whoever makes the account."""

from __future__ import annotations

import attrs
import httpx
import pytest
import trio.testing

from tests.live.parts import trick
from tests.web.v1.conftest import Api, key_for
from tinode_py.config import ConfigError
from tinode_py.queries import MembersOf
from tinode_py.testing import running_server


async def test_everybody_joins(tmp_path):
    place = {"data": str(tmp_path), "store": ""}
    async with running_server(server=place) as first:
        owner = await first.user("owner")
        group = (await owner.sub("new")).topic
    async with running_server(server=place, users={"lobby": group}) as server:
        alice = await server.user("alice")
        await alice.sub("me")
        rows = (await alice.get("me", "sub")).meta["sub"]
        assert [row["topic"] for row in rows] == [group]
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, await key_for(server))
            made = await api("POST", "/users", {"name": "x"})
            members = await api("GET", f"/topics/{group}/members")
        assert {it["user"] for it in members["items"]} == {owner.user, alice.user, made["id"]}


async def test_a_lobby_that_is_not_there(caplog):
    async with running_server(users={"lobby": "grpAAAAAAAAAAE"}) as server:
        alice = await server.user("alice")
        assert alice.user
    (row,) = [it for it in caplog.records if "users.lobby" in it.getMessage()]
    assert "there is no such group" in row.getMessage()
    assert (row.topic, row.user) == ("grpAAAAAAAAAAE", alice.user)


async def refusals(caplog, tmp_path, *, spoiled=None, **limits):
    """What the log says when three people register beside the owner of the lobby."""
    place = {"data": str(tmp_path), "store": ""}
    async with running_server(server=place) as first:
        owner = await first.user("owner")
        group = (await owner.sub("new")).topic
    async with running_server(server=place, users={"lobby": group}, limits=limits) as server:
        if spoiled is not None:
            await spoiled(server)
        people = [await server.user(name) for name in ("alice", "bob", "carol")]
        await trio.testing.wait_all_tasks_blocked()
        found = [it for it in caplog.records if "users.lobby" in it.getMessage()]
        inside = server.server.hub.tally.refusals
        named = {who.user: who for who in people}
        assert all(it.topic == group and it.user in named for it in found)
        return [it.getMessage().partition(": ")[2] for it in found], dict(inside)


async def test_a_lobby_that_is_full(caplog, tmp_path, autojump_clock):
    found, counted = await refusals(caplog, tmp_path, topic_subscribers=3)
    assert found == ["422 policy violation"]
    assert counted == {422: 1}  # for /metrics


async def test_a_lobby_that_cannot_be_read(caplog, tmp_path, autojump_clock):
    async def spoiled(server):
        trick(server).broken = MembersOf

    found, _ = await refusals(caplog, tmp_path, spoiled=spoiled)
    assert found == ["500 internal error"] * 3


async def test_a_lobby_that_is_busy(caplog, tmp_path, autojump_clock):
    async def spoiled(server):
        entrance = server.server.entrance
        entrance.lobby = attrs.evolve(entrance.lobby, submit=lambda topic, item: False)

    found, _ = await refusals(caplog, tmp_path, spoiled=spoiled)
    assert found == ["too much waits for it"] * 3


async def test_the_setting_must_name_a_group():
    with pytest.raises(ConfigError, match=r"users\.lobby"):
        async with running_server(users={"lobby": "lobby"}):
            pass
