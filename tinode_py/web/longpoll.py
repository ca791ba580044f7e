"""Long polling: packets over plain HTTP, for clients without websockets.

A request without `sid` makes a session; one with a body brings a packet, and is answered as
soon as it was taken; one without is a poll, answered with one packet or, after a while, with
nothing. What happens to sessions meanwhile is in `polled`.

The order of refusals: the API key, the origin, the method, the session, the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing, suppress
from urllib.parse import parse_qs

import attrs
import trio
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .. import errors
from ..errors import Answer
from ..live.outbox import ConnectionInfo
from .answers import ctrl_body
from .app import Site, form_of
from .handshake import key_of
from .head import RequestHead
from .http import Message, Receive, Scope, Send
from .neighbours import Answered, Away
from .polled import PolledSession, PolledSessions, TooMany, cancelled_when

PATH = "/v0/channels/lp"
_TEXT = "text/plain"
_WITH_BODY = ("POST", "PUT")
_METHODS = ("GET", *_WITH_BODY)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_EXPECTATION_FAILED = 417  # what the reference answers to a length that is too much
_COMPRESSED = 1024  # bytes from which compression is worth it
_LEVEL = 5
_ANSWERING = 10.0  # seconds for another worker, beyond those of a poll
_LONGEST_ID = 256  # characters, as in packets


def longpoll_route(site: Site, sessions: PolledSessions) -> Route:
    """The route; `sessions` must be running when it is asked."""
    app = GZipMiddleware(_LongPoll(site, sessions), _COMPRESSED, _LEVEL)
    return Route(PATH, app)


def near_longpoll_route(site: Site, sessions: PolledSessions) -> Route:
    """The same for requests that another worker hands on: they go no further."""
    return Route(PATH, _LongPoll(site, sessions, is_last=True))


class _TooLong(Exception):
    """A body is longer than a packet may be; `status` is how it is answered."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@attrs.define(eq=False)
