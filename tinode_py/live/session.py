"""One client's session: packets in, requests to topics, answers out.

What belongs here is what a session decides without a topic: whether it was greeted and is
logged in, which topic is meant, whether it is attached there, how much may be unanswered.
{hi}, {acc} and {login} are in `entrance`.

Order. Requests to one topic are answered in their order. A {sub} is answered, with all that
it asked to get, before a later request to another topic goes out: clients that attach to `me`
and to a chat in one breath rely on it. Else requests to different topics overtake each other.

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
from ..access import LEVELS, Level
from ..core.events import Active, Asked, Awake, Caller, Gone
from ..core.hello import VERSION
from ..errors import (
    ATTACH_FIRST,
    AUTH_FAILED,
    AUTH_REQUIRED,
    AUTH_RESET,
    DENIED,
    INTERNAL,
    MALFORMED,
    NOT_JOINED,
    OUT_OF_SEQUENCE,
    UNAVAILABLE,
    Answer,
    Refused,
    StoreError,
)
from ..wire.client_packets import Acc, ClientPacket, Del, Get, Hi, Leave, Login, Note, Pub, Set, Sub
from ..wire.client_parts import Extra, GetInbox, GetQuery
from ..wire.codec import Form, Malformed, NotUtf8, WireLimits, decode_cbor, decode_json
from ..wire.frames import text_frame
from ..wire.parts import Time
from ..wire.server_packets import Ctrl
from . import routing
from .entrance import Entrance
from .hub import Hub
from .link import Link
from .outbox import ConnectionInfo, Outlet
from .pace import Pace
from .person import Person
from .reading import answered_while_idle
from .rules import Item
from .runner import Runner
from .tickets import Admission

log = logging.getLogger(__name__)

BACKGROUND = 5.0  # seconds after which a background session counts as being here


@attrs.define(eq=False)
class Session:
    """A session over one connection, from its first packet to `end`."""

    link: Link
    hub: Hub
    entrance: Entrance
    info: ConnectionInfo
    wire: WireLimits
    random_bytes: Callable[[int], bytes]
    pace: Pace
    person: Person = attrs.field(factory=Person)
    _first: bool = True
    _speaker: Caller | None = None  # who publishes, until the person may be another
    _barrier: str = ""  # the topic of an unanswered {sub}
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
        session = cls(link, hub, entrance, info, wire, random_bytes, pace, person)
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
        if type(request) is Pub and extra is None and self._speaker is not None:
            await self._to_topic(request, self._speaker, None)  # what is asked most
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
                caller = self._caller(extra)
                self._submit(caller.user, Asked(caller, request, request.topic))
            case _:
                caller = self._caller(extra)
                if extra is None:
                    self._speaker = caller
                await self._to_topic(request, caller, extra)

    def _turn_away(self, packet: ClientPacket) -> None:
        """The server stops: a note is lost, a request is answered."""
        if not isinstance(packet.request, Note):
            self._refuse(packet, Refused(UNAVAILABLE))

    async def _drained(self) -> None:
        """Requests of the session itself wait for those to topics before them."""
        await self.link.wait_unanswered(0)

    # --- who speaks ----------------------------------------------------------------------

    def _caller(self, extra: Extra | None) -> Caller:
        person = self.person
        user, level = person.user, person.level
        if extra and (extra.obo or extra.authlevel):
            if extra.obo:
                if not ids.is_user(extra.obo):
                    raise Refused(MALFORMED)
                user, level = extra.obo, Level.AUTH
            if extra.authlevel:
                if extra.authlevel not in LEVELS:
                    raise Refused(MALFORMED)
                level = LEVELS[extra.authlevel]
        return Caller(
            self.link.sid,
            user,
            level,
            person.user,
            person.user_agent,
            person.background,
            person.number,
            person.language,
            person.by,
        )

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
        change = await self.entrance.change(self.person, request, self._caller(extra))
        self._submit(change.topic, change.event)
        await self._drained()

    async def _delete_user(self, request: Del) -> None:
        target = request.user or self.person.user
        if target != self.person.user and self.person.level is not Level.ROOT:
            raise Refused(DENIED)
        if not ids.is_user(target):
            raise Refused(MALFORMED)
        await self._drained()
        self._submit(target, Asked(self._caller(None), request, ""))
        if self.entrance.forgetting:  # this session may be closed before it could go on
            self.hub.nursery.start_soon(self._forgotten, target)
        await self._drained()

    async def _forgotten(self, user: str) -> None:
        await self._drained()
        try:
            await self.entrance.over(user)
        except StoreError:
            log.exception("services outside were not told of an account's end", extra=self._who())

    # --- to topics -----------------------------------------------------------------------

    async def _to_topic(
        self, request: Sub | Leave | Pub | Get | Set | Del | Note, caller: Caller,
        extra: Extra | None,
    ) -> None:  # fmt: skip
        named = request.topic
        if isinstance(request, Pub) and not self._may_publish():
            raise Refused(DENIED)
        if isinstance(request, Note) and not routing.is_name(named, caller.user):
            return  # bad names are nobody's business
        if isinstance(request, Sub) and routing.is_new(named):
            topic = routing.new_group(self.random_bytes)
        else:
            topic = routing.routable(named, caller.user)
        if not topic:
            if not (isinstance(request, Note) and _needs_no_attachment(request)):
                raise Refused(routing.nowhere(request))
            return
        if self._barrier and self._barrier != topic:
            await self._in_turn()
        if not self._is_attached(topic) and not self._from_outside(request, topic):
            return
        if self.hub.before is not None and isinstance(request, Pub):
            request = await self.hub.vetted(caller.user, topic, request)
        attachments = extra.attachments if extra else ()
        asked = Asked(caller, request, named, attachments)
        if not (type(request) is Get and await self._answered_now(topic, asked)):
            self._submit(topic, asked)
        self._note_activity(request, caller.user)
        if isinstance(request, Sub):
            self._barrier = topic
        if self.link.unanswered >= (inflight := self.hub.settings.limits.inflight):
            await self.link.wait_unanswered(inflight - 1)

    def _may_publish(self) -> bool:
        return self.hub.settings.clients.publish or self.person.level is Level.ROOT

    async def _in_turn(self) -> None:
        """Wait for an unanswered {sub} to another topic."""
        await self.link.wait_unanswered(0)
        self._barrier = ""

    def _is_attached(self, topic: str) -> bool:
        if topic in self.link.attached:
            return True
        return self._barrier == topic and self.link.unanswered > 0

    def _from_outside(self, request: Any, topic: str) -> bool:
        """Whether a request makes sense without being attached; if not, it is answered."""
        match request:
            case Pub() if topic != "sys":
                raise Refused(ATTACH_FIRST)
            case Leave(unsub=unsub):
                raise Refused(ATTACH_FIRST if unsub else NOT_JOINED)
            case Del(what="msg" | "sub" | "cred"):
                raise Refused(ATTACH_FIRST)
            case Note():
                if _needs_no_attachment(request):
                    return True
                self._answer(ATTACH_FIRST, topic=request.topic)
                return False
            case _:
                return True

    async def _answered_now(self, topic: str, asked: Asked) -> bool:
        """Whether the answer was found without the topic's task."""
        runner = self.hub.loaded(topic) if self.hub.near else None
        return isinstance(runner, Runner) and await answered_while_idle(
            runner, Item(asked, self.link)
        )

    def _submit(self, topic: str, event: Any) -> None:
        if not self.hub.submit(topic, Item(event, self.link)):
            raise Refused(UNAVAILABLE)

    def _note_activity(self, request: Any, user: str) -> None:
        """The session that is used last lends its user agent to `me` (notes, 6.4)."""
        if user not in self.link.attached or isinstance(request, Leave | Del):
            return
        if isinstance(request, Sub) and request.topic == "me":
            return
        if not self.hub.is_agent(user, self.link.sid):
            self.hub.everywhere.note_agent(user, self.link.sid)
            event = Active(self.person.user_agent)
            self.link.attached[user].mark("active", Item(event))


def _needs_no_attachment(note: Note) -> bool:
    """A receipt, or an answer to a call."""
    answer = note.what == "call" and note.event in ("ringing", "accept", "hang-up")
    return answer or note.what == "recv"
