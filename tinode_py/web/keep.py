"""How long a topic keeps its messages, at the operator's own door (`control`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..audit import AuditEntry
from ..changes import Batch, PutRetention
from ..changes_backend import PutAudit
from ..errors import StoreError
from ..live.hub import Hub
from ..queries import TopicByName
from .small import command_of, small_body

LONGEST = 36_500  # days
_BODY = 4096  # bytes of a request


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """`days`: 0 is for ever, null as the settings say."""

    topic: str
    days: Annotated[int, msgspec.Meta(ge=0, le=LONGEST)] | None


def retention_routes(hub: Hub) -> Sequence[BaseRoute]:
    return (Route("/retention", _Desk(hub).change, methods=["POST"]),)


@attrs.frozen
class _Desk:
    hub: Hub

    async def change(self, request: Request) -> Response:
        body = await small_body(request, _BODY)
        if body is None:
            return JSONResponse({"error": "too large"}, 413)
        try:
            wanted = msgspec.json.decode(body, type=_Wanted)
            if await self.hub.store.fetch(TopicByName(wanted.topic)) is None:
                return JSONResponse({"error": f"there is no topic {wanted.topic!r}"}, 404)
            await self._put(request, wanted)
        except msgspec.DecodeError as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": f"not stored: {error}"}, 503)
        return JSONResponse({})

    async def _put(self, request: Request, wanted: _Wanted) -> None:
        actor = command_of(request, self.hub.settings)
        detail = msgspec.json.encode({"changed": ["retention"]})
        entry = AuditEntry(self.hub.now(), actor, "topic.change", wanted.topic, detail)
        await self.hub.store.commit(
            Batch((PutRetention(wanted.topic, wanted.days), PutAudit(entry)))
        )
