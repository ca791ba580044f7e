"""What a stranger reads first is true, and nothing that is bound to one machine is committed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
LINES = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if "&&" in line]


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if (ROOT / name).is_file()]


def test_the_readme_is_a_screenful_with_two_lines_to_type() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 60
    serve, test = LINES
    assert serve.endswith("tinode-py serve")
    assert "-m pytest -n auto" in test
    assert all(line.startswith("python3 -m venv .venv && ") for line in LINES)


def test_ci_runs_the_readmes_line() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "grep -m 1 -e '-m pytest' README.md" in script
    assert "-m pytest" in LINES[1]
    assert "-m pytest" not in (ROOT / "README.md").read_text("utf-8").partition(LINES[1])[0]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)", text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_lock_files_and_installed_packages_are_not_committed() -> None:
    names = tracked()
    assert [name for name in names if "node_modules/" in name] == []
    locks = {"package-lock.json", "yarn.lock", "poetry.lock", "uv.lock", "npm-shrinkwrap.json"}
    assert [name for name in names if Path(name).name in locks] == []
