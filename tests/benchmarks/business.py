"""What benchmarks of plain HTTP share: keys, and requests made in advance."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import attrs
import trio

from tinode_py.auth.keys import SCOPES, WantedKey, make_key
from tinode_py.changes import Batch
from tinode_py.changes_backend import PutKey
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


@attrs.frozen
class Asked:
    """A connection for one request after the other."""

    sock: socket.socket

    def ask(self, data: bytes) -> bytes:
        """The body of the answer; AssertionError unless it is a success."""
        self.sock.sendall(data)
        head, body = self.answer()
        assert head.split()[1].startswith(b"2"), (head, body)
        return body

    def answer(self) -> tuple[bytes, bytes]:
        """Head and body of the next one."""
        came = b""
        while b"\r\n\r\n" not in came:
            came += self._received()
        head, _, body = came.partition(b"\r\n\r\n")
        _, known, length = head.lower().partition(b"content-length:")
        if known:
            size = int(length.split()[0])
            while len(body) < size:
                body += self._received()
            return head, body
        while not body.endswith(b"0\r\n\r\n"):
            body += self._received()
        return head, _unchunked(body)

    def _received(self) -> bytes:
        data = self.sock.recv(262_144)
        if not data:
            raise ConnectionError("the server has closed")
        return data


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return whole
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
