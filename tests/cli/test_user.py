from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from tests.cli.conftest import Run
from tinode_py.access import Level, parse_set
from tinode_py.auth.passwords import Argon2
from tinode_py.queries import LoginByName, Query, UserById
from tinode_py.records import Login, State, User
from tinode_py.store.lock import data_lock
from tinode_py.store.sqlite import open_sqlite

T = TypeVar("T")


def stored(folder: Path, query: Query[T]) -> T:
    async def read() -> T:
        async with open_sqlite(folder / "data" / "tinode.db", inline=True) as store:
            return await store.fetch(query)

    return trio.run(read)


def login_row(folder: Path, name: str) -> Login:
    row = stored(folder, LoginByName("basic", name))
    assert isinstance(row, Login)
    return row


def test_create(run: Run, tmp_path: Path) -> None:
    result = run("user", "create", "Alice", "--name", "Alice Ä.", "--password-stdin")
    assert result.exit_code == 0, result.output
    row = login_row(tmp_path, "alice")
    assert result.output == f"created: alice is {row.user} in {tmp_path}/data/tinode.db\n"
    assert row.level is Level.AUTH
    assert row.secret.startswith("$argon2id$v=19$m=8,t=1,")
    user = stored(tmp_path, UserById(row.user))
    assert isinstance(user, User)
    assert user.auth == parse_set("JRWPASD")
    assert user.anon == 0
    assert user.public == '{"fn":"Alice Ä."}'.encode()
    assert user.tags == ("basic:alice",)
    assert user.created == user.updated > 1_700_000_000_000


def test_the_folder_is_the_owners_only(run: Run, tmp_path: Path) -> None:
    assert run("user", "create", "alice", "--password-stdin").exit_code == 0
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_create_as_json(run: Run, tmp_path: Path) -> None:
    result = run("user", "create", "alice", "--password-stdin", "--json")
    assert json.loads(result.output) == {
        "done": "created",
        "user": login_row(tmp_path, "alice").user,
        "login": "alice",
        "via": "store",
        "database": f"{tmp_path}/data/tinode.db",
    }


def test_the_password_is_asked_for_twice_and_not_shown(run: Run, tmp_path: Path) -> None:
    result = run("user", "create", "alice", stdin="secret1\nsecret1\n")
    assert result.exit_code == 0
    assert "secret1" not in result.output
    assert login_row(tmp_path, "alice")


@pytest.mark.parametrize(
    ("login", "password", "said"),
    [
        ("ab", "secret1", "'ab' cannot be a login: see auth.basic.min_login"),
        ("alice", "a", "the password is too short or too long: see auth.basic.min_password"),
        ("alice", "x" * 73, "the password is too short or too long"),
    ],
)
def test_the_rules_of_accounts_hold_here(run: Run, login: str, password: str, said: str) -> None:
    result = run("user", "create", login, "--password-stdin", stdin=f"{password}\n")
    assert result.exit_code == 1
    assert said in result.output


def test_a_taken_login(run: Run) -> None:
    assert run("user", "create", "alice", "--password-stdin").exit_code == 0
    result = run("user", "create", "ALICE", "--password-stdin")
    assert (result.exit_code, result.output) == (1, "Error: the login 'alice' is taken\n")


def test_root(run: Run, tmp_path: Path) -> None:
    assert run("user", "create", "alice", "--password-stdin").exit_code == 0
    before = login_row(tmp_path, "alice")
    result = run("user", "root", "ALICE")
    assert result.exit_code == 0, result.output
    after = login_row(tmp_path, "alice")
    assert (after.level, after.secret, after.user) == (Level.ROOT, before.secret, before.user)
    assert result.output == f"root: alice is {after.user} in {tmp_path}/data/tinode.db\n"


def test_root_of_nobody(run: Run) -> None:
    result = run("user", "root", "nobody")
    assert (result.exit_code, result.output) == (1, "Error: nobody has the login 'nobody'\n")


def test_a_folder_in_use_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with data_lock(tmp_path / "data"):
        result = run("user", "create", "alice", "--password-stdin")
    assert result.exit_code == 2
    assert "is in use by process" in result.output
    assert not (tmp_path / "data" / "tinode.db").exists()


def test_a_file_that_is_no_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tinode.db").write_text("not a database, but long enough to look like one")
    result = run("user", "create", "alice", "--password-stdin")
    assert result.exit_code in (1, 2)
    assert "tinode.db" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("store", ["memory:", "mysql://x"])
def test_a_store_that_cannot_be_worked_on(run: Run, store: str) -> None:
    result = run("user", "create", "alice", "--password-stdin", "--store", store)
    assert result.exit_code == 2
    assert "server.store" in result.output


