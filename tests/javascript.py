"""Node, browsers and npm packages, for tests that run Tinode's own clients."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def program(*names: str) -> str:
    """Where one of these programs is. Without any of them there is nothing to test: a test
    is skipped on a developer's machine, and fails in CI.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{names[0]} is not installed, and Tinode's clients must be tested here")
        pytest.skip(f"{names[0]} is not installed")
    return found


def node_with(folder: Path, package: str) -> str:
    """Node, with what the `package.json` of a folder asks for; `package` is one of it."""
    node = program("node")
    if not (folder / "node_modules" / package).is_dir():
        npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return node
