"""Who is online, where the server tells that to everybody (`users.directory`)."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx

from .errors import DISCONNECTED, ClientError
from .events import name_in

_PATH = "/v1/me/people"
_PAGE = 100
_SCHEMES = {"ws": "http", "wss": "https"}


@attrs.frozen
class Person:
    """Somebody who is online."""

    user: str
    name: str
    public: Any


@attrs.frozen
class Directory:
    """The list of a server at `url`, which is as `connect` takes it. `tls`: whom to trust."""

    url: str
    tls: ssl.SSLContext | None = None
    timeout: float = 5.0

    async def online(self, token: str) -> list[Person]:
        """All but the token's user, in order of their numbers.

        ClientError: 403 where the server tells of contacts only, 404 if it knows no such list.
        """
        found: list[Person] = []
        after = ""
        try:
            async with self._http() as http:
                while True:
                    page = await self._page(http, token, after)
                    found += [_person(item) for item in page["items"]]
                    after, before = page["next"], after
                    if not after or after <= before:
                        return found
        except httpx.HTTPError as error:
            raise ClientError(DISCONNECTED, f"no answer: {error}") from None
        except (KeyError, TypeError, ValueError):
            raise ClientError(DISCONNECTED, "the list of people makes no sense") from None

    async def _page(self, http: httpx.AsyncClient, token: str, after: str) -> Any:
        bearer = {"Authorization": f"Bearer {token}"}
        got = await http.get(_PATH, params={"after": after, "limit": _PAGE}, headers=bearer)
        if got.status_code != 200:
            raise ClientError(got.status_code, "the server does not tell who is online")
        return got.json()

    def _http(self) -> httpx.AsyncClient:
        if self.url.startswith("unix:"):
            pipe = httpx.AsyncHTTPTransport(uds=self.url.removeprefix("unix:"))
            return httpx.AsyncClient(transport=pipe, base_url="http://localhost")
        parts = urlsplit(self.url)
        base = f"{_SCHEMES.get(parts.scheme, parts.scheme)}://{parts.netloc}"
        verify: ssl.SSLContext | bool = self.tls or True
        return httpx.AsyncClient(base_url=base, verify=verify, timeout=self.timeout)


def _person(item: Any) -> Person:
    return Person(str(item["user"]), name_in(item["public"]), item["public"])
