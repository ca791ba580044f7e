"""`tinode-py audit`: commands tell of themselves, and of who called them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_commands_on_a_stopped_server_are_told_of(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    assert run("user", "create", "alice", "--password-stdin").exit_code == 0
    assert run("user", "root", "alice").exit_code == 0
    assert run("user", "passwd", "alice", "--password-stdin").exit_code == 0
    assert run("user", "suspend", "alice").exit_code == 0
    key = json.loads(run("key", "create", "shop", "--scope", "users:read", "--json").output)
    listed = run("audit", "list", "--json").output
    rows = [json.loads(line) for line in listed.splitlines()]
    user = rows[-1]["target"]
    assert user.startswith("usr")
    assert [(row["action"], row["target"], row["detail"]) for row in reversed(rows)] == [
        ("user.create", user, None),
        ("user.level", user, {"level": "root"}),
        ("user.change", user, {"changed": ["login"]}),
        ("user.change", user, {"state": "susp"}),
        ("key.create", key["id"], {"name": "shop", "scopes": ["users:read"]}),
    ]
    whom = {(row["door"], row["actor"], row["origin"]) for row in rows}
    assert whom == {("offline", "", "tinode-py command (ada)")}
    assert "secret1" not in listed
    (head, line) = run("audit", "list", "--target", key["id"]).output.splitlines()
    assert head.split() == ["n", "time", "door", "actor", "origin", "action", "target", "detail"]
    assert '{"name": "shop", "scopes": ["users:read"]}' in line
    assert len(run("audit", "list", "--limit", "2", "--json").output.splitlines()) == 2
