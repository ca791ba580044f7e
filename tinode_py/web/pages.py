"""A folder of static pages: a web client."""

from __future__ import annotations

import os
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .http import Scope

# What the Python we run on may not know, or the machine's tables may get wrong.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".m4a": "audio/mp4",
    ".map": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# Pages and scripts are asked for again each time, which costs a 304: their names do not change
# with a release, and parts of two releases must not meet.
_FRESH = "no-cache"
_KEPT = "must-revalidate, public, max-age=39600"
_MEDIA = ("image/", "audio/", "video/", "font/")
_HEADERS = {
    "referrer-policy": "origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
}


class Pages(StaticFiles):
    """The files under a folder; a folder's `index.html` for the folder, 404 for the rest.

    Nothing outside the folder is served, also not through links. `headers` go with every file.
    RuntimeError if there is no such folder.
    """

    def __init__(self, folder: str, headers: Mapping[str, str] = _HEADERS) -> None:
        super().__init__(directory=folder, html=True)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file; 405 for what else is asked of one, 404 for what is not there."""
        if scope["method"] not in ("GET", "HEAD") and not self._known(path):
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def _known(self, path: str) -> bool:
        return self.lookup_path(path)[1] is not None

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        kind = _TYPES.get(os.path.splitext(full_path)[1].lower(), "")
        if kind and response.status_code < 300:
            response.headers["content-type"] = kind
        response.headers.update(self._headers)
        response.headers["cache-control"] = _KEPT if kind.startswith(_MEDIA) else _FRESH
        return response
