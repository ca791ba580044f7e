from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from tests.cli.conftest import Run, installed
from tests.push.service import serving as service
from tinode_py.store.lock import data_lock


def examined(data: Path, *sets: str) -> tuple[int, dict[str, tuple[str, str]]]:
    options = [arg for item in sets for arg in ("--set", item)]
    listen = ["--set", f"server.listen=unix:{data.parent}/socket"]
    args = ["doctor", "--json", "--data", str(data), *listen, *options]
    result = CliRunner().invoke(installed(), args)
    assert "Traceback" not in result.output
    rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return result.exit_code, {row["what"]: (row["result"], row["says"]) for row in rows}


@pytest.fixture
def data(run: Run, tmp_path: Path) -> Path:
    assert run("user", "create", "alice", "--password-stdin").exit_code == 0
    return tmp_path / "data"


def test_a_healthy_folder(data: Path) -> None:
    code, found = examined(data)
    assert code == 0, found
    assert {found[what][0] for what in ("python", "sqlite", "disk", "database", "listen")} == {
        "good"
    }
    assert found["root"][0] == "note"


def test_nothing_is_made(tmp_path: Path) -> None:
    code, found = examined(tmp_path / "data")
    assert code == 0, found
    assert "makes it" in found["data"][1]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def harm(data: Path, what: str) -> Iterator[None]:
    match what:
        case "access":
            (data / "secrets.toml").chmod(0o644)
        case "database":
            (data / "tinode.db").write_bytes(b"rubbish, and more of it than a header takes" * 20)
        case "clock":
            with sqlite3.connect(data / "tinode.db") as database:
                database.execute("UPDATE topic_tail SET touched = 9000000000000")
            database.close()
    yield


@pytest.mark.parametrize("what", ["access", "database", "clock"])
def test_what_is_bad_in_a_folder_is_named(data: Path, what: str) -> None:
    with harm(data, what):
        code, found = examined(data)
    assert code == 1
    assert found[what][0] == "bad"


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("validators.email={required=['auth']}", "codes"),
        ("validators.email={debug_code='1'}", "codes"),
        ("web.tls={cert='/nowhere', key='/nowhere'}", "tls"),
        ("server.listen=unix:/nowhere/at/all", "listen"),
        ("server.listen=127.0.0.1:99999", "listen"),
    ],
)
def test_settings_that_will_hurt_are_named(data: Path, setting: str, what: str) -> None:
    code, found = examined(data, setting)
    assert code == 1
    assert found[what][0] == "bad"


def test_a_server_that_runs_is_seen(data: Path) -> None:
    with data_lock(data):
        code, found = examined(data)
    assert code == 0, found
    assert found["server"][0] == "good"


# --- push --------------------------------------------------------------------------------


def test_push_without_a_way_out(run: Run, data: Path) -> None:
    result = run("push", "test", "alice")
    assert result.exit_code == 1
    assert "no way out is set" in result.output


def test_push_to_standard_output(run: Run, data: Path) -> None:
    result = run("push", "test", "alice", "--set", "push.stdout=true", "--json", "--text", "hey")
    assert result.exit_code == 0
    sent, told = [json.loads(line) for line in result.output.splitlines()]
    assert sent["payload"]["content"] == "hey"
    assert told == {"way": "stdout", "devices": 0, "result": "sent"}


@pytest.mark.parametrize("status", [200, 500])
async def test_push_to_a_webhook(data: Path, status: int) -> None:
    async with service() as hook:
        hook.answers.append((status, b""))
        args = [
            "push",
            "test",
            "alice",
            "--data",
            str(data),
            "--set",
            f"push.webhook.url={hook.url}",
        ]
        result: Result = await trio.to_thread.run_sync(CliRunner().invoke, installed(), args)
        assert result.exit_code == (0 if status == 200 else 1), result.output
        (asked,) = hook.asked
        assert b"A test of notifications." in asked.body
