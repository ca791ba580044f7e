"""The program of embedding.md that is cancelled from outside says goodbye to its clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from tests.docs.pages import DOCS, blocks
from tinode_py.client import connect
from tinode_py.config import Settings


async def test_a_cancelled_program_drains(tmp_path: Path):
    (block,) = (b for b in blocks(DOCS / "embedding.md", "python") if "server_task" in b.text)
    names: dict[str, Any] = {}
    exec(compile(block.text.removesuffix("trio.run(main)\n"), str(block), "exec"), names)
    settings = Settings.of(server={"listen": ["127.0.0.1:0"], "data": str(tmp_path)})
    async with trio.open_nursery() as nursery:
        program = trio.CancelScope()
        ready = trio.Event()
        found: list[str] = []

        async def work(url: str) -> None:
            found.append(url)
            ready.set()
            await trio.sleep_forever()

        async def run() -> None:
            with program:
                await names["program"](settings, work)

        nursery.start_soon(run)
        await ready.wait()
        async with connect(found[0]) as client:
            await client.hi()
            program.cancel()
            packets = [packet async for packet in client]
            assert [packet["ctrl"]["code"] for packet in packets] == [205]
            assert client.close_code == 1001
