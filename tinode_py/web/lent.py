"""A file of another node as an HTTP answer: fetched while it is sent, never held whole."""

from __future__ import annotations

from collections.abc import Mapping

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..errors import Refused
from ..live.lending import Loan


class LentResponse(Response):
    """The bytes from `first` to before `end`.

    `begin` has to be called before it is sent, unless HEAD asks for it. If the other node is
    lost on the way the connection is broken: the client sees that it has not got all.
    """

    def __init__(
        self, loan: Loan, first: int, end: int, status: int, headers: Mapping[str, str]
    ) -> None:
        length = {"content-length": str(end - first)}
        super().__init__(None, status, {**headers, **length})
        self._loan = loan
        self._first = first
        self._end = end
        self._piece = b""

    async def begin(self) -> None:
        """Fetch the first piece. Refused if it cannot be had; else it has to be sent now."""
        self._loan.begin()
        try:
            if self._first < self._end:
                self._piece = await self._loan.piece(self._first)
        except BaseException:
            self._loan.end()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await send({"type": "http.response.start", **start})
            await self._send_all(send)
        finally:
            self._loan.end()

    async def _send_all(self, send: Send) -> None:
        place, data = self._first, self._piece
        while place < self._end:
            data = data[: self._end - place]
            place += len(data)
            more = place < self._end
            await send({"type": "http.response.body", "body": data, "more_body": more})
            if more:
                data = await self._next(place)
        if self._first == self._end:
            await send({"type": "http.response.body", "body": b""})

    async def _next(self, place: int) -> bytes:
        try:
            return await self._loan.piece(place)
        except Refused as no:
            raise trio.BrokenResourceError("the node that has the file is lost") from no
