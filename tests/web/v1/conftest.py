"""A server in memory, and a client of its business API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import attrs
import httpx
import pytest
import trio

from tinode_py.auth.keys import SCOPES, WantedKey, make_key
from tinode_py.changes import Batch
from tinode_py.changes_backend import PutKey
from tinode_py.client.client import Client
from tinode_py.client.codec import Packet
from tinode_py.testing import RunningServer, running_server


@attrs.define
class Answered:
    """An answer, read."""

    status: int
    body: Any
    headers: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@attrs.define
class Api:
    """Requests with one key or token."""

    http: httpx.AsyncClient
    shown: str

    async def __call__(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> Answered:
        shown = self.shown if key is None else key
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["content"] = body if isinstance(body, bytes) else json.dumps(body)
            headers = {"Content-Type": "application/json", **headers}
        got = await self.http.request(method, "/v1" + path, headers=headers, **more)
        if got.status_code >= 400:
            assert got.headers["content-type"] == "application/problem+json", got.text
        is_json = "json" in got.headers.get("content-type", "")
        return Answered(got.status_code, got.json() if is_json else got.content, got.headers)


async def key_for(server: RunningServer, *scopes: str, **more: Any) -> str:
    """A key with these scopes, or with all."""
    inner = server.server
    wanted = WantedKey("test", scopes or SCOPES, **more)
    text, row = make_key(wanted, inner.entrance.random_bytes, inner.entrance.now())
    await inner.store.commit(Batch((PutKey(row),)))
    return text


async def arrived(client: Client, good: Callable[[Packet], bool]) -> Packet:
    """The next packet of that kind, which may come later than an answer over HTTP."""
    with trio.fail_after(30):
        while not good(packet := await client.receive()):
            pass
    return packet


@pytest.fixture
async def server() -> AsyncIterator[RunningServer]:
    async with running_server() as running:
        yield running


@pytest.fixture
async def api(server: RunningServer) -> AsyncIterator[Api]:
    """With a key that may do all."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        yield Api(http, await key_for(server))
