"""The pages of our own: the chat client at `/`, the operators' page at `/admin/`.

Both are files of the folder `page`, and a little that these must know.

A page may load and connect to nothing but its own server, and runs no script but its files:
the policy says so to the browser. Nothing of it is secret, so no key is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ..config import ConfigError, Settings
from ..settings.serving import Web
from .apikey import ApiKeys
from .http import Scope
from .pages import Pages

FOLDER = Path(__file__).parent / "page"
ABOUT = "server.json"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class ChatPage(Pages):
    """The page's files by name; `server.json` tells the key that opens a websocket here."""

    def __init__(self, web: Web, index: str = "index.html") -> None:
        super().__init__(str(FOLDER), _HEADERS)
        self._key = page_key(web)
        self._index = index

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What lets other settings hold for who loads the page afterwards."""
        key = page_key(settings.web)
        return lambda: setattr(self, "_key", key)

    async def get_response(self, path: str, scope: Scope) -> Response:
        path = self._index if path == "." else path
        if path == ABOUT and scope["method"] in ("GET", "HEAD"):
            return JSONResponse(
                {"apikey": self._key}, headers={**_HEADERS, "cache-control": "no-cache"}
            )
        return await super().get_response(path, scope)


def page_key(web: Web) -> str:
    """A key that is valid under these settings: the first listed, or one made from the salt.

    Empty if no key is valid, so that nobody comes in. ValueError if the salt is not base64.
    """
    if web.api_keys:
        return web.api_keys[0]
    return ApiKeys(web.api_salt).make() if web.api_salt else ""


def admin_page(web: Web) -> ChatPage | None:
    """The operators' page, unless it is turned off."""
    return ChatPage(web, "admin.html") if web.admin else None


def admin_routes(page: ChatPage | None) -> Sequence[BaseRoute]:
    """`/admin/`. What can be done there, the API decides."""
    if page is None:
        return ()
    to_folder = RedirectResponse("admin/", 307)  # files are named from there
    return Route("/admin", to_folder), Mount("/admin", page)


def made_pages(web: Web) -> Pages | None:
    """What `/` shows, as the settings say: a folder of the operator's, the page, or nothing.

    ConfigError if there is no such folder.
    """
    if web.static:
        try:
            return Pages(web.static)
        except RuntimeError as error:
            raise ConfigError("web.static", str(error)) from None
    return ChatPage(web) if web.page else None
