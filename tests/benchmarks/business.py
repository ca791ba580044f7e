"""What benchmarks of plain HTTP share: keys, and requests made in advance."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import trio

from tinode_py.auth.keys import SCOPES, WantedKey, make_key
from tinode_py.changes import Batch, PutKey
from tinode_py.store.sqlite import open_sqlite


def add_key(database: Path) -> str:
    """A key that may do all, as often as it likes, in a store that no server has open."""
    text, row = make_key(WantedKey("benchmark", SCOPES), os.urandom, time.time_ns() // 1_000_000)

    async def put() -> None:
        async with open_sqlite(database, inline=True) as store:
            await store.commit(Batch((PutKey(row),)))

    trio.run(put)
    return text


def request(method: str, target: str, key: str = "", body: Any = None) -> bytes:
    """A whole request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    text = b""
    if body is not None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join([*lines, "", ""]).encode() + text
