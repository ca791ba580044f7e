from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result


def run(*args: str, environ: dict[str, str] | None = None) -> Result:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="tinode-py")
    return CliRunner().invoke(script.load(), ["serve", *args], env=environ)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--set", "limits.tagz=1"], "limits.tagz: unknown key, did you mean limits.tags?"),
        (["--set", "limits.tags=x"], "limits.tags: wants a whole number"),
        (["--log-level", "loud"], "log.level: wants 'debug'"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["--workers", "2"], "--workers: only 1"),
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
