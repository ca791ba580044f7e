"""A reader of server-sent events, as a back end would have one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import attrs
import h11
import trio


@attrs.define
class Stream:
    """Events as they come; `last` is the id to go on from, `beats` counts comments."""

    connection: h11.Connection
    socket: trio.SocketStream
    last: str = ""
    beats: int = 0
    _text: bytes = b""

    async def raw(self) -> dict[str, Any]:
        """The next event, also one that only tells where we are; EOFError at the end."""
        data: list[str] = []
        while True:
            line = await self._line()
            if not line and data:
                event: dict[str, Any] = json.loads("\n".join(data))
                return event
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line and not name:
                self.beats += 1
            elif name == "id":
                self.last = value
            elif name == "data":
                data.append(value)

    async def beat(self) -> None:
        """Wait for a sign of life, where nothing else comes."""
        before = self.beats
        while self.beats == before:
            if (line := await self._line()).startswith(":"):
                self.beats += 1
            else:
                assert not line

    async def _line(self) -> str:
        while b"\n" not in self._text:
            event = self.connection.next_event()
            if event is h11.NEED_DATA:
                self.connection.receive_data(await self.socket.receive_some())
            elif isinstance(event, h11.Data):
                self._text += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                raise EOFError
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    async def next(self) -> dict[str, Any]:
        """The next event that tells of something."""
        while (event := await self.raw())["kind"] == "stream.at":
            pass
        return event

    async def wait_ended(self) -> None:
        """Return when the server has ended the stream."""
        with contextlib.suppress(EOFError):
            while True:
                await self.raw()

    async def kinds(self, count: int) -> list[str]:
        with trio.fail_after(30):
            return [(await self.next())["kind"] for _ in range(count)]


@contextlib.asynccontextmanager
async def streaming(
    url: str, key: str, after: int | None = None, *, last: str = "", **query: Any
) -> AsyncIterator[Stream]:
    """A stream that has begun: what happens from now on is on it."""
    place = urlsplit(url)
    headers = [("host", place.netloc), ("authorization", f"Bearer {key}")]
    if after is not None:
        query["after"] = after
    if last:
        headers.append(("last-event-id", last))
    connection = h11.Connection(h11.CLIENT)
    async with await trio.open_tcp_stream(place.hostname or "", place.port or 80) as socket:
        request = h11.Request(
            method="GET", target=f"/v1/events?{urlencode(query)}", headers=headers
        )
        asked = (connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b"")
        await socket.send_all(asked)
        stream = Stream(connection, socket)
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await socket.receive_some())
        assert isinstance(event, h11.Response)
        assert event.status_code == 200
        assert (await stream.raw())["kind"] == "stream.at"
        yield stream
