"""Every conversation in this folder, over both stores and in both forms."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .script import parse
from .stage import Stage
from .worlds import here

SCRIPTS = {
    file.stem: parse(file.read_text(encoding="utf-8"))
    for file in sorted(Path(__file__).parent.glob("*.txt"))
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a file system: it is not the disk that is tested here."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize("form", ["json", "cbor"])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("name", SCRIPTS)
async def test_conversation(name: str, store: str, form: str, folder: Path, autojump_clock):
    script = SCRIPTS[name]
    settings: dict[str, Any] = {**script.settings}
    if store == "sqlite":
        server = {"store": "", "data": str(folder)}
        settings["server"] = {**settings.get("server", {}), **server}
    async with here(settings, cbor=form == "cbor") as world:
        await Stage(world).play(script)
