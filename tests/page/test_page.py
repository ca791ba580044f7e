"""Two people, and one on a phone, use the chat page in a browser.

`scenario.mjs` is what they do; each step of it is one test. One of them has no mouse. In the
middle the server is killed and started again. Pictures of what was on the screens, and all
packets, are kept in the folder `screenshots`.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.javascript import browser, node_with, scenario
from tests.process import command, environment, serving

HERE = Path(__file__).parent
SCREENSHOTS = HERE / "screenshots"
DEADLINE = 300.0  # seconds; it takes one minute
STEPS = [
    "refusals in words",
    "register",
    "a login that is taken",
    "find people",
    "first message, unread, receipts",
    "typing and presence",
    "formatted text",
    "edit",
    "reply",
    "delete",
    "pictures",
    "a group",
    "members go",
    "history by pages",
    "the server is killed",
    "a stranger attacks",
    "odd documents",
    "accessible in light and dark",
    "on a phone",
    "two devices",
    "a server that lies",
    "name changed",
    "reload and log out",
    "ended from elsewhere",
    "nothing went wrong unseen",
]
OFFICE = [
    "only for operators",
    "figures",
    "users",
    "throw somebody out",
    "the audit tells of it",
    "suspend and let in again",
    "topics",
    "log out",
]
DOORS = ["no invitation", "a wrong invitation", "a wrong code", "the right code"]
BY_INVITATION = (
    ("auth.registration", '"invite"'),
    ("auth.invite.codes", '["tea"]'),
    ("validators.email.required", '["auth"]'),
    ("validators.email.debug_code", '"123456"'),
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> str:
    return node_with(HERE, "axe-core")


@pytest.fixture(scope="module")
def outcomes(node: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each step that was begun: an empty text, or why it failed."""
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    return trio.run(_walked, node, "scenario.mjs", tmp_path_factory.mktemp("page") / "data")


@pytest.mark.parametrize("step", STEPS)
def test_step(outcomes: dict[str, str], step: str) -> None:
    assert outcomes.get(step, "not reached") == ""


def test_every_step_is_listed(outcomes: dict[str, str]) -> None:
    assert [*outcomes] == STEPS[: len(outcomes)]


def test_an_invitation_and_a_code(node: str, tmp_path: Path) -> None:
    settings = [word for key, value in BY_INVITATION for word in ("--set", f"{key}={value}")]
    outcomes = trio.run(_walked, node, "doors.mjs", tmp_path / "data", *settings)
    assert outcomes == dict.fromkeys(DOORS, "")


def test_an_operator(node: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make = ["user", "create", "rooty", "--name", "Root", "--password-stdin"]
    for args in (make, ["user", "root", "rooty"]):
        line = command(*args, "--data", str(data))
        subprocess.run(line, input=b"rooty-password\n", env=environment(), check=True)
    assert trio.run(_walked, node, "admin.mjs", data) == dict.fromkeys(OFFICE, "")


async def _walked(node: str, name: str, data: Path, *settings: str) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    with trio.fail_after(DEADLINE):
        async with AsyncExitStack() as servers:
            server = await servers.enter_async_context(serving(data, *settings))
            address, file = server.address, HERE / name
            async with scenario(node, browser(), file, address, str(SCREENSHOTS)) as script:
                async for line in script.lines():
                    match line:
                        case {"please": "kill"}:
                            await server.kill()
                            await script.done()
                        case {"please": "start"}:
                            again = serving(data, *settings, listen=address)
                            server = await servers.enter_async_context(again)
                            await script.done()
                        case _:
                            outcomes[line["step"]] = line.get("failed", "")
    return outcomes
