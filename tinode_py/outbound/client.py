"""Connections to services outside, by which something is posted.

httpx is imported with the first request, or with the first address that is looked at: most
servers never ask anybody, and it would be a fifth of the time until they serve.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs
import trio

from .base import Answer, Resolve, TooLate, TooLong

if TYPE_CHECKING:
    from .exchange import Connections


@attrs.define(eq=False)
class Client:
    """Up to so many `connections`, kept between requests. For any number of tasks.

    `silence`: seconds that a service may say nothing, and that a connection may take.
    `resolve`: which address is meant by a name and a port; what it raises ends the request. With
    it all requests are for one host, and no proxy of the environment is used.
    """

    silence: float
    connections: int
    resolve: Resolve | None = None
    _open: Connections | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._open is not None:
            await self._open.aclose()

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        within: float,
        longest: int,
        errors_too: bool = False,
    ) -> Answer:
        """The answer; its body is read if it is a good one (2xx), or with `errors_too`.

        Redirects are not followed. Raises Unanswered: NotReached, TooLate after `within`
        seconds, however steadily bytes come, TooLong for a body of more than `longest` bytes.
        """
        found, status = bytearray(), 0
        with trio.move_on_after(within) as scope:
            connections = self._open or await self._connected()
            async with connections.stream(url, body, headers) as answer:
                status = answer.status_code
                if errors_too or 200 <= status < 300:
                    async for part in answer.aiter_bytes():
                        found += part
                        if len(found) > longest:
                            scope.cancel()  # ends the reading in good order
        if len(found) > longest:
            raise TooLong(longest)
        if scope.cancelled_caught:
            raise TooLate(within)
        return Answer(status, bytes(found))

    async def _connected(self) -> Connections:
        if f"{__package__}.exchange" not in sys.modules:
            await trio.to_thread.run_sync(_load)  # some hundred milliseconds
        if self._open is None:
            self._open = _load()(self.silence, self.connections, self.resolve)
        return self._open


def _load() -> type[Connections]:
    from .exchange import Connections

    return Connections
