from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import installed


def do(*args: str | Path, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(installed(), [str(arg) for arg in args], env=environ)


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_values_and_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('[limits]\ntags = 7\ndepth = 9\n[smtp]\npassword = "canary"\n')
    environ = {"TINODE_LIMITS__TAGS": "8", "TINODE_LIMITS": "x", "TINODE_PORT": "tcp://no"}
    args = ("--config", file, "--set", "limits.tags=9", "--data", "/srv/x", "--json")
    shown = do("config", "show", *args, environ=environ)
    found = {row["key"]: (row["value"], row["source"]) for row in rows(shown)}
    assert found == {
        "server.data": ("/srv/x", "--data"),
        "limits.tags": (9, "--set"),
        "limits.depth": (9, str(file)),
        "smtp.password": ("(secret)", str(file)),
    }
    assert "canary" not in shown.output
    short = ("--config", file, "--json")
    (tags,) = rows(do("config", "show", "limits.tags", *short, environ=environ))
    assert (tags["value"], tags["source"]) == (8, "environment: TINODE_LIMITS__TAGS")
    everything = rows(do("config", "show", "--all", *short))
    assert len(everything) > 80
    assert {row["source"] for row in everything} == {"default", str(file)}


def test_a_table_set_at_once() -> None:
    (row,) = rows(do("config", "show", "--set", "web.tls={cert='a', key='b'}", "--json"))[:1]
    assert row == {"key": "web.tls.cert", "value": "a", "source": "--set"}


def test_explain() -> None:
    (found,) = rows(do("config", "explain", "limits.depth", "--json"))
    assert (found["from"], found["to"], found["default"], found["source"]) == (
        8,
        300,
        256,
        "default",
    )
    assert found["variable"] == "TINODE_LIMITS__DEPTH"
    text = do("config", "explain", "auth.registration").output
    assert "'open' | 'invite' | 'closed'" in text
    wrong = do("config", "explain", "tags")
    assert wrong.exit_code == 2
    assert "is it limits.tags" in wrong.output


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("limits.tagz=1", "limits.tagz: unknown key"),
        ("limits.depth=9999", "limits.depth: wants a number"),
        ("web.tls.cert=/nowhere.pem", "web.tls: wants both"),
        ("web.tls={cert='/nowhere.pem', key='/nowhere.pem'}", "web.tls.cert: /nowhere.pem"),
        ("web.static=/nowhere", "web.static: there is no folder"),
        ("server.store=mysql://x", "server.store: wants"),
        ("server.store=postgresql://u:p%zz@x/", "server.store: wants postgresql://"),
    ],
)
def test_check_names_the_key(setting: str, said: str) -> None:
    result = do("config", "check", "--set", setting)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_check_of_good_settings(tmp_path: Path) -> None:
    assert rows(do("config", "check", "--set", "limits.tags=3", "--json"))[0]["given"] == [
        "limits.tags"
    ]
    assert do("config", "check", "--config", tmp_path / "none.toml").exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert "_TINODE_PY_COMPLETE" in do("completion", shell).output
    environ = {
        "_TINODE_PY_COMPLETE": "bash_complete",
        "COMP_WORDS": "tinode-py us",
        "COMP_CWORD": "1",
    }
    done = CliRunner().invoke(installed(), env=environ, prog_name="tinode-py")
    assert done.output == "plain,user\n"
