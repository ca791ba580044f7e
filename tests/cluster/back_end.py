"""The business API of a node without a socket, so that a virtual clock may drive it."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.applications import Starlette

from tests.web.v1.conftest import Api, key_for
from tinode_py.testing import RunningServer
from tinode_py.web.head import RequestHead
from tinode_py.web.v1.backend import Backend
from tinode_py.web.v1.routes import business_routes


async def api_of(server: RunningServer) -> Api:
    """With a key that may do all."""
    inner = server.server
    routes = business_routes(Backend.over(inner.hub, inner.entrance, inner.events))
    app = Starlette(routes=list(routes))

    async def fronted(scope: Any, receive: Any, send: Any) -> None:
        head = RequestHead(scope["method"], scope["path"], tuple(scope["headers"]), "1.1")
        await app({**scope, "state": {"head": head}}, receive, send)

    transport = httpx.ASGITransport(fronted, client=("127.0.0.1", 1))
    http = httpx.AsyncClient(transport=transport, base_url="http://node", timeout=None)
    return Api(http, await key_for(server))
