"""Everybody joins one group on registration, whoever makes the account."""

from __future__ import annotations

import httpx
import pytest

from tests.web.v1.conftest import Api, key_for
from tinode_py.config import ConfigError
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
    assert "users.lobby" in caplog.text


async def test_the_setting_must_name_a_group():
    with pytest.raises(ConfigError, match=r"users\.lobby"):
        async with running_server(users={"lobby": "lobby"}):
            pass
