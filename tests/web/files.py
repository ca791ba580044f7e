"""A whole server, and bare HTTP requests for its files."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import attrs
import trio

from tests.web.parts import KEY, Reader, request
from tinode_py.client import Client
from tinode_py.testing import RunningServer, running_server

UP, DOWN = "/v0/file/u/", "/v0/file/s/"
BOUNDARY = "XbOuNdArYx"
TEXT = b"All work and no play makes Jack a dull boy. " * 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
REQUIRED = (401, "authentication required")
FAILED = (401, "authentication failed")
MALFORMED = (400, "malformed")
NO_KEY = (403, "valid API key required")


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ctrl(self) -> dict[str, Any]:
        """The {ctrl} in it."""
        assert self.headers["content-type"] == "application/json; charset=utf-8", self
        ctrl = json.loads(self.body)["ctrl"]
        assert ctrl["code"] == self.status
        return dict(ctrl)

    @property
    def url(self) -> str:
        assert self.status == 200, self
        return str(self.ctrl["params"]["url"])

    @property
    def told(self) -> tuple[int, str]:
        return self.status, self.ctrl["text"]


def form(*parts: Any, end: bool = True) -> bytes:
    """`(name, value)`, or `(name, file name, type, bytes)`; None is left out."""
    out = b""
    for name, *rest in parts:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if len(rest) == 1:
            out += f"\r\n\r\n{rest[0]}\r\n".encode()
            continue
        file_name, kind, data = rest
        out += f'; filename="{file_name}"'.encode() if file_name is not None else b""
        out += f"\r\nContent-Type: {kind}".encode() if kind else b""
        out += b"\r\n\r\n" + data + b"\r\n"
    return out + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


NOTE = ("file", "note.txt", "text/plain", TEXT)
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
WITH_KEY = {"X-Tinode-APIKey": KEY}


@attrs.frozen
class Site:
    """A server and somebody who is logged in there."""

    server: RunningServer
    client: Client

    @property
    def token(self) -> str:
        assert self.client.token
        return self.client.token

    @property
    def auth(self) -> dict[str, str]:
        return {**WITH_KEY, "X-Tinode-Auth": f"Token {self.token}"}

    @property
    def in_query(self) -> str:
        return f"?apikey={KEY}&auth=token&secret={quote(self.token, safe='')}"

    async def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> Answer:
        """One request on a connection of its own. Headers: key and token, if none are given."""
        headers = self.auth if headers is None else headers
        if chunked:
            headers = {**headers, "Transfer-Encoding": "chunked"}
            sent = request(method, target, headers) + _chunks(body)
        else:
            sent = request(method, target, headers, body=body)
        async with self.server.stream() as stream:
            return await exchange(stream, sent, method)

    async def upload(self, *parts: Any, headers: Any = None, path: str = UP, **more: Any) -> Answer:
        head = {**(self.auth if headers is None else headers), **MULTIPART}
        method = more.pop("method", "POST")
        end = more.pop("end", True)
        return await self.ask(method, path, head, form(*parts, end=end), **more)

    async def get(self, url: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("GET", url, {**self.auth, **named})


def _chunks(body: bytes) -> bytes:
    pieces = [body[at : at + 40_000] for at in range(0, len(body), 40_000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


async def exchange(stream: trio.abc.Stream, sent: bytes, method: str = "GET") -> Answer:
    """Send a request, whether the server wants to read all of it or not; its answer."""
    reader = Reader(stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send, stream, sent)
        status, headers = await reader.head()
        body = b""
        if method != "HEAD" and status not in (204, 304):
            if "content-length" in headers:
                body = await reader.take(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                body = await _unchunked(reader)
        nursery.cancel_scope.cancel()
    return Answer(status, headers, body)


async def _unchunked(reader: Reader) -> bytes:
    body = b""
    while True:
        await reader.upto(lambda seen: b"\r\n" in seen)
        size, _, reader.seen = reader.seen.partition(b"\r\n")
        piece = await reader.take(int(size, 16) + 2)
        body += piece[:-2]
        if len(piece) == 2:
            return body


async def _send(stream: trio.abc.SendStream, sent: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(sent)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextlib.asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Site]:
    """A server with these settings, as Alice uses it."""
    async with running_server(**settings) as server:
        yield Site(server, await server.user("alice"))
