"""The page on metrics, the alert rules and the dashboard name what the server tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.pages import DOCS, rows, section
from tests.web.polling import ask
from tinode_py.testing import RunningServer, running_server

RULES = DOCS / "prometheus" / "alerts.yml"
BOARD = DOCS / "prometheus" / "dashboard.json"
PUSH = {"webhook": {"url": "http://127.0.0.1:9/"}}


async def _told(server: RunningServer) -> dict[str, tuple[str, set[str]]]:
    """Of each family its kind, and the names of its samples."""
    await server.user("alice")
    _, _, body = await ask(server, "GET", "/metrics")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        names = {sample.name for sample in family.samples}
        found[family.name] = family.type, names or {f"{family.name}_total"}
    return found


async def test_the_page_names_every_metric(autojump_clock):
    async with running_server(push=PUSH) as server:
        told = await _told(server)
    written = {
        row[0].strip("`"): row[1].partition(",")[0]
        for row in rows(section(DOCS / "metrics.md", "## What there is"))
    }
    assert written == {name: kind for name, (kind, _) in told.items() if name.startswith("tinode_")}


@pytest.mark.parametrize("file", [RULES, BOARD], ids=lambda file: file.name)
async def test_rules_and_panels_ask_for_what_there_is(autojump_clock, file):
    async with running_server(push=PUSH) as server:
        there = {name for _, names in (await _told(server)).values() for name in names}
    asked = set(re.findall(r"\b(?:tinode|process)_[a-z_]+\b", file.read_text("utf-8")))
    assert len(asked) > 8
    assert asked - there == set()


def test_the_dashboard_can_be_imported():
    board = json.loads(BOARD.read_text("utf-8"))
    assert "id" not in board
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


@pytest.mark.slow
def test_prometheus_takes_the_rules():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
