"""Node, browsers and npm packages, for tests that run Tinode's own clients."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio


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
    with _alone_in(folder):
        if not (folder / "node_modules" / package).is_dir():
            npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
            done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return node


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Tests of other files may run beside this one, in processes of their own."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def browser() -> str:
    return program("chromium", "chromium-browser", "google-chrome")


@attrs.frozen
class Script:
    """A scenario in a browser, that runs and tells of itself line by line."""

    process: trio.Process

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """What it tells, until it ends."""
        rest = b""
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)

    async def done(self) -> None:
        """What it asked for is done."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"\n")


@asynccontextmanager
async def scenario(node: str, browser: str, file: Path, *args: str) -> AsyncIterator[Script]:
    """Run a script until the end of the block; it takes its browser with it."""
    process = await trio.lowlevel.open_process(
        [node, str(file), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "CHROMIUM": browser},
    )
    try:
        yield Script(process)
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
