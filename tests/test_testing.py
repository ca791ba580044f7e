"""The doors for those who embed the server in their tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from tinode_py import client
from tinode_py.testing import RunningServer, running_server, server_in_thread


async def test_settings_are_sections(autojump_clock):
    async with running_server(limits={"message_size": 4096}) as server, server.connect() as one:
        assert (await one.hi()).params["maxMessageSize"] == 4096


async def test_time_is_trios(tinode_server: RunningServer, autojump_clock):
    now = tinode_server.server.hub.now
    before = now()
    await trio.sleep(3600)
    assert now() - before == 3_600_000


async def test_errors_come_out_as_they_are(autojump_clock):
    with pytest.raises(ZeroDivisionError):
        async with running_server() as server, server.connect():
            raise ZeroDivisionError


async def test_root_and_others(tinode_server: RunningServer, autojump_clock):
    root = await tinode_server.user("admin", root=True)
    assert (await root.sub("sys")).code == 200
    alice = await tinode_server.user("alice", tags=["flowers"])
    await alice.sub("me")
    assert "flowers" in (await alice.get("me", "tags")).meta["tags"]


async def test_on_disk(tmp_path: Path, autojump_clock):
    server_keys = {"data": str(tmp_path), "store": ""}
    async with running_server(server=server_keys) as server:
        alice = await server.user("alice")
        group = (await alice.sub("new1")).topic
        await alice.pub(group, "kept")
    async with running_server(server=server_keys) as server, server.connect() as again:
        await again.hi()
        await again.login_token(alice.token)
        (kept,) = (await again.sub(group, get={"what": "data"})).data
        assert kept["content"] == "kept"


async def test_nothing_is_tuned(autojump_clock):
    before = sys.getswitchinterval()
    async with running_server():
        assert sys.getswitchinterval() == before


def test_without_trio():
    with server_in_thread(limits={"message_size": 4096}) as server:
        user, token = server.account("alice")

        async def visit() -> str:
            async with client.connect(server.url) as alice:
                await alice.hi()
                await alice.login_token(token)
                return alice.user

        assert trio.run(visit) == user


def test_a_wrong_setting_is_told_to_the_caller():
    with pytest.raises(Exception, match="limits"), server_in_thread(limits={"message_size": -1}):
        pass