@pytest.fixture
def alice(run: Run) -> str:
    """An account, and its number."""
    result = run("user", "create", "alice", "--name", "Alice", "--password-stdin", "--json")
    return str(json.loads(result.output)["user"])


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_list(run: Run, alice: str) -> None:
    assert run("user", "create", "bobby", "--password-stdin", "--name", "Böb").exit_code == 0
    found = lines(run("user", "list", "--json").output)
    assert [row["login"] for row in found] == ["alice", "bobby"]
    assert found[0].keys() >= {"user", "name", "state", "level", "created", "last_seen"}
    (one,) = lines(run("user", "list", "bÖB", "--json").output)
    assert one["name"] == "Böb"
    assert run("user", "list", "--state", "susp", "--json").output == ""
    table = run("user", "list", "--limit", "1").output.splitlines()
    assert table[0].split() == ["user", "login", "name", "state", "level", "created", "last_seen"]
    assert len(table) == 2
    assert alice in table[1]


@pytest.mark.parametrize("who", ["alice", "ALICE", "number"])
def test_show(run: Run, alice: str, who: str) -> None:
    result = run("user", "show", alice if who == "number" else who, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["user"], found["login"], found["tags"]) == (alice, "alice", ["basic:alice"])
    assert found["public"] == {"fn": "Alice"}
    assert found["auth"] == "JRWPASD"
    assert "secret" not in result.output
    assert "argon2" not in result.output


def test_passwd(run: Run, alice: str, tmp_path: Path) -> None:
    before = login_row(tmp_path, "alice")
    result = run("user", "passwd", "alice", "--password-stdin", stdin="another1\n")
    assert result.exit_code == 0, result.output
    assert result.output == f"password changed: alice is {alice} in {tmp_path}/data/tinode.db\n"
    after = login_row(tmp_path, "alice")
    assert (after.name, after.user) == (before.name, before.user)
    assert after.secret != before.secret
    assert Argon2(memory=8, passes=1).verify("another1", after.secret)
    bad = run("user", "passwd", "alice", "--password-stdin", stdin="x\n")
    assert (bad.exit_code, login_row(tmp_path, "alice")) == (1, after)
    assert "too short" in bad.output


def test_suspend_and_activate(run: Run, alice: str, tmp_path: Path) -> None:
    for command, state in (("suspend", State.SUSPENDED), ("activate", State.OK)):
        for _ in range(2):  # the second time changes nothing
            result = run("user", command, "alice")
            assert result.exit_code == 0, result.output
            assert alice in result.output
            user = stored(tmp_path, UserById(alice))
            assert isinstance(user, User)
            assert user.state is state


@pytest.mark.parametrize("hard", [False, True])
def test_delete(run: Run, alice: str, tmp_path: Path, hard: bool) -> None:
    asked = run("user", "delete", "alice", stdin="n\n")
    assert asked.exit_code == 1
    assert stored(tmp_path, UserById(alice)) is not None
    result = run("user", "delete", "alice", "--yes", *(["--hard"] if hard else []))
    assert result.exit_code == 0, result.output
    assert stored(tmp_path, UserById(alice)) is None
    kept = [row["user"] for row in lines(run("user", "list", "--json").output)]
    assert kept == ([] if hard else [alice])
    again = run("user", "delete", alice, "--yes")
    assert again.exit_code == 1
    assert "Traceback" not in again.output


def test_root_is_taken_back(run: Run, alice: str, tmp_path: Path) -> None:
    assert run("user", "root", "alice").exit_code == 0
    result = run("user", "root", "alice", "--revoke")
    assert result.exit_code == 0, result.output
    assert login_row(tmp_path, "alice").level is Level.AUTH


def test_export_of_a_person_holds_no_hash(run: Run, alice: str) -> None:
    result = run("user", "export", "alice")
    found = lines(result.output)
    assert [row["kind"] for row in found] == ["account", "login"]
    assert "argon2" not in result.output


@pytest.mark.parametrize("command", ["show", "passwd", "suspend", "activate", "delete", "export"])
def test_of_nobody(run: Run, alice: str, command: str) -> None:
    more = {"passwd": ["--password-stdin"], "delete": ["--yes"]}.get(command, [])
    result = run("user", command, "nobody", *more)
    assert (result.exit_code, result.output) == (
        1,
        "Error: nobody has the login or the number 'nobody'\n",
    )


def test_looking_at_what_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run("user", "list")
    assert result.exit_code == 1
    assert result.output.endswith("tinode.db: no database is there\n")
    assert not (tmp_path / "data").exists()


def test_looking_at_another_version(run: Run, alice: str, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "data" / "tinode.db")
    for version, said in ((999, "newer version"), (1, "db migrate")):
        database.execute(f"PRAGMA user_version = {version}")
        result = run("user", "list")
        assert result.exit_code == 2
        assert said in result.output
    database.close()


def test_names_do_not_steer_the_terminal(run: Run) -> None:
    assert (
        run("user", "create", "mallory", "--name", "\x1b[2J\nx", "--password-stdin").exit_code == 0
    )
    table = run("user", "list").output
    assert "\x1b" not in table
    assert len(table.splitlines()) == 2
