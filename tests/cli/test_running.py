"""Commands beside a server that runs: a process of its own, reached through its control socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.process import PATIENCE, Gone, command, connected, environment, serving

pytestmark = pytest.mark.slow


async def tinode(data: Path, *args: str, stdin: str = "", code: int = 0) -> str:
    """Run a command to its end; what it printed. It must end with `code`."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            command(*args, "--data", str(data)),
            stdin=stdin.encode(),
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            env=environment(),
        )
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    return (done.stdout if code == 0 else done.stderr).decode()


async def objects(data: Path, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await tinode(data, *args, "--json")).splitlines()]


async def test_accounts_are_worked_on_through_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        assert (data / "control").stat().st_mode & 0o777 == 0o600
        said = await tinode(
            data, "user", "create", "carol", "--password-stdin", stdin="secret-of-tests\n"
        )
        assert said.endswith(f"through the server, process {server.process.pid}\n")
        async with connected(server.url) as carol:
            assert (await carol.login("carol"))["params"]["authlvl"] == "auth"
            assert [row["user"] for row in await objects(data, "user", "list")] == [carol.user]
            (told,) = await objects(data, "user", "suspend", "carol")
            assert (told["via"], told["done"]) == ("server", "suspended")
            await _until_gone(carol)
        async with connected(server.url) as carol:
            with pytest.raises(AssertionError, match="403"):
                await carol.login("carol")
            await tinode(data, "user", "activate", "carol")
            await carol.login("carol")
            await tinode(
                data, "user", "passwd", "carol", "--password-stdin", stdin="other-secret\n"
            )
            await _until_gone(carol)
        await tinode(data, "user", "root", "carol")
        async with connected(server.url) as carol:
            assert (await carol.login("carol", "other-secret"))["params"]["authlvl"] == "root"
            await tinode(data, "user", "delete", "carol", "--yes")
            await _until_gone(carol)
        assert "'carol'" in await tinode(data, "user", "show", "carol", code=1)
        assert await server.terminate() == 0
    assert not (data / "control").exists()


async def test_the_socket_of_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        await server.kill()
    assert (data / "control").exists()
    said = await tinode(data, "user", "create", "carol", "--password-stdin", stdin="secret1\n")
    assert said.endswith("tinode.db\n")
    async with serving(data):
        (told,) = await objects(data, "user", "activate", "carol")
        assert told["via"] == "server"


async def test_a_path_too_long_for_a_socket_does_not_stop_a_server(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120)
    async with serving(data) as server:
        await server.wait_said("no control socket")
        said = await tinode(data, "user", "suspend", "carol", code=2)
        assert f"in use by process {server.process.pid}" in said


async def test_sessions_figures_and_messages_of_a_server_that_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with (
        serving(data) as server,
        connected(server.url) as alice,
        connected(server.url) as bobby,
    ):
        await alice.register("alice")
        await bobby.register("bobby")
        await alice.ask(sub={"topic": "me"})
        (told,) = await objects(data, "message", "send", "alice", "hello", "--from", "bobby")
        assert (told["via"], told["seq"]) == ("server", 1)
        await _until(lambda: any("pres" in p and p["pres"].get("seq") for p in alice.heard))
        (figures,) = await objects(data, "stats")
        assert figures["server"]["process"] == server.process.pid
        assert figures["server"]["front"]["sockets"] == 2
        assert figures["stored"]["message"] == 1
        drawn = await tinode(data, "stats", "--watch", "0.1", "--count", "2")
        assert drawn.count("stored: ") == 2
        live = await objects(data, "session", "list", "--live")
        now = [(row["user"], row["live"]) for row in live]
        assert now == [(alice.user, 1), (bobby.user, 1)]
        await objects(data, "session", "kick", "alice", "1")
        await _until_gone(alice)
        assert (await bobby.ask(sub={"topic": "me"}))["code"] == 200


async def test_a_group_is_handed_over_while_its_members_are_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with (
        serving(data) as server,
        connected(server.url) as alice,
        connected(server.url) as bobby,
    ):
        await alice.register("alice")
        await bobby.register("bobby")
        group = (await alice.ask(sub={"topic": "new"}))["topic"]
        await bobby.ask(sub={"topic": group})
        await alice.ask(pub={"topic": group, "content": "oops"})
        await objects(data, "topic", "set-owner", group, "bobby")
        await objects(data, "message", "delete", group, "1")
        await _until(lambda: any(p.get("pres", {}).get("what") == "del" for p in bobby.heard))
        acs = (await bobby.ask(get={"topic": group, "what": "desc"}))["desc"]["acs"]
        assert "O" in acs["mode"]
        assert await alice.history(group) == []
        await objects(data, "topic", "delete", group, "--yes")
        assert (await alice.ask(sub={"topic": group}))["code"] == 404


async def _until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110  another process makes it true
            await trio.sleep(0.01)


async def _until_gone(talker: Any) -> None:
    with trio.fail_after(PATIENCE):
        await talker.ended.wait()
    with pytest.raises(Gone):
        await talker.ask(sub={"topic": "me"})
