"""The business API as an ASGI app: one route for each path, errors as problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import attrs
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from ...errors import INTERNAL, Refused, StoreError
from ..cors import Cors, Shared
from ..exact import Below, Exact
from ..http import App, Receive, Scope, Send
from . import openapi, webhooks
from .access import Caller
from .backend import Backend, Call, Handler
from .contract import OPERATIONS
from .handing import QUESTION, Desk, answered
from .handlers import HANDLERS
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
    """The API below `/v1`, and what other nodes hand to this one of it."""
    if backend.hub.companions is not None:
        desk = Desk(backend, webhooks.HERE)
        backend.hub.companions.answerers[QUESTION] = desk.answer
    by_path: dict[str, dict[str, _Endpoint]] = {}
    for operation in OPERATIONS:
        endpoint = _Endpoint(backend, operation, handlers.get(operation.id, _not_built))
        by_path.setdefault(operation.path, {})[operation.method] = endpoint
    cors = Cors(backend.settings.web.cors_origins, backend.settings.web.public_url)

    def whole(app: App) -> App:
        safe = ServerErrorMiddleware(app, handler=_unexpected)
        return Shared(safe, cors, ", ".join(get_args(Method)))

    exact = [Exact(path, whole(_Path(of))) for path, of in by_path.items() if "{" not in path]
    others = [
        Route(path.removeprefix(PREFIX), _Path(of)) for path, of in by_path.items() if "{" in path
    ]
    below = Router(others, redirect_slashes=False, default=_nothing)
    return [*exact, Below(PREFIX, whole(below))]


async def _not_built(call: Call) -> None:
    raise Problem(501, "not built yet")


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await Problem(404, "Not Found").response()(scope, receive, send)


@attrs.frozen
class _Path:
    """One path. All that is refused is answered; a bug is not."""

    endpoints: Mapping[str, _Endpoint]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        except Refused as no:
            response = refused(no).response()
        except StoreError:
            response = Problem(503, "the store failed; nothing was changed").response()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self.endpoints.get(method)
        if endpoint is None:
            known = {*self.endpoints, "HEAD"} if "GET" in self.endpoints else set(self.endpoints)
            allowed = {"Allow": ", ".join(sorted(known))}
            raise Problem(405, "Method Not Allowed", headers=allowed)
        return await endpoint.answer(request)


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
        return answered(operation, await self.handler(call))

    def _limit(self) -> int:
        times = _BATCH if self.operation.id == "sendMessages" else _BODY
        return times * self.backend.settings.limits.message_size


async def _unexpected(request: Request, error: Exception) -> Response:
    return Problem.of(INTERNAL).response()
