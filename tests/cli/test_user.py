from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import pytest
import trio
from click.testing import CliRunner, Result

from tinode_py.access import Level, parse_set
from tinode_py.queries import LoginByName, Query, UserById
from tinode_py.records import Login, User
from tinode_py.store.lock import data_lock
from tinode_py.store.sqlite import open_sqlite

CHEAP = ("--set", "auth.basic.hash_memory=8", "--set", "auth.basic.hash_passes=1")
T = TypeVar("T")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The installed command, on a data folder of its own."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="tinode-py")
    command: click.Command = script.load()

    def invoke(*args: str, stdin: str = "secret1\n") -> Result:
        options = ("--data", str(tmp_path / "data"), *CHEAP)
        return CliRunner().invoke(command, [*args, *options], input=stdin)

    return invoke


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
    assert user.public == '{"fn": "Alice Ä."}'.encode()
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
