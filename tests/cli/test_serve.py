from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result


def run(*args: str, environ: dict[str, str] | None = None) -> Result:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="tinode-py")
    return CliRunner().invoke(script.load(), ["serve", *args], env=environ)


MANY = ("--workers", "2", "--store", "postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--set", "limits.tagz=1"], "limits.tagz: unknown key, did you mean limits.tags?"),
        (["--set", "limits.tags=x"], "limits.tags: wants a whole number"),
        (["--log-level", "loud"], "log.level: wants 'debug'"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["--workers", "0"], "--workers: wants a number from 1 to 64"),
        (["--workers", "65"], "--workers: wants a number from 1 to 64"),
        (["--workers", "2", "--store", "memory:"], "--workers: wants a server.store that several"),
        (
            ["--workers", "2", "--set", "cluster.listen=127.0.0.1:0"],
            "cluster.listen: wants a port, with --workers on an SQLite file",
        ),
        (
            [*MANY, "--set", "cluster.listen=127.0.0.1:65535"],
            "cluster.listen: leaves no port for worker 2",
        ),
        ([*MANY, "--set", "cluster.listen=unix:/here"], "cluster.listen: wants host:port"),
        (["--worker", "1"], "--worker: is given by --workers"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_is_named(args: list[str], named: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output


def test_a_wrong_variable_ends_with_2(tmp_path: Path) -> None:
    result = run(environ={"TINODE_LIMITS__TAGZ": "1"})
    assert result.exit_code == 2
    assert "limits.tagz" in result.output


def test_every_command_explains_itself() -> None:
    assert "SIGTERM" in run("--help").output
