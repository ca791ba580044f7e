"""Requests that only one node can carry out: they are handed to it, with who asks, and its answer
is this node's answer. There they are not looked at again, but carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ...errors import Refused, StoreError
from .access import Caller
from .backend import Backend, Call, Handler
from .contract import OPERATIONS
from .members import sent
from .operation import Operation
from .problem import Problem, refused
from .reading import parse_body, read_query

QUESTION = "v1"
_CALLER = tuple(field.name for field in attrs.fields(Caller))


@attrs.frozen(kw_only=True)
class Handed:
    """A request as one node hands it to another: what the operation is called, the parameters of
    its path, its query string, its body as JSON, and who asks, by the members of `Caller`.
    """

    operation: str
    path: dict[str, str]
    query: bytes
    body: bytes | None
    caller: dict[str, Any]


def handed(job: str, operation: str, handler: Handler) -> Handler:
    """A handler that has the node of a job do what `handler` does."""

    async def at_its_place(call: Call) -> Any:
        companions = call.backend.hub.companions
        if companions is None:
            return await handler(call)
        request = Handed(
            operation=operation,
            path=dict(call.path),
            query=call.request.scope["query_string"],
            body=None if call.body is None else msgspec.json.encode(sent(call.body)),
            caller={name: getattr(call.caller, name) for name in _CALLER},
        )
        answer = await companions.ask_at(job, QUESTION, **attrs.asdict(request, recurse=False))
        return Response(answer["body"], answer["status"], media_type=answer["media"])

    return at_its_place


@attrs.frozen
class Desk:
    """Answers what other nodes hand to this one: the operations in `handlers`."""

    backend: Backend
    handlers: Mapping[str, Handler]

    async def answer(self, **handed: Any) -> dict[str, Any]:
        """Carry out a request, the members of a `Handed`; never raises for what it is about."""
        response = await self._carried_out(Handed(**handed))
        body = bytes(response.body)
        return {"status": response.status_code, "body": body, "media": response.media_type}

    async def _carried_out(self, handed: Handed) -> Response:
        wanted = next((it for it in OPERATIONS if it.id == handed.operation), None)
        if wanted is None or handed.operation not in self.handlers:
            return Problem(501, f"this node does not know {handed.operation[:40]!r}").response()
        try:
            call = self._call(wanted, handed)
            return answered(wanted, await self.handlers[wanted.id](call))
        except Problem as problem:
            return problem.response()
        except Refused as no:
            return refused(no).response()
        except StoreError:
            return Problem(503, "the store failed; nothing was changed").response()

    def _call(self, wanted: Operation, handed: Handed) -> Call:
        request = Request({"type": "http", "query_string": handed.query, "headers": []})
        known = {name: it for name, it in handed.caller.items() if name in _CALLER}
        body = None
        if wanted.body is not None and handed.body is not None:
            body = parse_body(handed.body, wanted.body, 2 * len(handed.body))
        asked = read_query(request, wanted.query)
        return Call(self.backend, Caller(**known), request, handed.path, body, asked)


def answered(operation: Operation, done: Any) -> Response:
    """What a handler has answered, as a response."""
    if isinstance(done, Response):
        return done
    if done is None:
        return Response(status_code=operation.status)
    text = msgspec.json.encode(sent(done))
    return Response(text, operation.status, media_type="application/json")
