"""The ASGI app behind the front: everything that is not a websocket.

A route that others add is given in `routes`; static pages come last, so that they never hide
one. Every error is a {ctrl} in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qs

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from .. import errors
from ..errors import Answer
from .answers import TEXT, ctrl_response
from .exact import by_path
from .handshake import BAD_HANDSHAKE, PATH, Doors
from .head import RequestHead
from .http import App, Receive, Scope, Send
from .pages import Pages
from .small import small_body
from .v1.problem import Problem

_ODD_ESCAPES = re.compile(rb"%(?:2[ef]|5c|00)", re.IGNORECASE)
_TO_THE_END = ("/health/", "/v0/channels/lp")
_FORM_SIZE = 65_536  # bytes of a form that is read for the key alone
_BY_STATUS = {
    answer.code: answer
    for answer in (errors.MALFORMED, errors.NOT_FOUND, errors.NOT_ALLOWED, errors.TOO_LARGE)
}


@attrs.frozen
class Site:
    """What the app asks its surroundings."""

    doors: Doors
    ready: Callable[[], bool]  # whether new work is taken
    draining: Callable[[], bool]
    now: Callable[[], int]  # milliseconds since 1970


def make_app(site: Site, pages: Pages | None = None, routes: Sequence[BaseRoute] = ()) -> App:
    """The app; `pages` are for `/`."""
    mounts = [Mount("/", pages)] if pages else []
    starlette = Starlette(
        routes=[
            Route("/health/live", _Health(site, lambda: True).answer),
            Route("/health/ready", _Health(site, site.ready).answer),
            Route(PATH, _Channels(site)),
            *routes,
            *mounts,
        ],
        exception_handlers={
            HTTPException: _Failures(site).expected,
            Exception: _Failures(site).unexpected,
        },
    )
    starlette.router.redirect_slashes = False
    return _Outer(starlette, by_path(routes), site)


@attrs.frozen
class _Outer:
    """Refuses new requests while the server drains, and paths that mean another by escapes.

    Health is told to the end, and polls fetch what waits for them. `exact` are apps by path.
    """

    app: App
    exact: Mapping[str, App]
    site: Site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if self.site.draining() and not scope["path"].startswith(_TO_THE_END):
            answer = errors.UNAVAILABLE
        elif _ODD_ESCAPES.search(scope["raw_path"]):
            answer = errors.NOT_FOUND
        if answer is None:
            app = self.exact.get(scope["path"], self.app)
            await app(scope, receive, send)
            return
        closing = {"connection": "close"} if self.site.draining() else None
        if scope["path"].startswith("/v1/"):
            response = Problem(answer.code, answer.text, headers=closing).response()
        else:
            response = ctrl_response(answer, self.site.now(), headers=closing)
        await response(scope, receive, send)


@attrs.frozen
class _Health:
    site: Site
    well: Callable[[], bool]

    async def answer(self, request: Request) -> Response:
        answer = errors.OK if self.well() else errors.UNAVAILABLE
        return ctrl_response(answer, self.site.now())


@attrs.frozen
class _Channels:
    """The websocket's address for requests that open none."""

    site: Site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        head: RequestHead = request.scope["state"]["head"]
        doors = self.site.doors
        refusal = doors.refusal(head, {})
        if refusal is errors.KEY_REQUIRED and head.method in ("POST", "PUT"):
            refusal = doors.refusal(head, await form_of(request))
        if refusal is None or refusal is BAD_HANDSHAKE:
            version = {"sec-websocket-version": "13"}
            return PlainTextResponse(BAD_HANDSHAKE.text, BAD_HANDSHAKE.code, version)
        return ctrl_response(refusal, self.site.now(), TEXT)


async def form_of(request: Request) -> Mapping[str, str]:
    """The text fields of a small form, the first of each name; empty if there is no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return _first(parse_qs(await _text(request), errors="replace"))
        if kind == "multipart/form-data":
            async with request.form(max_files=4, max_fields=64, max_part_size=_FORM_SIZE) as form:
                texts = [(k, v) for k, v in form.multi_items() if isinstance(v, str)]
            return dict(reversed(texts))
    except (ClientDisconnect, MultiPartException, HTTPException):
        pass
    return {}


def _first(fields: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    return {name: values[0] for name, values in fields.items()}


async def _text(request: Request) -> str:
    body = await small_body(request, _FORM_SIZE) or b""
    return body.decode("utf-8", "replace")


@attrs.frozen
class _Failures:
    site: Site

    async def expected(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        answer = _BY_STATUS.get(status) or Answer(status, "refused")
        headers = error.headers if isinstance(error, HTTPException) else None
        return ctrl_response(answer, self.site.now(), headers=headers)

    async def unexpected(self, request: Request, error: Exception) -> Response:
        return ctrl_response(errors.INTERNAL, self.site.now())