class _Asked:
    """One request, and its body once it was read."""

    request: Request
    head: RequestHead
    form: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes | None = None

    @property
    def has_body(self) -> bool:
        chunked = self.head.header("transfer-encoding")
        return bool(chunked) or self.head.header("content-length") not in ("", "0")

    @property
    def is_form(self) -> bool:
        kind = self.head.header("content-type").partition(";")[0].strip().lower()
        return self.head.method in _WITH_BODY and kind in _FORMS

    def field(self, name: str) -> str:
        """A field of the query, else of the form."""
        found = parse_qs(self.head.query, errors="replace").get(name, [""])
        return found[0] or self.form.get(name, "")

    def left(self) -> trio.Event:
        """Set when the client is seen to have gone. Once the body was read."""
        event: trio.Event = self.request.scope["state"]["watch"]()
        return event

    async def read(self, most: int) -> bytes:
        """The body, once and for all. _TooLong as soon as it is; ClientDisconnect."""
        if self.body is None:
            if int(self.head.header("content-length") or 0) > most:
                raise _TooLong(_EXPECTATION_FAILED)
            body = b""
            async with aclosing(self.request.stream()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > most:
                        raise _TooLong(errors.MALFORMED.code)
            self.body = body
        return self.body


@attrs.frozen
class _LongPoll:
    site: Site
    sessions: PolledSessions
    is_last: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _Asked(Request(scope, receive), scope["state"]["head"])
        try:
            response = await self._answer(asked)
        except _TooLong as error:
            response = self._ctrl(asked, errors.MALFORMED, status=error.status)
        except TooMany:
            response = self._ctrl(asked, errors.UNAVAILABLE)
        except ClientDisconnect:
            return  # in the middle of a packet
        await response(scope, receive, send)

    async def _answer(self, asked: _Asked) -> Response:
        head = asked.head
        if asked.is_form and asked.has_body:
            asked.form = await self._form(asked)
        if not self.site.doors.keys.valid(key_of(head, asked.form)):
            body = ctrl_body(errors.KEY_REQUIRED, self.site.now())
            return Response(body, errors.KEY_REQUIRED.code, {"content-type": _TEXT})
        if not self.site.doors.admits(head.header("origin")):
            return self._ctrl(asked, errors.DENIED)
        if head.method == "OPTIONS":
            return self._preflight(asked)
        if head.method not in _METHODS:
            return self._ctrl(asked, errors.NOT_ALLOWED)
        sid = asked.field("sid")
        if not sid:
            return self._open(asked)
        session = self.sessions.get(sid)
        if session is None:
            return await self._elsewhere(asked, sid)
        return await (self._post if asked.has_body else self._poll)(asked, session)

    async def _form(self, asked: _Asked) -> Mapping[str, str]:
        """The fields of a form; none if it is no form, or too long."""
        try:
            body = await asked.read(self.sessions.message_size)
        except _TooLong:
            if not self.site.doors.keys.valid(key_of(asked.head, {})):
                return {}
            raise

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await form_of(Request(asked.request.scope, receive))

    def _open(self, asked: _Asked) -> Response:
        """Make a session. A body is not read: clients say {hi} in their second request."""
        ident = asked.field("id")
        if len(ident) > _LONGEST_ID:
            return self._ctrl(asked, errors.MALFORMED)
        if self.site.draining():
            return self._ctrl(asked, errors.UNAVAILABLE)
        address = asked.request.scope["client"][0]
        info = ConnectionInfo(address, "lp", key_of(asked.head, asked.form))
        sid = self.sessions.open(info).sid
        body = ctrl_body(errors.CREATED, self.site.now(), ident, {"sid": sid})
        return Response(body, errors.CREATED.code, self._headers(asked))

    async def _post(self, asked: _Asked, session: PolledSession) -> Response:
        body = await asked.read(self.sessions.message_size)
        try:
            packet = body.decode()
        except UnicodeDecodeError:
            packet = ""  # no packet, as anything that cannot be read
        if not await session.post(packet):
            return self._ctrl(asked, errors.BAD_SESSION)
        return Response(None, errors.OK.code, self._headers(asked))

    async def _poll(self, asked: _Asked, session: PolledSession) -> Response:
        packet = await session.poll(asked.left())
        if packet is None:
            return self._ctrl(asked, errors.BAD_SESSION)
        if packet.startswith(b"{"):  # not the answer to a probe
            packet += b"\n"
        return Response(packet, errors.OK.code, self._headers(asked))

    def _preflight(self, asked: _Asked) -> Response:
        allowed = {
            "access-control-allow-methods": ", ".join(_METHODS),
            "access-control-allow-headers": "content-type, x-tinode-apikey",
            "access-control-max-age": "86400",
        }
        return Response(None, 204, {**self._headers(asked), **allowed})

    def _ctrl(self, asked: _Asked, answer: Answer, *, status: int = 0) -> Response:
        headers = self._headers(asked)
        if answer is errors.NOT_ALLOWED:
            headers["allow"] = ", ".join((*_METHODS, "OPTIONS"))
        return Response(ctrl_body(answer, self.site.now()), status or answer.code, headers)

    async def _elsewhere(self, asked: _Asked, sid: str) -> Response:
        """There is no such session here: another worker of this server may have it. If that does
        not answer, neither does the session.
        """
        neighbours, number = self.sessions.neighbours, self.sessions.neighbour(sid)
        if neighbours is None or not number or self.is_last:
            return self._lost(asked, self.sessions.where(sid))
        body = await asked.read(self.sessions.message_size) if asked.has_body else b""
        patience = self.sessions.poll_seconds + _ANSWERING
        answers: list[Answered] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancelled_when, asked.left(), nursery.cancel_scope)
            with suppress(Away):
                answers.append(await neighbours.hand_on(number, asked.head, body, patience))
            nursery.cancel_scope.cancel()
        if not answers:
            return self._ctrl(asked, errors.BAD_SESSION)
        return Response(answers[0].body, answers[0].status, self._headers(asked))

    def _lost(self, asked: _Asked, node: str) -> Response:
        """There is no such session here; it may be on another node."""
        if not node:
            return self._ctrl(asked, errors.BAD_SESSION)
        params = {"reason": "the session is on another node", "node": node}
        body = ctrl_body(errors.BAD_SESSION, self.site.now(), "", params)
        return Response(body, errors.BAD_SESSION.code, self._headers(asked))

    def _headers(self, asked: _Asked) -> dict[str, str]:
        """What every answer has to who showed a key: nothing may be kept, any page may read."""
        fresh = {"cache-control": "no-cache, no-store, must-revalidate"}
        if asked.head.version == "1.0":
            fresh = {"pragma": "no-cache"}
        origin = {"access-control-allow-origin": "*"}
        if self.site.doors.origins:
            given = asked.head.header("origin")
            origin = {"vary": "Origin"}
            if given and self.site.doors.admits(given):
                origin["access-control-allow-origin"] = given
        closing = {"connection": "close"} if self.site.draining() else {}
        return {"content-type": _TEXT, **origin, **fresh, "expires": "0", **closing}
