"""Requests and answers, by httpx. Imported by need: see `client`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping

import attrs
import httpx

from .base import NotReached, Resolve


class Whole(httpx.AsyncByteStream):
    """A body in one piece, which may be left at any point.

    httpx's own is a generator. A request that is cancelled while the body is sent leaves it to
    the garbage collector half-way, which Trio warns of.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(iter((self._content,)))


@attrs.frozen
class _Once:
    _parts: Iterable[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        raise StopAsyncIteration


class _Resolving(httpx.AsyncBaseTransport):
    """Connects to the address that a name is resolved to, under the name that was asked for.

    For one host only: connections are kept by address.
    """

    def __init__(self, resolve: Resolve, limits: httpx.Limits) -> None:
        self._inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            address = await self._resolve(url.host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{url.host}: {error}") from error
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)  # the Host header is set already
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Connections:
    """See `Client`."""

    def __init__(self, silence: float, connections: int, resolve: Resolve | None) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        through = _Resolving(resolve, limits) if resolve else None
        self._http = httpx.AsyncClient(
            transport=through,
            limits=limits,
            timeout=silence,
            follow_redirects=False,
            trust_env=resolve is None,
        )

    @contextlib.asynccontextmanager
    async def stream(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to be read. NotReached, also while it is read."""
        try:
            request = self._http.build_request("POST", url, content=body, headers=dict(headers))
            request.stream = Whole(body)
            answer = await self._http.send(request, stream=True)
            try:
                yield answer
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise NotReached(type(error).__name__, str(error)) from error

    async def aclose(self) -> None:
        await self._http.aclose()
