"""Settings at run time, at the operator's own door (`control`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..audit import Action, Actor, AuditEntry, command_door
from ..changes import Change, PutAudit
from ..config import ConfigError
from ..errors import StoreError
from ..live.standing import Standing
from ..runtime import secret_keys

_BODY = 1_048_576  # bytes of a request


@attrs.frozen
class _Wanted:
    """`key=value` each, and keys to be forgotten."""

    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


def settings_routes(standing: Standing, now: Callable[[], int]) -> Sequence[BaseRoute]:
    return (Route("/settings", _Desk(standing, now).change, methods=["POST"]),)


@attrs.frozen
class _Desk:
    standing: Standing
    now: Callable[[], int]

    async def change(self, request: Request) -> Response:
        """`{"set": ["limits.tags=3"]}` or `{"unset": ["limits.tags"]}`; 400 names the key."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _BODY:
                return JSONResponse({"error": f"more than {_BODY} bytes of settings"}, 413)
        try:
            wanted = msgspec.json.decode(body, type=_Wanted)
            noted = partial(self._noted, request)
            found, gone = {}, []
            if wanted.set:
                found = await self.standing.set(wanted.set, partial(noted, "setting.set"))
            if wanted.unset:
                gone = await self.standing.unset(wanted.unset, partial(noted, "setting.unset"))
        except (msgspec.DecodeError, ConfigError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": f"not stored: {error}"}, 503)
        return Response(self._told(found, gone), media_type="application/json")

    def _noted(self, request: Request, action: Action, names: Iterable[str]) -> tuple[Change, ...]:
        """For the audit, in the same transaction: who did it, and to which keys."""
        door = command_door(self.standing.settings.server.listen)
        actor = Actor(door, "", request.headers.get("user-agent", ""))
        return tuple(PutAudit(AuditEntry(self.now(), actor, action, name)) for name in names)

    def _told(self, found: dict[str, Any], gone: list[str]) -> bytes:
        secret = secret_keys(self.standing.settings)
        shown = {name: "(secret)" if name in secret else value for name, value in found.items()}
        return msgspec.json.encode({"set": shown, "unset": gone})
