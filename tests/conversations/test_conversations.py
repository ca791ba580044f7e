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
from .worlds import among, here

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


# Those in which topics have most to do with each other. What people on several nodes ask in one
# breath is taken in any order, as in `unattached_block`; all others pass.
AMONG_NODES = (
    *("account_delete", "channel", "delete_hard", "eviction", "group_transfer", "marks"),
    *("p2p_block", "presence_group", "presence_me", "presence_msg", "suspended", "typing"),
)


@pytest.mark.parametrize(
    "name",
    sorted(SCRIPTS.keys() - {"unattached_block"})
    if os.environ.get("TINODE_TEST_ALL_AMONG_NODES")
    else AMONG_NODES,
)
async def test_conversation_among_nodes(name: str, autojump_clock):
    script = SCRIPTS[name]
    async with among(script.settings, 3) as world:
        await Stage(world).play(script)


# Those that ask most different things of a store. All of them pass; they take their time.
ON_POSTGRES = (
    *("account_delete", "channel", "delete_ranges", "edit", "find", "group_transfer"),
    *("history", "marks", "p2p_block", "tags_unique"),
)


@pytest.mark.parametrize(
    "name", SCRIPTS if os.environ.get("TINODE_TEST_ALL_ON_POSTGRES") else ON_POSTGRES
)
async def test_conversation_on_postgres(name: str, folder: Path, postgres_url: str, autojump_clock):
    script = SCRIPTS[name]
    server = {"store": postgres_url, "data": str(folder)}
    settings = {**script.settings, "server": {**script.settings.get("server", {}), **server}}
    async with here(settings) as world:
        await Stage(world).play(script)
