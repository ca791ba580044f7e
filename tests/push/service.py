"""An HTTP service on a port of its own, which keeps what it is asked and answers as told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator

import attrs
import h11
import trio


@attrs.frozen
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes


@attrs.define
class Service:
    url: str = ""
    asked: list[Asked] = attrs.field(factory=list)
    answers: list[tuple[int, bytes]] = attrs.field(factory=list)  # 200 without a body after them

    _news: trio.Event = attrs.field(factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, request after request."""
        connection = h11.Connection(h11.SERVER)
        async with stream:
            # It did not want to hear it all, or to say it all.
            with contextlib.suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
                await self._exchanges(stream, connection)

    async def wait_asked(self, count: int) -> None:
        """Return when so much was asked."""
        while len(self.asked) < count:
            await self._news.wait()

    async def _exchanges(self, stream: trio.SocketStream, connection: h11.Connection) -> None:
        while await self._exchange(stream, connection):
            connection.start_next_cycle()

    async def _exchange(self, stream: trio.SocketStream, connection: h11.Connection) -> bool:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return False
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self._news.set()
        self._news = trio.Event()
        self.asked.append(Asked(request.target.decode(), headers, body))
        code, answer = self.answers.pop(0) if self.answers else (200, b"")
        if not code:
            return False
        head = h11.Response(status_code=code, headers=[("content-length", str(len(answer)))])
        data = connection.send(head) or b""
        data += connection.send(h11.Data(answer)) or b""
        await stream.send_all(data + (connection.send(h11.EndOfMessage()) or b""))
        return True


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service()
    async with trio.open_nursery() as nursery:
        serve = functools.partial(trio.serve_tcp, service.serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        service.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        yield service
        nursery.cancel_scope.cancel()
