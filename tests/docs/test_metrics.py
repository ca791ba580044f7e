"""The page on metrics, the alert rules and the dashboard name what the server tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.pages import DOCS, rows, section
from tests.web.polling import ask
from tinode_py.client import ClientError
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
        for row in rows(section(DOCS / "metrics.md", "## What there is").partition("### ")[0])
    }
    assert written == {name: kind for name, (kind, _) in told.items() if name.startswith("tinode_")}


@pytest.mark.parametrize("file", [RULES, BOARD], ids=lambda file: file.name)
async def test_rules_and_panels_ask_for_what_there_is(autojump_clock, file):
    async with running_server(push=PUSH) as server:
        there = {name for _, names in (await _told(server)).values() for name in names}
    asked = set(re.findall(r"\b(?:tinode|process)_[a-z_]+\b", file.read_text("utf-8")))
    assert len(asked) > 8
    assert asked - there == set()


def _questions() -> list[str]:
    """Every expression of the dashboard and of the rules."""
    board = json.loads(BOARD.read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + re.findall(r"expr: (.*)", RULES.read_text("utf-8"))


async def test_rules_and_panels_look_at_labels_that_there_are(autojump_clock):
    async with running_server(push=PUSH) as server:
        alice = await server.user("alice")
        with pytest.raises(ClientError):
            await alice.sub("grpAAAAAAAAAAE")  # so that there is a refusal to be counted
        _, _, body = await ask(server, "GET", "/metrics")
    given = {"instance", "job"}  # by who collects them
    there: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            there.setdefault(sample.name, set(given)).update(sample.labels)
    seen = 0
    for asked in _questions():
        metrics = set(re.findall(r"\b(?:tinode|process)_[a-z_]+\b", asked))
        chosen = " ".join(re.findall(r"\{([^}]*)\}", asked))
        labels = set(re.findall(r"(\w+)\s*=~?\s*\"", chosen))
        for group in re.findall(r"by \(([^)]*)\)", asked):
            labels |= {name.strip() for name in group.split(",")}
        for metric in metrics:
            assert labels <= there[metric], (asked, metric)
        seen += len(labels - given)
    assert seen > 5


def test_the_dashboard_can_be_imported():
    board = json.loads(BOARD.read_text("utf-8"))
    assert "id" not in board
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


@pytest.mark.slow
def test_prometheus_takes_the_rules_and_the_panels_questions(tmp_path: Path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    board = tmp_path / "board.yml"  # the questions of the panels, as rules
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$instance", ".*")}
        for number, expr in enumerate(_questions())
    ]
    board.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}), "utf-8")
    for file in (RULES, board):
        done = subprocess.run(
            [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
