"""Servers that lie, stall, break off: what a client must live with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import trio

from tests.ports import on_a_port

Answer = Callable[[trio.SocketStream, bytes], Awaitable[None]]


@attrs.define(eq=False)
class Liar:
    """A server that answers each request with `answer`; `heads` are the requests it got."""

    url: str
    heads: list[bytes]
    live: list[int]  # how many connections there are, its only item

    async def wait_empty(self) -> None:
        with trio.fail_after(30):
            while self.live[0]:  # noqa: ASYNC110
                await trio.sleep(0.005)


@contextlib.asynccontextmanager
async def lying(answer: Answer) -> AsyncIterator[Liar]:
    heads: list[bytes] = []
    live = [0]

    async def serve(stream: trio.SocketStream) -> None:
        live[0] += 1
        try:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while head := await _request(stream):
                    heads.append(head)
                    await answer(stream, head)
        finally:
            live[0] -= 1

    async with on_a_port(serve) as url:
        yield Liar(url, heads, live)


async def _request(stream: trio.SocketStream) -> bytes:
    """One request, head and body; b"" at the end of the connection."""
    text = b""
    while b"\r\n\r\n" not in text:
        part = await stream.receive_some()
        if not part:
            return b""
        text += part
    head, _, body = text.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += await stream.receive_some()
    return head


def says(text: bytes, *, stalls: bool = False) -> Answer:
    """Sends these bytes; then closes, or says nothing more until the other side goes."""

    async def answer(stream: trio.SocketStream, head: bytes) -> None:
        await stream.send_all(text)
        await (stall(stream) if stalls else stream.aclose())

    return answer


async def stall(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass


def whole(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
