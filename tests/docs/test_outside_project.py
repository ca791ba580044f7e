"""docs/examples/greeter, a project of its own: installed into its own venv, its suite run there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

GREETER = DOCS / "examples" / "greeter"


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, " ".join(command) + done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_suite_passes_with_the_server_installed(tmp_path: Path):
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (tmp_path / "server" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "server" / name)
    project = shutil.copytree(GREETER, tmp_path / "greeter")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", folder=tmp_path)
    python = str(tmp_path / "venv" / "bin" / "python")
    # Ours installs into it, and compiles nothing: most of what comes is never imported.
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile")
    pins = ("-c", str(ROOT / "constraints.txt"))
    run(*pip, *pins, str(tmp_path / "server"), f"{project}[test]", folder=tmp_path)
    assert "4 passed" in run(python, "-m", "pytest", "-q", folder=project)
