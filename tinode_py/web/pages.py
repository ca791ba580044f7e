"""A folder of static pages: a web client."""

from __future__ import annotations

import os

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .http import Scope

# What the Python we run on may not know, or the machine's tables may get wrong.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".map": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_HEADERS = {
    "cache-control": "must-revalidate, public, max-age=39600",
    "referrer-policy": "origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
}


class Pages(StaticFiles):
    """The files under a folder; a folder's `index.html` for the folder, 404 for the rest.

    Nothing outside the folder is served, also not through links. RuntimeError if there is no
    such folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(directory=folder, html=True)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        kind = _TYPES.get(os.path.splitext(full_path)[1].lower())
        if kind and response.status_code < 300:
            response.headers["content-type"] = kind
        response.headers.update(_HEADERS)
        return response
