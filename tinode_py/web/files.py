"""`/v0/file/u/` takes files, `/v0/file/s/<name>` gives them.

The order of checks is the reference's: OPTIONS, the method, the API key, who it is; then the
file. Any user may fetch any file whose name he knows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from .. import errors
from ..config import Settings
from ..core.uploads import PATH as DOWN
from ..errors import Answer, Refused, StoreError
from ..live.uploads import Uploads
from ..media.base import MediaError
from ..media.kinds import extension
from ..records import Upload
from ..wire.times import time_text
from .answers import JSON, ctrl_body
from .cors import Cors
from .credentials import of_request, query_of
from .download import answer_of
from .gate import Gate
from .head import RequestHead
from .http import Receive, Scope, Send
from .lent import LentResponse
from .upload import Bounds, Incoming

log = logging.getLogger(__name__)

UP = "/v0/file/u/"
_NAME = re.compile(r"([A-Za-z0-9_-]{11})(?:\..*)?")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_EARLY = frozenset({errors.TOO_LARGE, errors.TOO_SLOW, errors.UNAVAILABLE})  # body not read


@attrs.frozen
class Files:
    """The two routes."""

    gate: Gate
    uploads: Uploads
    cors: Cors

    @classmethod
    def of(cls, settings: Settings, gate: Gate, uploads: Uploads) -> Files:
        """As the settings say."""
        web = settings.web
        return cls(gate, uploads, Cors(web.cors_origins, web.public_url))

    @property
    def bounds(self) -> Bounds:
        limits = self.uploads.settings.limits
        return Bounds(limits.file_size, limits.upload_time)

    def routes(self) -> list[BaseRoute]:
        taking = _Endpoint(self, self._upload, ("POST", "PUT", "HEAD"))
        giving = _Endpoint(self, self._download, ("GET", "HEAD"))
        return [
            Route(UP + "{rest:path}", taking),  # what follows does not count
            Route(DOWN, giving),
            Route(DOWN + "{name}", giving),
            *(Route(path.rstrip("/"), _Slash(path)) for path in (UP, DOWN)),
        ]

    def ctrl(self, answer: Answer, ident: str = "", params: Any = None) -> Response:
        body = ctrl_body(answer, self.uploads.now(), ident, params)
        closing = {"connection": "close"} if answer in _EARLY else {}
        return Response(body, answer.code, {"content-type": JSON, **closing})

    async def _upload(self, request: Request, head: RequestHead) -> Response:
        incoming = Incoming(request, head, self.gate, self.uploads, self.bounds, self.cors)
        try:
            if head.method == "HEAD":
                await incoming.probe()
                return self.ctrl(errors.OK)
            upload = await incoming.take()
        except Refused as no:
            return self.ctrl(no.answer, incoming.ident, no.params)
        except (StoreError, MediaError):
            log.exception("an upload could not be kept")
            return self.ctrl(errors.INTERNAL, incoming.ident)
        return self.ctrl(errors.OK, incoming.ident, self._params(upload))

    def _params(self, upload: Upload) -> Mapping[str, str]:
        url = DOWN + upload.id + extension(upload.type)
        return {"url": url, "expires": time_text(self.uploads.expires(upload))}

    async def _download(self, request: Request, head: RequestHead) -> Response:
        self.gate.check_key(head)
        query = query_of(head)
        address = self.gate.address(request)
        if not await self.gate.user(of_request(head), query.get("sid", ""), address):
            raise Refused(errors.AUTH_REQUIRED)
        match = _NAME.fullmatch(request.path_params.get("name", ""))
        upload = await self.uploads.find(match[1]) if match else None
        if upload is None:
            raise Refused(errors.NOT_FOUND)
        attached = query.get("asatt", "") in _TRUE
        place = await self.uploads.shelf.locate(upload, attached=attached)
        if place is None and self.uploads.lending is not None:
            loan = await self.uploads.lending.find(upload)
            answer = answer_of(request, head, upload, loan, attached=attached)
            if isinstance(answer, LentResponse) and head.method != "HEAD":
                await answer.begin()
            return answer
        if place is None:
            log.error("the bytes of an upload are missing", extra={"upload": upload.id})
            raise Refused(errors.NOT_FOUND)
        if not isinstance(place, Path):
            return RedirectResponse(place, headers={"cache-control": "no-store"})
        return answer_of(request, head, upload, place, attached=attached)


@attrs.frozen
class _Slash:
    """A path that lacks its slash."""

    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        target = self.path + ("?" + query if query else "")
        await RedirectResponse(target)(scope, receive, send)


@attrs.frozen
class _Endpoint:
    """What both routes have in common: OPTIONS, methods, refusals, headers for other origins."""

    files: Files
    work: Callable[[Request, RequestHead], Awaitable[Response]]
    methods: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: RequestHead = scope["state"]["head"]
        cors = self.files.cors
        if head.method == "OPTIONS":
            allowed = cors.preflight(head, ", ".join((*self.methods, "OPTIONS")))
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return
        response = await self._answer(Request(scope, receive), head)
        for name, value in cors.headers(head).items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request, head: RequestHead) -> Response:
        if head.method not in self.methods:
            return self.files.ctrl(errors.NOT_ALLOWED)
        try:
            return await self.work(request, head)
        except Refused as no:
            return self.files.ctrl(no.answer, query_of(head).get("id", ""), no.params)
        except ClientDisconnect:
            return self.files.ctrl(errors.MALFORMED)  # nobody reads it
        except (StoreError, MediaError):
            log.exception("a file could not be given")
            return self.files.ctrl(errors.INTERNAL)
