"""The operator's door: a Unix socket in the data folder, for whoever owns that folder.

A session that begins here is root's from its first packet on, under a name that no account
has, and says with `extra.obo` for whom it acts. So what the command line asks takes the way
of every other request, and there is no second set of rules. Whoever can open the socket
(mode 600) could as well read the key that signs tokens, which lies beside it.

What no packet asks for is plain HTTP on the same socket: figures, live sessions, root's level,
and the business API, for which no key is needed here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..access import Level
from ..audit import AuditEntry, Door, command_door
from ..changes import Batch, PutLogin
from ..changes_backend import PutAudit
from ..config import Settings
from ..errors import Refused
from ..live.everywhere import LiveSession
from ..live.hub import Hub
from ..live.outbox import ConnectionInfo, Outlet
from ..live.session import Session
from ..live.sockets import peer_user
from ..queries import LoginByName
from ..settings.serving import Web
from ..store.base import Store
from .front import Front
from .handshake import Doors
from .listen import AddressError, inherited
from .operator_socket import NO_DOOR, open_door
from .small import command_of, small_body

log = logging.getLogger(__name__)

OPERATOR = "usrAAAAAAAAAAA"  # the number zero, which no account has
_BODY = 4096  # bytes of a request
_PAGE = 1000  # users looked at together


@attrs.frozen
class Desk:
    """What is done for the operator outside sessions."""

    hub: Hub
    store: Store
    figures: Callable[[], Awaitable[Mapping[str, Any]]]
    more: Sequence[BaseRoute] = ()  # the business API, without a key, and the settings

    @property
    def door(self) -> Door:
        return command_door(self.hub.settings.server.listen)

    async def statistics(self, request: Request) -> Response:
        return JSONResponse(await self.figures())

    async def sessions(self, request: Request) -> Response:
        """Live sessions of all nodes, as far as they have logged in."""
        found: list[LiveSession] = []
        after = ""
        everywhere = self.hub.everywhere
        while users := everywhere.users_after(after, _PAGE):
            after = users[-1]
            try:
                found += chain.from_iterable((await everywhere.sessions(users)).values())
            except Refused as no:
                return JSONResponse({"error": no.answer.text}, 502)
        return JSONResponse(
            [
                {"user": it.user, "session": it.sid, "n": it.number, "platform": it.platform}
                for it in found
            ]
        )

    async def level(self, request: Request) -> Response:
        """`{"scheme", "login", "level"}`: what a login grants from its next use on; 404."""
        body = await small_body(request, _BODY)
        if body is None:
            return JSONResponse({"error": "too large"}, 413)
        try:
            asked = msgspec.json.decode(body, type=_Level)
        except msgspec.DecodeError as error:
            return JSONResponse({"error": str(error)}, 400)
        row = await self.store.fetch(LoginByName(asked.scheme, asked.login))
        if row is None:
            return JSONResponse({"error": "no such login"}, 404)
        level = Level(asked.level)
        changed = PutLogin(attrs.evolve(row, level=level))
        actor = command_of(request, self.hub.settings)
        detail = msgspec.json.encode({"level": level.text})
        entry = AuditEntry(self.hub.now(), actor, "user.level", row.user, detail)
        await self.store.commit(Batch((changed, PutAudit(entry))))
        return JSONResponse({"user": row.user})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/statistics", self.statistics),
                Route("/sessions", self.sessions),
                Route("/level", self.level, methods=["POST"]),
                *self.more,
            ]
        )


@attrs.frozen
class _Level:
    scheme: str
    login: str
    level: int = attrs.field(validator=attrs.validators.in_([20, 30]))


def may_control(user: int | None, own: int) -> bool:
    """Whether a user of the system may give commands to a server that runs as `own`: root, and
    the same one. Where the system does not say who it is (None), the socket's mode must do.
    """
    return user is None or user in (0, own)


def _turned_away(stream: trio.abc.Stream) -> int:
    user = peer_user(stream)
    if may_control(user, os.geteuid()):
        return 0
    log.warning("the control socket was opened by user %s, who is not the server's: refused", user)
    return 403


@contextlib.asynccontextmanager
async def controlled(
    folder: Path,
    settings: Settings,
    desk: Desk,
    begin: Callable[[Outlet, ConnectionInfo], Session],
    given: Sequence[int] = (),
) -> AsyncIterator[None]:
    """The socket `<folder>/control` serves while the block runs; `given`: descriptors of its
    listeners, if another process has opened it.

    `begin` makes plain sessions. Where the path is too long for a socket, or the folder takes
    none, there is no socket and a warning; the server serves.
    """

    def new_session(outlet: Outlet, info: ConnectionInfo) -> Session:
        session = begin(outlet, info)
        session.person.user = OPERATOR
        session.person.level = Level.ROOT
        session.person.door = desk.door
        return session

    try:
        listeners = inherited(given) or await open_door(folder)
    except AddressError as error:
        log.warning(NO_DOOR, error)
        yield
        return
    front = Front(settings, new_session, desk.app(), Doors.of(Web()), guard=_turned_away)
    async with trio.open_nursery() as nursery:
        serve = functools.partial(front.serve, keep_paths=bool(given))
        await nursery.start(serve, listeners)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
