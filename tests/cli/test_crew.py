"""The process that keeps workers going: with workers that are small scripts."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
import pytest
import trio
from tinode_cli.workers import Crew, Ground

from tinode_py.worker import Worker

PATIENCE = 30.0

# Waits for the word to begin, says that it serves, and stops at the end of the stream.
BEGIN = """
import json, os, signal, socket, sys, time
worker = json.loads(sys.argv[1])
line = socket.socket(fileno=worker["line"])
def told(text):
    with open(sys.argv[2], "a") as file:
        file.write(f"{worker['number']} {text}\\n")
if not line.recv(1):
    told("never began")
    sys.exit()
told("begins, fresh" if worker["fresh"] else "begins")
"""
SERVE = """
signal.signal(signal.SIGHUP, lambda *_: told("hears SIGHUP"))
line.send(b"r")
line.recv(1)
told("stops")
"""


@attrs.define
class Stage:
    """A crew of scripts, and what they have written."""

    folder: Path
    closed: bool = False

    @property
    def file(self) -> Path:
        return self.folder / "told"

    def told(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def crew(self, script: str, count: int = 2) -> Crew:
        def close() -> None:
            self.closed = True
            with self.file.open("a") as file:
                file.write("closed\n")

        def command(worker: Worker) -> Sequence[str]:
            return [sys.executable, "-S", "-c", BEGIN + script, worker.text, str(self.file)]

        lock = os.open("/dev/null", os.O_RDONLY)
        return Crew(count, Ground(str(self.folder), (), (), lock, (), close), command)

    def let_go(self) -> None:
        self.folder.joinpath("told.go").touch()

    async def until(self, *lines: str) -> None:
        await until(lambda: set(lines) <= set(self.told()))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def run(crew: Crew, work: Callable[[trio.Event], Awaitable[None]]) -> int:
    """The exit code of a crew, while `work` is done, which is given word when all serve."""
    codes = []
    ready = trio.Event()

    async def lead() -> None:
        codes.append(await crew.run(ready.set))

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lead)
            await work(ready)
    return int(codes[0])


async def test_the_first_one_serves_before_the_others_begin(stage: Stage) -> None:
    async def work(ready: trio.Event) -> None:
        await ready.wait()
        assert stage.told()[0] == "1 begins, fresh"
        assert sorted(stage.told()[1:]) == ["2 begins", "3 begins"]
        os.kill(os.getpid(), signal.SIGTERM)

    assert await run(stage.crew(SERVE, 3), work) == 0
    assert stage.closed
    assert {"1 stops", "2 stops", "3 stops"} <= set(stage.told())


async def test_word_to_stop_while_they_begin(stage: Stage) -> None:
    async def work(ready: trio.Event) -> None:
        await stage.until("1 begins, fresh")
        os.kill(os.getpid(), signal.SIGTERM)

    slow = "line.recv(1)\ntold('stops at once')"
    assert await run(stage.crew(slow), work) == 0
    assert "1 stops at once" in stage.told()
    assert "2 never began" in stage.told()


async def test_sighup_is_handed_on_also_to_who_just_begins(stage: Stage) -> None:
    script = (
        """
if worker["number"] == 2:
    told("is not there yet")
    while not os.path.exists(sys.argv[2] + ".go"):
        time.sleep(0.01)
"""
        + SERVE
    )

    async def work(ready: trio.Event) -> None:
        await stage.until("2 is not there yet")
        os.kill(os.getpid(), signal.SIGHUP)
        await stage.until("1 hears SIGHUP")
        stage.let_go()
        await stage.until("2 hears SIGHUP")
        os.kill(os.getpid(), signal.SIGTERM)

    assert await run(stage.crew(script), work) == 0


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("sys.exit(2)", 2, []),  # it has said itself what is wrong
        ("sys.exit(5)", 1, ["worker 2 ended with 5 before it could serve"]),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            1,
            ["worker 2 was ended by SIGKILL before it could serve"],
        ),
    ],
)
async def test_one_that_cannot_begin_ends_all(
    stage: Stage, caplog: pytest.LogCaptureFixture, end: str, code: int, said: list[str]
) -> None:
    async def work(ready: trio.Event) -> None:
        pass

    script = f"if worker['number'] == 2: {end}\n{SERVE}"
    assert await run(stage.crew(script), work) == code
    assert [record.getMessage() for record in caplog.records] == said


async def test_where_one_ends_another_begins_ever_later(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """And each end is told of."""
    caplog.set_level(logging.INFO)
    script = (
        """
count = open(sys.argv[2]).read().count("2 begins")
if worker["number"] == 2 and 1 < count < 4:
    sys.exit(7)
"""
        + SERVE
    )
    crew = stage.crew(script)

    async def work(ready: trio.Event) -> None:
        await ready.wait()
        crew.children[2].process.kill()
        await until(lambda: "serves again" in caplog.text)
        os.kill(os.getpid(), signal.SIGTERM)

    assert await run(crew, work) == 0
    said = [record.getMessage().partition(")")[2] for record in caplog.records]
    assert said == [
        " was ended by SIGKILL; another one is started in 0.1 s",
        " ended with 7; another one is started in 0.2 s",
        " ended with 7; another one is started in 0.4 s",
        "",
    ]
    assert stage.told().count("1 begins, fresh") == 1


async def test_one_that_cannot_be_started_is_tried_again_and_the_others_go_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    crew, missing = stage.crew(SERVE), [str(stage.folder / "missing")]
    command, tried = crew.command, 0

    def sometimes(worker: Worker) -> Sequence[str]:
        nonlocal tried
        tried += 1
        return missing if tried in (3, 4) else command(worker)

    crew.command = sometimes

    async def work(ready: trio.Event) -> None:
        await ready.wait()
        crew.children[2].process.kill()
        await until(lambda: stage.told().count("2 begins") == 2 and crew.children[2].serves)
        os.kill(os.getpid(), signal.SIGTERM)

    assert await run(crew, work) == 0
    cannot = "worker 2 cannot be started: No such file or directory; another one is started in"
    assert [record.getMessage() for record in caplog.records][1:] == [
        f"{cannot} 0.2 s",
        f"{cannot} 0.4 s",
    ]
    assert "1 stops" in stage.told()


async def test_one_that_ends_badly_when_told_to_stop_is_told_of(stage: Stage) -> None:
    async def work(ready: trio.Event) -> None:
        await ready.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    script = SERVE + "if worker['number'] == 2: sys.exit(3)"
    assert await run(stage.crew(script), work) == 1


# A crew of two that do not stop, in a process of its own.
STUBBORN = """
import os, sys, trio
from pathlib import Path
from tests.cli.test_crew import Stage
script = "line.send(b'r')\\ntold(f'is {os.getpid()}')\\ntime.sleep(600)"
crew = Stage(Path(sys.argv[1])).crew(script)
sys.exit(trio.run(crew.run, lambda: None))
"""


async def test_a_second_signal_ends_all_at_once(stage: Stage) -> None:
    line = [sys.executable, "-c", STUBBORN, str(stage.folder)]
    first = await trio.lowlevel.open_process(line)
    await until(lambda: sum("is" in it.split() for it in stage.told()) == 2)
    pids = [int(it.split()[2]) for it in stage.told() if "is" in it.split()]
    first.send_signal(signal.SIGTERM)
    await stage.until("closed")
    assert first.returncode is None  # it waits for those who drain
    first.send_signal(signal.SIGTERM)
    with trio.fail_after(PATIENCE):
        assert await first.wait() == 1
    await until(lambda: not any(lives(pid) for pid in pids))


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
