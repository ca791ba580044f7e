"""The stream that trio-websocket is given for the handshake, instead of the connection.

It replays the request, which the front has read and judged, and keeps the library's answer.
After that the library's part is over: nothing of it stays with an idle connection.
"""

from __future__ import annotations

import trio
from trio_websocket import wrap_server_stream


class HandshakeStream(trio.abc.Stream):
    """Gives `request` and then nothing more; what is sent is in `answer`."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.answer = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.answer += bytes(data)
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if not self._request:
            await trio.sleep_forever()
        request, self._request = self._request, b""
        return request

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def shake_hands(request: bytes) -> bytes:
    """The answer to a good handshake. Waits for nothing but the library."""
    stream = HandshakeStream(request)
    async with trio.open_nursery() as nursery:
        asked = await wrap_server_stream(nursery, stream)
        await asked.accept()
        nursery.cancel_scope.cancel()
    return stream.answer
