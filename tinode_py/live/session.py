"""One client's session: packets in, requests to topics, answers out.

What belongs here is what a session decides without a topic: whether it was greeted and is
logged in. {hi}, {acc} and {login} are in `entrance`; requests to topics, and in which order they
are answered, in `forwarding`.

Nobody but the connection's own task calls `receive`. It waits for the store, for a password
check, and while `limits.inflight` requests are unanswered; never for a topic's answer else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import trio

from .. import ids
from ..access import Level
from ..core.events import Asked, Awake, Caller, Gone
from ..core.hello import VERSION
from ..errors import (
    AUTH_FAILED,
    AUTH_REQUIRED,
    AUTH_RESET,
    DENIED,
    INTERNAL,
    MALFORMED,
    OUT_OF_SEQUENCE,
    UNAVAILABLE,
    Answer,
    Refused,
    StoreError,
)
from ..wire.client_packets import Acc, ClientPacket, Del, Get, Hi, Login, Note, Pub, Sub
from ..wire.client_parts import Extra, GetInbox, GetQuery
from ..wire.codec import Form, Malformed, NotUtf8, WireLimits, decode_cbor, decode_json
from ..wire.frames import text_frame
from ..wire.parts import Time
from ..wire.server_packets import Ctrl
from .entrance import Entrance
from .forwarding import Forwarding
from .hub import Hub
from .link import Link
from .outbox import ConnectionInfo, Outlet
from .pace import Pace
from .person import Person
from .rules import Item
from .tickets import Admission

log = logging.getLogger(__name__)

_ASKED_MOST = (Pub, Get)
BACKGROUND = 5.0  # seconds after which a background session counts as being here


@attrs.define(eq=False)
class Session:
    """A session over one connection, from its first packet to `end`."""

    link: Link
    hub: Hub
    entrance: Entrance
    info: ConnectionInfo
    wire: WireLimits
    forwarding: Forwarding
    pace: Pace
    person: Person
    _first: bool = True
    _speaker: Caller | None = None  # who publishes, until the person may be another
    _admission: Admission | None = None  # until {hi}
    _opening: trio.Event | None = None  # {hi} and {sub me} are implied and not done yet

    @classmethod
    def begin(
        cls,
        outlet: Outlet,
        info: ConnectionInfo,
        hub: Hub,
        entrance: Entrance,
        wire: WireLimits,
        random_bytes: Callable[[int], bytes],
    ) -> Session:
        """A new session, known to the hub."""
        link = Link(ids.new_body(random_bytes), outlet)
        hub.enter(link)
        pace = Pace(hub.settings.limits.packets_per_second)
        person = Person(origin=entrance.origin(info.address), polls=info.kind == "lp")
        forwarding = Forwarding(link, hub, person, random_bytes)
        session = cls(link, hub, entrance, info, wire, forwarding, pace, person)
        if info.ticket:
            session._show(info.ticket)
        return session

    def end(self) -> None:
        """The connection is over: every topic it was attached to takes note."""
        if self.link.ended:
            return
        self.link.ended = True
        event = Gone(self.link.sid, self.person.user_agent)
        for inbox in self.link.attached.values():
            inbox.mark(("gone", self.link.sid), Item(event))
        self.hub.leave(self.link, self.person.user)
        log.info("session ended", extra=self._who())

    def _who(self) -> dict[str, str]:
        return {"session": self.link.sid, "user": self.person.user}

    # --- tickets -------------------------------------------------------------------------

    def _show(self, ticket: str) -> None:
        """The connection was opened with a ticket: it logs in at {hi}, or at once."""
        admission = self._admission = self.hub.admissions.take_here(ticket)
        if admission is not None:
            self.link.metadata = admission.metadata
        if admission is None or admission.attach:
            self._opening = trio.Event()
            self.hub.nursery.start_soon(self._open, self._opening, ticket)

    def _turn_out(self, answer: Answer) -> None:
        self._answer(answer)
        self.link.outlet.finish(1008, "the ticket is not known, was used, or is late")

    async def _open(self, done: trio.Event, ticket: str) -> None:
        """{hi} and {sub me} as if the client had sent them; or out, with a bad ticket."""
        inbox = GetQuery(what="inbox", inbox=GetInbox())
        try:
            if self._admission is None:
                self._admission = await self.hub.admissions.take(ticket)
            if self._admission is None:
                self._turn_out(AUTH_FAILED)
                return
            self.link.metadata = self._admission.metadata
            if not self._admission.attach:
                return
            for request in (Hi(ver=VERSION), Sub(topic="me", get=inbox)):
                await self._taken(ClientPacket(request))
        finally:
            self._opening = None
            done.set()

    # --- one packet ----------------------------------------------------------------------

    async def receive(self, message: str | bytes) -> None:
        """Take one message, text or binary, and wait as long as no more may come."""
        if self._opening is not None:
            await self._opening.wait()
            if self.link.outlet.closed:
                return
        await self.pace.wait(len(message))
        if message == "1":  # a probe of the network, no packet
            self.link.outlet.push(text_frame(b"0"))
            return
        try:
            packet = self._decode(message)
        except NotUtf8:
            self.link.outlet.finish(1007, "invalid UTF-8")
            return
        except Malformed as error:
            log.info("malformed packet: %s", error.reason, extra=self._who())
            self.pace.fine()
            self._answer(MALFORMED)
            return
        await self._taken(packet)

    async def _taken(self, packet: ClientPacket) -> None:
        try:
            await self._handle(packet)
        except Refused as no:
            self._refuse(packet, no)
        except StoreError as error:
            self.hub.complaints.failed("the store failed", error, **self._who())
            self._refuse(packet, Refused(error.answer))
        except Exception:  # a bug must cost one request, not the session
            log.exception("a request failed", extra=self._who())
            self._refuse(packet, Refused(INTERNAL))

    def _decode(self, message: str | bytes) -> ClientPacket:
        binary = isinstance(message, bytes)
        if self._first:
            self._first = False
            self.link.form = Form.CBOR_FRAME if binary else Form.JSON_FRAME
        if isinstance(message, bytes):
            return decode_cbor(message, self.wire)
        return decode_json(message, self.wire)

    def _answer(
        self, answer: Answer, *, ident: str = "", topic: str = "", params: Any = None
    ) -> None:
        packet = Ctrl(
            answer.code,
            answer.text,
            Time(self.hub.now()),
            id=ident,
            topic=topic,
            params=dict(params) if params else None,
        )
        self.link.send(packet)
        self.hub.tally.answered(answer.code)

    def _refuse(self, packet: ClientPacket, no: Refused) -> None:
        request = packet.request
        topic = getattr(request, "topic", "") if self.person.greeted else ""
        self._answer(no.answer, ident=getattr(request, "id", ""), topic=topic, params=no.params)

    async def _handle(self, packet: ClientPacket) -> None:
        request, extra = packet.request, packet.extra
        if self.hub.draining:
            self._turn_away(packet)
            return
        if isinstance(request, _ASKED_MOST) and extra is None and self._speaker is not None:
            await self.forwarding.forward(request, self._speaker, None)
            return
        if extra and (extra.obo or extra.authlevel) and self.person.level is not Level.ROOT:
            self._answer(DENIED)
            return
        if isinstance(request, Hi | Login | Acc):
            self._speaker = None
        match request:
            case Hi():
                await self._drained()
                await self._greet(request)
            case Note() if not self.person.user:
                return
            case _ if not self.person.greeted:
                raise Refused(OUT_OF_SEQUENCE)
            case Login():
                await self._drained()
                await self._log_in(request)
            case Acc():
                await self._drained()
                await self._account(request, extra)
            case _ if not self.person.user:
                raise Refused(AUTH_REQUIRED)
            case Del(what="user"):
                await self._delete_user(request)
            case Del(what="session"):
                caller = self.person.caller(self.link.sid, extra)
                self.forwarding.submit(caller.user, Asked(caller, request, request.topic))
            case _:
                caller = self.person.caller(self.link.sid, extra)
                if extra is None:
                    self._speaker = caller
                await self.forwarding.forward(request, caller, extra)

    def _turn_away(self, packet: ClientPacket) -> None:
        """The server stops: a note is lost, a request is answered."""
        if not isinstance(packet.request, Note):
            self._refuse(packet, Refused(UNAVAILABLE))

    async def _drained(self) -> None:
        """Requests of the session itself wait for those to topics before them."""
        await self.link.wait_unanswered(0)

    # --- whom it talks to ----------------------------------------------------------------

    async def _greet(self, hi: Hi) -> None:
        answer, params = await self.entrance.greet(self.person, hi)
        if self._admission is not None:
            admission, self._admission = self._admission, None
            try:
                more = await self.entrance.admit(self.person, admission.user)
            except Refused as no:
                self._turn_out(no.answer)
                return
            self._logged_in()
            params = {**(params or {}), **more}
        self._answer(answer, ident=hi.id, params=params)
        if params and hi.bkg:
            self.hub.nursery.start_soon(self._awake)

    async def _awake(self) -> None:
        """A background session that lasts counts as being here."""
        await trio.sleep(BACKGROUND)
        self.person.background = False
        self._speaker = None
        for inbox in self.link.attached.values():
            inbox.mark(("awake", self.link.sid), Item(Awake(self.link.sid)))

    async def _log_in(self, request: Login) -> None:
        answer, params = await self.entrance.log_in(self.person, request)
        if answer is not AUTH_RESET:
            self._logged_in()
        self._answer(answer, ident=request.id, params=params)

    def _logged_in(self) -> None:
        if self.person.user:
            self.link.number, self.link.platform = self.person.number, self.person.platform
            self.link.user_agent = self.person.user_agent
            self.hub.logged_in(self.link, self.person.user)
            log.info("session logged in", extra=self._who())

    async def _account(self, request: Acc, extra: Extra | None) -> None:
        if request.user.startswith("new"):
            answer, params = await self.entrance.create(
                self.person, request, extra.attachments if extra else ()
            )
            if request.login:
                self._logged_in()
            self._answer(answer, ident=request.id, params=params)
            return
        caller = self.person.caller(self.link.sid, extra)
        change = await self.entrance.change(self.person, request, caller)
        self.forwarding.submit(change.topic, change.event)
        await self._drained()

    async def _delete_user(self, request: Del) -> None:
        target = request.user or self.person.user
        if target != self.person.user and self.person.level is not Level.ROOT:
            raise Refused(DENIED)
        if not ids.is_user(target):
            raise Refused(MALFORMED)
        await self._drained()
        caller = self.person.caller(self.link.sid, None)
        self.forwarding.submit(target, Asked(caller, request, ""))
        if self.entrance.forgetting:  # this session may be closed before it could go on
            self.hub.nursery.start_soon(self._forgotten, target)
        await self._drained()

    async def _forgotten(self, user: str) -> None:
        await self._drained()
        try:
            await self.entrance.over(user)
        except StoreError:
            log.exception("services outside were not told of an account's end", extra=self._who())
