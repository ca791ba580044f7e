"""Pages of other origins: which may read answers (`web.cors_origins`), and whose cookies count.

Cookies travel with whatever a page makes a browser send, also a page that was never meant to
act for the user. So a cookie lets a request change something only if it comes from no page, from
a page of the server's own, or of an origin that is listed by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import attrs
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from .head import RequestHead
from .http import App, Message, Receive, Scope, Send

_DAY = "86400"
_EXPOSED = "Content-Disposition, Content-Range, ETag, Retry-After"
_NO_PAGE = ("", "same-origin", "none")  # of Sec-Fetch-Site


def _alike(origins: Iterable[str]) -> frozenset[str]:
    return frozenset(origin.lower().rstrip("/") for origin in origins)


def _origin_of(url: str) -> str:
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


@attrs.frozen
class Cors:
    """`origins` as the settings have them; `*` allows all, without cookies. `own` is the
    server's public address, if it has been told.
    """

    origins: frozenset[str] = attrs.field(converter=_alike)
    own: str = attrs.field(default="", converter=_origin_of)

    def headers(self, head: RequestHead, *, cookies: bool = True) -> Mapping[str, str]:
        """What an answer to a page of the request's origin carries."""
        origin = head.header("origin")
        if "*" in self.origins:
            return {
                "access-control-allow-origin": "*",
                "access-control-expose-headers": _EXPOSED,
            }
        if not self.origins:
            return {}
        if not origin or origin.lower() not in self.origins:
            return {"vary": "Origin"}
        return {
            "access-control-allow-origin": origin,
            **({"access-control-allow-credentials": "true"} if cookies else {}),
            "access-control-expose-headers": _EXPOSED,
            "vary": "Origin",
        }

    def preflight(
        self, head: RequestHead, methods: str, *, cookies: bool = True
    ) -> Mapping[str, str]:
        """The headers of the answer to OPTIONS."""
        allowed = dict(self.headers(head, cookies=cookies))
        allowed.pop("access-control-expose-headers", None)
        if "access-control-allow-origin" in allowed:
            wanted = head.header("access-control-request-headers")
            allowed["access-control-allow-methods"] = methods
            allowed["access-control-allow-headers"] = wanted or "*"
            allowed["access-control-max-age"] = _DAY
        return allowed

    def may_use_cookies(self, head: RequestHead) -> bool:
        """Whether the cookies of a request that changes something say who sends it."""
        origin = head.header("origin").lower()
        if not origin:
            return head.header("sec-fetch-site").lower() in _NO_PAGE
        if origin in self.origins or origin == self.own:
            return True
        return urlsplit(origin).netloc == head.header("host").lower() != ""


@attrs.frozen
class Shared:
    """An app that knows no cookies, for pages of the listed origins. Asked beforehand
    (a preflight) it answers here.
    """

    app: App
    cors: Cors
    methods: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: RequestHead = scope["state"]["head"]
        if head.method == "OPTIONS" and head.header("access-control-request-method"):
            allowed = self.cors.preflight(head, self.methods, cookies=False)
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return
        shared = self.cors.headers(head, cookies=False)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in shared.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, marked if shared else send)
