"""start.md, typed as it stands: the server runs, two people chat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.docs.pages import DOCS, Block, blocks
from tests.process import environment, serving

PAGE = DOCS / "start.md"
SHELL = blocks(PAGE, "sh")
WHILE_IT_RUNS = [block for block in SHELL if not block.note]
MORE = [block for block in SHELL if block.note == "typed while it runs"]
WHILE_STOPPED = [block for block in SHELL if block.note == "the server is stopped"]


def shell(text: str, folder: Path) -> str:
    """What a block prints; it must succeed. `python` and `tinode-py` are those of this test."""
    programs = (
        f'python() {{ "{sys.executable}" "$@"; }}\n'
        f'python3() {{ "{sys.executable}" "$@"; }}\n'
        'tinode-py() { python -m tinode_py "$@"; }\n'
    )
    done = subprocess.run(
        ["bash", "-e", "-c", programs.replace("tinode-py()", "function tinode-py") + text],
        cwd=folder,
        env=environment(PYTHONPATH=str(DOCS.parent)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, text + done.stdout + done.stderr
    return done.stdout


def test_every_block_is_of_a_known_kind():
    notes = {"", "not run: needs the network", "runs in the background"}
    notes |= {"typed while it runs", "the server is stopped"}
    assert {block.note for block in SHELL} == notes


@pytest.mark.slow
async def test_two_people_chat(tmp_path: Path):
    async with serving(tmp_path / "tinode-data") as server:
        for script in blocks(PAGE, "python"):
            file = tmp_path / script.text.splitlines()[0].removeprefix("# ")
            file.write_text(script.text.replace("127.0.0.1:6060", server.address), "utf-8")
        said, more = "", list[str]()
        for block in [*WHILE_IT_RUNS, *MORE]:
            text = block.text.replace("127.0.0.1:6060", server.address)
            printed = await trio.to_thread.run_sync(shell, text, tmp_path)
            if block in MORE:
                more.append(printed)
            else:
                said += printed
        assert await server.terminate() == 0
    assert more[1] == "stored\n"
    for words in ("see you", "on its way"):
        search = f"tinode-py message search '{words}' --json"
        assert words in await trio.to_thread.run_sync(shell, search, tmp_path)
    assert '"code":200' in said.replace(" ", "")
    assert "bobby has not registered yet" not in said  # that goes to standard error
    assert said.rstrip().endswith(": hello")
    for block in WHILE_STOPPED:
        said = await trio.to_thread.run_sync(shell, block.text, tmp_path)
        assert said.startswith("created: carol is usr")
        assert "root: carol is usr" in said


def backup() -> Block:
    return blocks(DOCS / "operating.md", "sh")[0]


@pytest.mark.slow
async def test_a_backup_beside_a_running_server_holds_everything(tmp_path: Path):
    data = tmp_path / "tinode-data"
    async with serving(data) as server:
        script, _ = blocks(PAGE, "python")
        text = script.text.replace("127.0.0.1:6060", server.address)
        (tmp_path / "chat.py").write_text(text, "utf-8")
        lines = "\n".join(block.text for block in WHILE_IT_RUNS[1:])
        await trio.to_thread.run_sync(shell, lines, tmp_path)
        await trio.to_thread.run_sync(shell, backup().text, tmp_path)
        await server.kill()
    restore = "tinode-py db restore tinode-copy --data restored"
    await trio.to_thread.run_sync(shell, restore, tmp_path)
    async with serving(tmp_path / "restored") as server:
        text = script.text.replace("127.0.0.1:6060", server.address)
        (tmp_path / "chat.py").write_text(text, "utf-8")
        said = await trio.to_thread.run_sync(shell, WHILE_IT_RUNS[-1].text, tmp_path)
    words = [line.partition(": ")[2] for line in said.splitlines()]
    assert words == ["hello", "hello, too"] * 2 + ["hello"]
