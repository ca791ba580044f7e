"""`topic`, `message`, `session` and `stats` on a stopped server with people in it, whose chat is
in a file or in PostgreSQL.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from click.testing import Result

from tests.cli.conftest import Run
from tinode_py.testing import running_server


@attrs.frozen
class World:
    """Alice owns a group that Bobby is in, they talk; Carol is alone."""

    run: Run
    users: dict[str, str]
    group: str

    def json(self, *args: str) -> list[dict[str, Any]]:
        result = self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.output.splitlines()]

    def fails(self, *args: str) -> str:
        result = self.run(*args)
        assert result.exit_code in (1, 2), result.output
        assert "Traceback" not in result.output
        assert result.output.count("\n") <= 5  # one line, or click's way of saying it
        return result.output


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """What `--store` is given; empty for the file in the data folder."""
    where = getattr(request, "param", "sqlite")
    return "" if where == "sqlite" else str(request.getfixturevalue("postgres_url"))


in_both = pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def world(run: Run, store: str, tmp_path: Path) -> World:
    def there(*args: str, stdin: str = "") -> Result:
        return run(*args, *(("--store", store) if store else ()), stdin=stdin)

    async def live() -> World:
        server = {"data": str(tmp_path / "data"), "store": store}
        async with running_server(server=server) as running:
            alice, bobby, carol = [await running.user(n) for n in ("alice", "bobby", "carol")]
            group = (await alice.sub("new", set={"desc": {"public": {"fn": "Chess 50%"}}})).topic
            await bobby.sub(group)
            await alice.pub(group, "Who plays?")
            await bobby.pub(group, {"txt": "I play ÄRGER"})
            await bobby.sub(alice.user)
            await bobby.pub(alice.user, "between us")
            users = {"alice": alice.user, "bobby": bobby.user, "carol": carol.user}
            return World(there, users, group)

    return trio.run(live)


def test_publishing_is_left_to_the_back_end(world: World) -> None:
    for who, on in (("backend", 0), ("clients", 1)):
        (told,) = world.json("topic", "publish", world.group, who)
        assert (told["topic"], told["by"]) == (world.group, who)
        (shown,) = world.json("topic", "show", world.group)
        assert shown["publish"] == on
    assert "backend" in world.fails("topic", "publish", world.group, "nobody")
    assert "grpAAAAAAAAAAE" in world.fails("topic", "publish", "grpAAAAAAAAAAE", "clients")


def test_topics_are_listed_and_shown(world: World) -> None:
    found = world.json("topic", "list")
    assert {row["topic"][:3] for row in found} == {"sys", "grp", "p2p"}
    (group,) = world.json("topic", "list", "chess 50%", "--kind", "grp", "--member", "bobby")
    assert (group["members"], group["seq"], group["owner"]) == (2, 2, world.users["alice"])
    assert world.json("topic", "list", "--kind", "grp", "--member", "carol") == []
    (shown,) = world.json("topic", "show", world.group)
    assert (shown["public"], shown["kept"], shown["auth"]) == ({"fn": "Chess 50%"}, 2, "JRWPS")
    members = world.json("topic", "members", world.group)
    assert [(row["login"], row["mode"]) for row in members] == [
        ("alice", "JRWPASDO"),
        ("bobby", "JRWPS"),
    ]
    assert "there is no topic 'grpx'" in world.fails("topic", "show", "grpx")


def test_a_group_is_handed_over_and_deleted(world: World) -> None:
    (told,) = world.json("topic", "set-owner", world.group, "carol")  # who was not in it
    assert (told["owner"], told["before"]) == (world.users["carol"], world.users["alice"])
    modes = {r["login"]: r["mode"] for r in world.json("topic", "members", world.group)}
    assert modes == {"alice": "JRWPASD", "bobby": "JRWPS", "carol": "JRWPASDO"}
    assert "owns" in world.fails("topic", "set-owner", world.group, "carol")
    assert "nobody" in world.fails("topic", "set-owner", world.group, "dave")
    world.json("topic", "delete", world.group, "--yes")
    assert "no topic" in world.fails("topic", "show", world.group)
    (p2p,) = world.json("topic", "list", "--kind", "p2p")
    world.json("topic", "delete", p2p["topic"], "--yes")
    assert world.json("topic", "list", "--kind", "p2p") == []
    assert "ends with its account" in world.fails("topic", "delete", "sys", "--yes")


def test_messages_are_found(world: World) -> None:
    found = world.json("message", "history", world.group)
    assert [(row["seq"], row["content"]) for row in found] == [
        (1, "Who plays?"),
        (2, {"txt": "I play ÄRGER"}),
    ]
    assert [r["seq"] for r in world.json("message", "history", world.group, "--limit", "1")] == [2]
    assert [r["seq"] for r in world.json("message", "search", "ärger")] == [2]
    assert len(world.json("message", "search", "PLAY")) == 2
    assert world.json("message", "search", "p%y") == []
    assert len(world.json("message", "search", "--from", "bobby")) == 2
    assert len(world.json("message", "search", "--topic", world.group, "--from", "bobby")) == 1
    assert world.json("message", "search", "--until", "2020-01-31") == []
    assert len(world.json("message", "search", "--since", "2020-01-31T12:00+01:00")) == 3
    assert "2026-01-31" in world.fails("message", "search", "--since", "yesterday")
    assert "ÄRGER" in world.run("message", "search", "ärger").output


@in_both
def test_messages_are_sent(world: World) -> None:
    (told,) = world.json("message", "send", "alice", "hello", "--from", "carol")
    assert (told["topic"][:3], told["seq"], told["via"]) == ("p2p", 1, "store")
    (row,) = world.json("message", "history", told["topic"])
    assert (row["sender"], row["content"]) == (world.users["carol"], "hello")
    assert row["head"] == {"sender": "usrAAAAAAAAAAA"}
    raw = ("message", "send", world.group, '{"txt":"x"}', "--raw", "--from", "bobby")
    assert world.json(*raw)[0]["seq"] == 3
    assert world.json("message", "send", "sys", "help", "--from", "carol")[0]["topic"] == "sys"
    piped = world.run("message", "send", "alice", "-", "--from", "bobby", stdin="two\nlines\n")
    assert "sent: number 2" in piped.output
    assert "is not in" in world.fails("message", "send", world.group, "x", "--from", "carol")
    assert "nobody" in world.fails("message", "send", "dave", "x", "--from", "carol")
    assert "not JSON" in world.fails("message", "send", "alice", "{", "--raw", "--from", "bobby")
    world.run("user", "suspend", "alice")
    assert "may not write" in world.fails("message", "send", "alice", "x", "--from", "bobby")


def test_messages_are_deleted_for_all_however_old(world: World) -> None:
    world.json("message", "delete", world.group, "1-2")
    assert world.json("message", "history", world.group) == []
    (p2p,) = world.json("topic", "list", "--kind", "p2p")
    old = ("--set", "messages.delete_age=1", "--set", "messages.p2p_delete=false")
    assert world.run("message", "delete", p2p["topic"], "1", *old).exit_code == 0
    assert world.json("message", "history", p2p["topic"]) == []
    for wrong in ("0", "9-7", "x", "-1"):
        assert "Error" in world.fails("message", "delete", world.group, "--", wrong)
    assert "no such numbers" in world.fails("message", "delete", world.group, "77")


def test_sessions_are_listed_and_ended(world: World) -> None:
    found = world.json("session", "list")
    assert {row["user"] for row in found} == set(world.users.values())
    (one,) = world.json("session", "list", "alice")
    assert (one["n"], one["live"], one["revoked"]) == (1, 0, 0)
    assert world.json("session", "list", "--live") == []
    assert "number 7" in world.fails("session", "kick", "alice", "7")
    world.json("session", "kick", "alice", "1")
    world.json("session", "kick", "bobby")
    assert [row["user"] for row in world.json("session", "list")] == [world.users["carol"]]
    (ended,) = world.json("session", "list", "alice", "--all")
    assert ended["revoked"] > 0


def test_stats_of_a_stopped_server(world: World) -> None:
    (figures,) = world.json("stats")
    assert figures["stored"]["message"] == 3
    assert "server" not in figures
    assert "no server runs" in world.run("stats").output


def test_a_person_is_exported_with_all_he_wrote(world: World) -> None:
    result = world.run("user", "export", "bobby")
    rows = [json.loads(line) for line in result.output.splitlines()]
    said = [row["row"]["content"] for row in rows if row["kind"] == "message"]
    assert said == [{"txt": "I play ÄRGER"}, "between us"]
    assert {row["kind"] for row in rows} >= {"account", "login", "session", "subscription", "inbox"}


def test_how_long_messages_are_kept(world: World) -> None:
    assert world.json("topic", "retention", world.group) == [{"topic": world.group, "days": None}]
    (told,) = world.json("topic", "retention", world.group, "--days", "30")
    assert (told["done"], told["days"], told["via"]) == ("retention", 30, "store")
    said = world.run("topic", "retention", world.group).output
    assert said == f"{world.group}: messages are kept for 30 days\n"
    assert world.json("topic", "retention", world.group, "--forever")[0]["days"] == 0
    assert world.json("topic", "retention", world.group, "--default")[0]["days"] is None
    assert world.json("audit", "list")[0]["detail"] == {"changed": ["retention"]}
    assert "give one of" in world.fails("topic", "retention", world.group, "--days=1", "--forever")
    assert "36500" in world.fails("topic", "retention", world.group, "--days", "99999")
    assert "grpX" in world.fails("topic", "retention", "grpX", "--days", "1")
