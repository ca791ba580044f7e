"""One signed POST to a service of the operator's choice, or of whoever may make webhooks.

No redirect is followed, no proxy of the environment is used, no private address is reached
unless it is allowed, no answer is read beyond a bound, and nothing takes longer than the
deadline.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import attrs
import httpx
import trio

from ..wire.signature import HEADER, signature
from .address import Forbidden, Network, resolved

LONGEST_ANSWER = 1 << 18  # bytes


class HookError(Exception):
    """The service did not take it. `status` is what it answered, 0 if it did not."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Guarded(httpx.AsyncBaseTransport):
    """Connects to the address that was looked at, under the name that was asked for.

    For one host only: connections are kept by address.
    """

    def __init__(self, allowed: Sequence[Network], connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._resolved = functools.partial(resolved, allowed=allowed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            address = await self._resolved(url.host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{url.host}: {error}") from error
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)  # the Host header is set already
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def new_client(allowed: Sequence[Network], timeout: float, connections: int) -> httpx.AsyncClient:
    """A client for one host."""
    return httpx.AsyncClient(
        transport=Guarded(allowed, connections),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


@attrs.frozen
class Poster:
    """Posts JSON to one address. `now` is in milliseconds, `timeout` in seconds, for all of it.

    The `former` secret signs as well until `former_until` (ms).
    """

    client: httpx.AsyncClient
    url: str
    secret: str = attrs.field(repr=False)
    timeout: float
    now: Callable[[], int]
    former: str = attrs.field(default="", repr=False)
    former_until: int = 0

    async def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The body of a good answer (2xx), or HookError."""
        sent = {"content-type": "application/json", **headers}
        if self.secret:
            now = self.now()
            former = self.former if now < self.former_until else ""
            sent[HEADER] = signature(self.secret, now // 1000, body, former)
        try:
            with trio.move_on_after(self.timeout) as scope:
                return await self._exchange(body, sent, scope)
        except Forbidden as error:
            raise HookError(str(error)) from None
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise HookError(f"{type(error).__name__}: {error}") from None
        if trio.current_time() < scope.deadline:
            raise _too_long()
        raise HookError(f"no answer in {self.timeout:g} seconds")

    async def _exchange(
        self, body: bytes, headers: Mapping[str, str], scope: trio.CancelScope
    ) -> bytes:
        found = bytearray()
        async with self.client.stream("POST", self.url, content=body, headers=headers) as answer:
            status = answer.status_code
            if 300 <= status < 400:
                raise HookError(f"answered {status}: redirects are not followed", status)
            if not 200 <= status < 300:
                raise HookError(f"answered {status}", status)
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > LONGEST_ANSWER:
                    scope.cancel()  # ends the reading in good order
        if len(found) > LONGEST_ANSWER:
            raise _too_long()
        return bytes(found)


def _too_long() -> HookError:
    return HookError(f"the answer is longer than {LONGEST_ANSWER} bytes")
