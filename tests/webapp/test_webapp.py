"""Two people use the official web application, in a browser, over our server.

`scenario.mjs` is what they do; each step of it is one test. The application is served from
its npm package as it is, by `web.static`. Pictures of what was on the screens, and all packets,
are kept in the folder `screenshots`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.javascript import browser, node_with, scenario
from tests.process import serving

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "tinode-webapp"
SCREENSHOTS = HERE / "screenshots"
DEADLINE = 300.0  # seconds; it takes one
STEPS = [
    "register",
    "log out and log in",
    "search",
    "unread badge and receipts",
    "chat both ways",
    "edit",
    "reply",
    "delete",
    "image",
    "image that is uploaded",
    "group with an added member",
    "forward",
    "archive",
    "profile",
    "block",
    "reload with history",
    "history in a new browser",
    "log out",
    "nothing was missing",
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the application and what drives it installed."""
    return node_with(HERE, PACKAGE.name)


@pytest.fixture(scope="module")
def outcomes(node: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each step that was begun: an empty text, or why it failed."""
    found = browser()
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    return trio.run(_outcomes, node, found, tmp_path_factory.mktemp("webapp") / "data")


@pytest.mark.parametrize("step", STEPS)
def test_step(outcomes: dict[str, str], step: str) -> None:
    assert outcomes.get(step, "not reached") == ""


def test_every_step_is_listed(outcomes: dict[str, str]) -> None:
    assert [*outcomes] == STEPS[: len(outcomes)]


async def test_files_come_as_what_they_are(node: str, tmp_path: Path) -> None:
    async with _with_pages(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as client:
        for path, kind in {
            "/": "text/html; charset=utf-8",
            "/umd/tinode.prod.js": "text/javascript; charset=utf-8",
            "/css/base.min.css": "text/css; charset=utf-8",
            "/manifest.json": "application/json; charset=utf-8",
            "/img/logo.svg": "image/svg+xml",
            "/img/logo96.png": "image/png",
            "/audio/msg.m4a": "audio/mp4",
        }.items():
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert (await client.get("/firebase-init.js")).status_code == 404
        part = await client.get("/audio/msg.m4a", headers={"range": "bytes=0-99"})
        assert (part.status_code, len(part.content)) == (206, 100)
        assert part.headers["content-type"] == "audio/mp4"


def _with_pages(data: Path) -> Any:
    return serving(data, "--set", f"web.static={PACKAGE}")


async def _outcomes(node: str, browser: str, data: Path) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    file = HERE / "scenario.mjs"
    with trio.fail_after(DEADLINE):
        async with (
            _with_pages(data) as server,
            scenario(node, browser, file, server.address, str(SCREENSHOTS)) as script,
        ):
            async for line in script.lines():
                outcomes[line["step"]] = line.get("failed", "")
    return outcomes
