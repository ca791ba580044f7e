"""What a worker answers the others: polling sessions that it has, and its figures.

A Unix socket in a folder that only this user can enter, so nobody is asked for anything here.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import attrs
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..config import ConfigError, Settings
from ..settings.serving import Web
from ..worker import Worker
from .front import Front
from .handshake import Doors
from .listen import AddressError, open_listeners
from .neighbours import STATISTICS
from .polled import PolledSessions
from .websocket import NewSession

MODE = 0o600


@attrs.frozen
class Told:
    """What one worker tells the others."""

    polled: PolledSessions
    figures: Callable[[], Mapping[str, Any]]
    routes: tuple[BaseRoute, ...]  # what is answered here as at the front

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/session/{sid}", self._session),
                Route(STATISTICS, self._statistics),
                *self.routes,
            ]
        )

    async def _session(self, request: Request) -> Response:
        user = self.polled.user_here(request.path_params["sid"])
        return Response(user or "", 404 if user is None else 200)

    async def _statistics(self, request: Request) -> Response:
        return JSONResponse(self.figures())


@contextlib.asynccontextmanager
async def at_door(
    worker: Worker, settings: Settings, told: Told, begin: NewSession
) -> AsyncIterator[None]:
    """Answer the other workers while the block runs. ConfigError if there can be no door."""
    try:
        listeners = await open_listeners([f"unix:{worker.door(worker.number)}"], unix_mode=MODE)
    except AddressError as error:
        raise ConfigError("server.data", str(error)) from None
    front = Front(settings, begin, told.app(), Doors.of(Web()))
    async with trio.open_nursery() as nursery:
        await nursery.start(front.serve, listeners)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
