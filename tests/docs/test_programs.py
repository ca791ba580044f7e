"""The programs of clients.md, run as processes against real servers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.docs.pages import DOCS, blocks
from tests.process import PATIENCE, environment, serving
from tinode_py.client import Register, connect, stay_connected

PROGRAMS = [block for block in blocks(DOCS / "clients.md", "python") if block.note]
ECHO, BRIDGE, BULK = PROGRAMS


def script(text: str, folder: Path, url: str) -> list[str]:
    file = folder / "program.py"
    file.write_text(text.replace("http://127.0.0.1:6060", url), "utf-8")
    return [sys.executable, str(file)]


@asynccontextmanager
async def program(command: list[str], folder: Path) -> AsyncIterator[trio.Process]:
    """Run it until the end of the block."""
    process = await trio.lowlevel.open_process(command, cwd=folder, env=environment())
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def account(url: str, name: str) -> str:
    async with connect(url) as client:
        await client.hi()
        await client.create_account(name, f"{name}'s password", tags=[name])
        return client.user


@pytest.mark.slow
async def test_the_echo_bot(tmp_path: Path):
    async with serving(tmp_path / "data") as server:
        echo = await account(server.url, "echo")
        command = script(ECHO.text, tmp_path, server.url)
        async with stay_connected(server.url, Register("anna", "anna's password")) as ann:
            said = ann.messages()
            for word in ("one", "two", "three"):
                async with program(command, tmp_path):  # from "two" on it was killed before
                    if word == "one":
                        await wait_until(tmp_path / "echo.json")
                    await ann.publish(echo, word)
                    with trio.fail_after(PATIENCE):
                        assert (await anext(said)).text == f"You said: {word}"


async def wait_until(file: Path) -> None:
    """The program has connected once it has written its positions."""
    with trio.fail_after(PATIENCE):
        while True:
            if await trio.Path(file).exists():
                return
            await trio.sleep(0.02)


@pytest.mark.slow
async def test_the_bridge(tmp_path: Path):
    async with serving(tmp_path / "one") as one, serving(tmp_path / "two") as two:
        await account(one.url, "bridge")
        await account(two.url, "bridge")
        async with (
            stay_connected(one.url, Register("anna", "anna's password")) as ann,
            stay_connected(two.url, Register("bert", "bert's password")) as ben,
        ):
            here = (await (await ann.session()).sub("new1")).topic
            there = (await (await ben.session()).sub("new1")).topic
            await ann.follow(here)
            await ben.follow(there)
            command = [*script(BRIDGE.text, tmp_path, ""), one.url, here, two.url, there]
            async with program(command, tmp_path):
                for folder in ("left.json", "right.json"):
                    await wait_until(tmp_path / folder)
                await ann.publish(here, "from here")
                await ben.publish(there, "from there")
                with trio.fail_after(PATIENCE):
                    assert (await anext(ben.messages())).text == "from here"
                    assert (await anext(ann.messages())).text == "from there"


@pytest.mark.slow
async def test_the_bulk_sender(tmp_path: Path):
    async with serving(tmp_path / "data") as server:
        await account(server.url, "news")
        people = [await account(server.url, f"person{n}") for n in range(30)]
        command = [*script(BULK.text, tmp_path, ""), server.url, "may", "It is May."]
        for _ in range(2):
            done = await trio.run_process(
                command,
                stdin=" ".join([*people, "usrAAAAAAAAAAE"]).encode(),
                env=environment(),
                capture_stderr=True,
            )
            assert done.stderr.decode() == "usrAAAAAAAAAAE: 404 user not found\n"
        for n in (0, 29):
            login = Register(f"person{n}", f"person{n}'s password")
            async with stay_connected(server.url, login) as person:
                (contact,) = await person.contacts()
                assert [it.text for it in await person.history(contact.topic)] == ["It is May."]
