"""The installed command, run in this process on a data folder of its own."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

CHEAP = ("--set", "auth.basic.hash_memory=8", "--set", "auth.basic.hash_passes=1")
Run = Callable[..., Result]


def installed() -> click.Command:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="tinode-py")
    command: click.Command = script.load()
    return command


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command that takes settings, to its end."""

    def invoke(*args: str, stdin: str = "secret1\n") -> Result:
        options = ("--data", str(tmp_path / "data"), *CHEAP)
        return CliRunner().invoke(installed(), [*args, *options], input=stdin)

    return invoke
