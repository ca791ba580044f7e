"""docs/cli.md shows every subcommand, as it is."""

from __future__ import annotations

import pytest

from tests.docs.cli_page import ELSEWHERE, PAGE, commands, written


@pytest.mark.slow
def test_the_page_is_what_the_commands_print():
    again = "run `python -m tests.docs.cli_page`"
    assert PAGE.read_text("utf-8").splitlines() == "".join(written()).splitlines(), again


@pytest.mark.parametrize("command", sorted(set(commands()) - ELSEWHERE))
def test_every_subcommand_is_shown(command: str):
    assert f"$ tinode-py {command}" in PAGE.read_text("utf-8")
