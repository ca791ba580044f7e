"""The program of embedding.md that is cancelled from outside says goodbye to its clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from tests.docs.pages import DOCS, blocks
from tinode_py.client import connect
from tinode_py.config import Settings


def program() -> Any:
    """What is called so on the page."""
    (block,) = (b for b in blocks(DOCS / "embedding.md", "python") if "server_task" in b.text)
    names: dict[str, Any] = {}
    exec(compile(block.text.removesuffix("trio.run(main)\n"), str(block), "exec"), names)
    return names["program"]


async def test_a_cancelled_program_drains(tmp_path: Path):
    settings = Settings.of(server={"listen": ["127.0.0.1:0"], "data": str(tmp_path)})
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        ready = trio.Event()
        found: list[str] = []

        async def work(url: str) -> None:
            found.append(url)
            ready.set()
            await trio.sleep_forever()

        async def run() -> None:
            with scope:
                await program()(settings, work)

        nursery.start_soon(run)
        await ready.wait()
        async with connect(found[0]) as client:
            await client.hi()
            scope.cancel()
            packets = [packet async for packet in client]
            assert [packet["ctrl"]["code"] for packet in packets] == [205]
            assert client.close_code == 1001


async def test_a_program_that_is_cancelled_while_it_starts_ends(tmp_path: Path):
    settings = Settings.of(server={"listen": ["127.0.0.1:0"], "data": str(tmp_path)})

    async def work(url: str) -> None:
        raise AssertionError("never gets so far")

    with trio.fail_after(60), trio.CancelScope() as scope:
        scope.cancel()
        await program()(settings, work)
    assert scope.cancelled_caught
