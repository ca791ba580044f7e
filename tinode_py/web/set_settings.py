"""Settings at run time, at the operator's own door (`control`)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Any

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..audit import Action, AuditEntry
from ..changes import Change
from ..changes_backend import PutAudit
from ..config import ConfigError
from ..errors import StoreError
from ..live.standing import Overtaken, Standing
from ..runtime import secret_keys
from .apikey import ApiKeys
from .small import command_of, small_body

_BODY = 1_048_576  # bytes of a request
_SALT = 32  # bytes


@attrs.frozen
class _Wanted:
    """`key=value` each, and keys to be forgotten."""

    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    grace: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = 86_400


class _TooLong(Exception):
    """A request that nobody makes by accident."""


async def _read(request: Request) -> bytes:
    body = await small_body(request, _BODY)
    if body is None:
        raise _TooLong(f"more than {_BODY} bytes of settings")
    return body


def settings_routes(
    standing: Standing, now: Callable[[], int], random_bytes: Callable[[int], bytes]
) -> Sequence[BaseRoute]:
    desk = _Desk(standing, now, random_bytes)
    return (
        Route("/settings", desk.change, methods=["POST"]),
        Route("/api-salt", desk.rotate, methods=["POST"]),
    )


@attrs.frozen
class _Desk:
    standing: Standing
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]

    async def rotate(self, request: Request) -> Response:
        """`{"grace": seconds}`: another salt for API keys; a key made with it.

        409 if somebody else did so meanwhile: of two at once, one would void the other's key.
        """
        web = self.standing.settings.web
        salt = base64.b64encode(self.random_bytes(_SALT)).decode()
        try:
            wanted = msgspec.json.decode(await _read(request), type=_Rotation)
            until = self.now() + wanted.grace * 1000
            new = {
                "web.api_salt": salt,
                "web.former_api_salt": web.api_salt,
                "web.former_api_until": until,
            }
            items = [f"{name}={value}" for name, value in new.items()]
            noted = partial(self._noted, request, "setting.set")
            await self.standing.set(items, noted, lambda now: now.web.api_salt == web.api_salt)
        except Overtaken:
            return JSONResponse({"error": "somebody else has just rotated the salt"}, 409)
        except (msgspec.DecodeError, ConfigError, _TooLong) as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": f"not stored: {error}"}, 503)
        return JSONResponse({"apikey": ApiKeys(salt).make(), "until": until})

    async def change(self, request: Request) -> Response:
        """`{"set": ["limits.tags=3"]}` or `{"unset": ["limits.tags"]}`; 400 names the key."""
        try:
            wanted = msgspec.json.decode(await _read(request), type=_Wanted)
            noted = partial(self._noted, request)
            found, gone = {}, []
            if wanted.set:
                found = await self.standing.set(wanted.set, partial(noted, "setting.set"))
            if wanted.unset:
                gone = await self.standing.unset(wanted.unset, partial(noted, "setting.unset"))
        except (msgspec.DecodeError, ConfigError, _TooLong) as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": f"not stored: {error}"}, 503)
        return Response(self._told(found, gone), media_type="application/json")

    def _noted(self, request: Request, action: Action, names: Iterable[str]) -> tuple[Change, ...]:
        """For the audit, in the same transaction: who did it, and to which keys."""
        actor = command_of(request, self.standing.settings)
        return tuple(PutAudit(AuditEntry(self.now(), actor, action, name)) for name in names)

    def _told(self, found: dict[str, Any], gone: list[str]) -> bytes:
        secret = secret_keys(self.standing.settings)
        shown = {name: "(secret)" if name in secret else value for name, value in found.items()}
        return msgspec.json.encode({"set": shown, "unset": gone})
