"""Every conversation in this folder, over both stores and in both forms.

Not every store with every form: neither knows of the other, and SQLite syncs each commit.
"""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("store", "form"), [("memory", "json"), ("memory", "cbor"), ("sqlite", "json")]
)
@pytest.mark.parametrize("name", SCRIPTS)
async def test_conversation(name: str, store: str, form: str, tmp_path: Path, autojump_clock):
    script = SCRIPTS[name]
    settings: dict[str, Any] = {**script.settings}
    if store == "sqlite":
        server = {"store": "", "data": str(tmp_path)}
        settings["server"] = {**settings.get("server", {}), **server}
    async with here(settings, cbor=form == "cbor") as world:
        await Stage(world).play(script)
