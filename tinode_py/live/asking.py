"""Requests to topics that come from no session: for a back end, over HTTP.

A request takes the way of every packet: through the topic's inbox, decided by the same rules,
committed with its neighbours. What differs is that nobody attaches: whoever could attach is
served at once (`core/seats`). Where that is not enough (a conversation that does not exist
yet, a channel's reader, somebody who must first take up his subscription again), the request
is made as a client makes it: {sub} in the background, the request, and it is gone.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs
import msgspec

from .. import ids
from ..access import JOIN, Level
from ..audit import Actor
from ..core.events import Asked, Caller, Event, Gone, PublishIs
from ..errors import ATTACH_FIRST, TOPIC_NOT_FOUND, UNAVAILABLE, Answer, Refused
from ..ids import Kind
from ..queries import SubscriptionOf
from ..wire.client_packets import Request, Set, Sub
from ..wire.codec import Form
from .hub import Hub
from .link import Link
from .outbox import NoConnection
from .rules import Item

NAME = "1"  # the `id` of a request that is made alone
_UNSEATED = (ATTACH_FIRST.text, TOPIC_NOT_FOUND.text)
LACKING = (403, 404, 409)  # what may be answered to who is not attached
_CTRL = msgspec.json.Decoder(dict[str, dict[str, Any]])
_NONE: dict[str, Any] = {}
_MEMBERS = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])


class _Gathered(NoConnection):
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)


@attrs.frozen
class Asker:
    """In whose name something is asked."""

    user: str
    level: Level = Level.AUTH
    actor: str = ""  # empty: the user himself
    system: bool = False  # may write everywhere
    by: Actor | None = None  # whose deed it is in the audit; None: it is none
    own: bool = False  # he asks himself, with no more than a client may


class Answers(msgspec.Struct, frozen=True):
    """What a request was answered: packets as lines of JSON, in order, and the {ctrl} among
    them that answers it, empty if there was none.
    """

    lines: tuple[bytes, ...]
    ctrl: dict[str, Any]

    @property
    def code(self) -> int:
        return int(self.ctrl.get("code", 200))

    def checked(self) -> Answers:
        """Refused for an answer of 300 and more."""
        ctrl = self.ctrl
        if (code := int(ctrl.get("code", 200))) >= 300:
            raise Refused(Answer(code, str(ctrl.get("text", ""))), ctrl.get("params"))
        return self

    def of(self, kind: Literal["data", "meta"]) -> list[dict[str, msgspec.Raw]]:
        """The packets of one kind, their members as they came."""
        start = b'{"%b"' % kind.encode()
        found = (_MEMBERS.decode(line) for line in self.lines if line.startswith(start))
        return [packet[kind] for packet in found]


async def ask(
    hub: Hub,
    asker: Asker,
    topic: str,
    named: str,
    request: Request,
    attachments: tuple[str, ...] = (),
) -> Answers:
    """Make one request to a topic and wait for its answer. `request.id` must be `NAME`; see
    `Asking`.
    """
    asking = Together(hub).begin(asker, topic, named, request, attachments)
    return await asking.answers()


class Together:
    """Requests that are made one after the other, and only then waited for. Those to one topic
    are answered in the order of `begin`, and share a commit if nobody waits in between.
    """

    __slots__ = ("_asker", "_caller", "_ctrls", "_lines", "_link", "hub")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._link = _link(hub)
        self._asker: Asker | None = None  # who asked last
        self._caller: Caller | None = None
        self._lines: tuple[bytes, ...] = ()
        self._ctrls: dict[str, dict[str, Any]] | None = None

    def begin(
        self,
        asker: Asker,
        topic: str,
        named: str,
        request: Request,
        attachments: tuple[str, ...] = (),
        ident: str = NAME,
    ) -> Asking:
        """Make a request, whose `id` is `ident`, and no other's here; never waits. `named` is the
        topic as the asker calls it. Refused with 503 if the topic's inbox is full.
        """
        if self._caller is None or asker is not self._asker:
            self._asker, self._caller = asker, _caller(self._link, asker)
        event = _asked(self._caller, asker, request, named, attachments)
        _submit(self.hub, self._link, event, topic)
        return Asking(self, asker, topic, named, request, attachments, ident)

    async def answers_to(self, ident: str) -> Answers:
        """Wait until all are answered, and give what answers one of them."""
        if self._ctrls is None:
            try:
                await self._link.wait_unanswered(0)
            finally:
                _leave(self._link)
            self._lines = _taken(self._link)
            self._ctrls = _ctrls(self._lines)
        return Answers(self._lines, self._ctrls.get(ident, _NONE))


class Asking(msgspec.Struct, frozen=True, eq=False):
    """A request that was made, with others or alone."""

    together: Together
    asker: Asker
    topic: str
    named: str
    request: Request
    attachments: tuple[str, ...]
    ident: str

    async def answers(self) -> Answers:
        """Wait for the answer, and those of the others. To be called once."""
        answers = await self.together.answers_to(self.ident)
        if answers.code in LACKING and await self._must_attach(answers):
            return await ask_attached(
                self.together.hub,
                self.asker,
                self.topic,
                self.named,
                self.request,
                self.attachments,
                self.ident,
            )
        return answers

    async def _must_attach(self, answers: Answers) -> bool:
        """Whether {sub} would help, and make nobody a member who is none: only private chats
        begin so.
        """
        kind = ids.kind_of(self.topic)
        if kind is Kind.ROOM or (self.asker.system and kind is not Kind.P2P):
            return False
        if kind is Kind.P2P and answers.ctrl.get("text") in _UNSEATED:
            return True
        reader = ids.is_channel(self.named)
        wanted = SubscriptionOf(self.named if reader else self.topic, self.asker.user)
        row = await self.together.hub.store.fetch(wanted)
        if row is None or row.deleted or not row.given & JOIN:
            return False
        return reader or not row.want & JOIN


async def set_publish(hub: Hub, asker: Asker, topic: str, *, on: bool) -> Answers:
    """Say whether clients may publish in a topic; 304 if it was so before."""
    link = _link(hub)
    asked = _asked(_caller(link, asker), asker, Set(id=NAME, topic=topic), topic)
    return await _one(hub, link, PublishIs(asked, on), topic)


async def settle(hub: Hub, topic: str, event: Event) -> bool:
    """Hand a topic something that it answers to nobody, and wait until it has dealt with it.

    False if its inbox is full.
    """
    link = _link(hub)
    if not hub.submit(topic, Item(event, link)):
        return False
    await link.wait_unanswered(0)
    return True


def _link(hub: Hub) -> Link:
    link = Link(ids.new_body(hub.random_bytes), _Gathered())
    link.form = Form.JSON_LINE
    return link


def _caller(link: Link, asker: Asker) -> Caller:
    return Caller(
        link.sid,
        asker.user,
        asker.level,
        asker.actor or asker.user,
        background=True,
        by=asker.by,
        backend=not asker.own,
    )


def _asked(
    caller: Caller, asker: Asker, request: Request, named: str, attachments: tuple[str, ...] = ()
) -> Asked:
    """Without a session that is attached."""
    door: Literal["user", "system"] = "system" if asker.system else "user"
    return Asked(caller, request, named, unseated=door, attachments=attachments)


def _submit(hub: Hub, link: Link, event: Asked | PublishIs, topic: str) -> None:
    if not hub.submit(topic, Item(event, link)):
        raise Refused(UNAVAILABLE)


async def _one(
    hub: Hub, link: Link, event: Asked | PublishIs, topic: str, ident: str = NAME
) -> Answers:
    _submit(hub, link, event, topic)
    await link.wait_unanswered(0)
    lines = _taken(link)
    return Answers(lines, _ctrls(lines).get(ident, _NONE))


def _taken(link: Link) -> tuple[bytes, ...]:
    """The lines that have come."""
    outlet = link.outlet
    assert isinstance(outlet, _Gathered)
    text = b"".join(outlet.frames)
    outlet.frames.clear()
    return tuple(text.split(b"\n")[:-1])


def _ctrls(lines: tuple[bytes, ...]) -> dict[str, dict[str, Any]]:
    """Each {ctrl} by the request that it answers."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.startswith(b'{"ctrl"'):
            ctrl = _CTRL.decode(line)["ctrl"]
            found.setdefault(ctrl.get("id", ""), ctrl)
    return found


def _leave(link: Link) -> None:
    """Be nowhere any more. Marks are never refused."""
    link.ended = True
    for inbox in link.attached.values():
        inbox.mark(("gone", link.sid), Item(Gone(link.sid)))


async def ask_attached(
    hub: Hub,
    asker: Asker,
    topic: str,
    named: str,
    request: Request,
    attachments: tuple[str, ...] = (),
    ident: str = NAME,
) -> Answers:
    """As a client makes it who attaches first. He becomes a member where he is none: look."""
    link = _link(hub)
    try:
        caller = _caller(link, asker)
        sub = Asked(caller, Sub(id=ident, topic=named), named)
        came = await _one(hub, link, sub, topic, ident)
        if came.code >= 300:
            return came
        asked = Asked(caller, request, named, attachments=attachments)
        return await _one(hub, link, asked, topic, ident)
    finally:
        _leave(link)
