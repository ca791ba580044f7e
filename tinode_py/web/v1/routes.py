"""The business API as an ASGI app: one route for each path, errors as problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import attrs
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from ...errors import INTERNAL, Refused, StoreError
from ..cors import Cors, Shared
from . import openapi
from .access import Caller
from .backend import Backend, Call, Handler
from .contract import OPERATIONS
from .handlers import HANDLERS
from .members import sent
from .operation import OPEN, Method, Operation
from .problem import Problem, refused
from .reading import read_body, read_query

PREFIX = "/v1"
_BODY = 4  # times `limits.message_size`
_BATCH = 16  # the same, where a request holds many messages
NOBODY = Caller("", frozenset())


def business_routes(
    backend: Backend, handlers: Mapping[str, Handler] = HANDLERS
) -> Sequence[BaseRoute]:
    """The API below `/v1`."""
    by_path: dict[str, dict[str, _Endpoint]] = {}
    for operation in OPERATIONS:
        endpoint = _Endpoint(backend, operation, handlers.get(operation.id, _not_built))
        by_path.setdefault(operation.path, {})[operation.method] = endpoint
    routes = [
        Route(path.removeprefix(PREFIX), _Methods(found).answer, methods=list(found))
        for path, found in by_path.items()
    ]
    routes.sort(key=lambda route: "{" in route.path)  # `/v1/users/search` before `/v1/users/{user}`
    app = Starlette(
        routes=routes,
        exception_handlers={
            Problem: _problem,
            Refused: _refused,
            StoreError: _store_failed,
            HTTPException: _http_error,
            Exception: _unexpected,
        },
    )
    app.router.redirect_slashes = False
    cors = Cors(backend.settings.web.cors_origins, backend.settings.web.public_url)
    return [Mount(PREFIX, Shared(app, cors, ", ".join(get_args(Method))))]


async def _not_built(call: Call) -> None:
    raise Problem(501, "not built yet")


@attrs.frozen
class _Methods:
    """One path."""

    endpoints: Mapping[str, _Endpoint]

    async def answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await self.endpoints[method].answer(request)


@attrs.frozen
class _Endpoint:
    """One operation: who asks, what for, do it, answer."""

    backend: Backend
    operation: Operation
    handler: Handler

    async def answer(self, request: Request) -> Response:
        operation = self.operation
        if operation.id == "readContract":
            return Response(openapi.text(), media_type="application/json")
        caller = NOBODY
        if operation.scope != OPEN:
            caller = await self.backend.gate.authorized(request, operation.scope)
        query = read_query(request, operation.query)
        body = await read_body(request, operation.body, self._limit()) if operation.body else None
        call = Call(self.backend, caller, request, request.path_params, body, query)
        done = await self.handler(call)
        if isinstance(done, Response):
            return done
        if done is None:
            return Response(status_code=operation.status)
        text = msgspec.json.encode(sent(done))
        return Response(text, operation.status, media_type="application/json")

    def _limit(self) -> int:
        times = _BATCH if self.operation.id == "sendMessages" else _BODY
        return times * self.backend.settings.limits.message_size


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refused(error).response()


async def _store_failed(request: Request, error: Exception) -> Response:
    return Problem(503, "the store failed; nothing was changed").response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = error.headers
    return Problem(error.status_code, error.detail, headers=headers).response()


async def _unexpected(request: Request, error: Exception) -> Response:
    return Problem.of(INTERNAL).response()
