"""Sending messages: to a user, to many, to a topic; as a user, or as the system."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import attrs
import msgspec

from ... import ids
from ...access import Level
from ...core.heads import IDEM
from ...errors import DENIED, Refused
from ...live.asking import NAME, Asker, Asking, Together
from ...queries import MembersOf
from ...wire.client_packets import Pub
from ...wire.parts import Json
from ...wire.server_packets import Info
from .backend import Backend, Call, Handler
from .later import schedule
from .people import People, topic_of
from .problem import Problem, http_status
from .shape_messages import OwnSend, Receiver, Send, SendMany, Sent, SentMany, SentTo
from .types import NULL

_RECEIPTS = 1000  # receivers of one message who are looked up
_TOGETHER = 50  # messages of a batch that wait for their topics at the same time


async def send_message(call: Call) -> Sent:
    """One message; with one receiver a refusal is the answer's own status."""
    sent = await send(call, call.body)
    if len(sent.results) == 1 and (only := sent.results[0]).status >= 300:
        raise Problem(only.status, only.detail)
    return sent


async def send_messages(call: Call) -> SentMany:
    """Several at once, in their order; what waits together is committed together."""
    many: SendMany = call.body
    done: list[Sent] = []
    for start in range(0, len(many.messages), _TOGETHER):
        some = _Round.of(call)
        begun = [await _tried(some, wanted) for wanted in many.messages[start : start + _TOGETHER]]
        done += [await sending.sent() for sending in begun]
    return SentMany(tuple(done))


async def _tried(some: _Round, wanted: Send) -> Sending:
    try:
        return await some.begin(wanted)
    except Problem as no:
        failed = SentTo("", wanted.user or "", 0, None, no.status, no.detail)
        return Sending(some.call, "none", Asker(""), (failed,))


async def send_own(call: Call) -> Sent:
    """A message of the user who asks: what a {pub} of his would be."""
    wanted: OwnSend = call.body
    check_publish(call)
    if (wanted.user is None) is (wanted.topic is None):
        raise Problem.field("topic", "give `topic` or `user`, not both")
    named = wanted.user or wanted.topic or ""
    asker = Asker(call.caller.user, call.caller.level, own=True)
    message = _Message.of(call.backend, wanted)
    topic = own_topic(asker.user, named)
    result = await _publish(call.backend, asker, topic, named, message)
    if result.status >= 300:
        raise Problem(result.status, result.detail)
    return Sent((result,))


def check_publish(call: Call) -> None:
    """403 where clients do not publish (`clients.publish`)."""
    if not call.backend.settings.clients.publish and call.caller.level is not Level.ROOT:
        raise Problem.of(DENIED)


def own_topic(user: str, named: str) -> str:
    """The topic that a user calls so; Refused where there can be none."""
    if ids.is_user(named):
        if named == user:
            raise Problem.field("user", "this is the sender himself")
        return ids.p2p_name(user, named)
    if named.startswith("p2p") and user not in _both(named):
        raise Problem(404, f"there is no topic {named!r}")
    return named


def _both(name: str) -> tuple[str, ...]:
    try:
        return ids.p2p_users(name)
    except ValueError:
        return ()


class _Message(msgspec.Struct, frozen=True):
    """What is sent, checked."""

    content: bytes
    head: bytes | None
    attachments: tuple[str, ...] = ()

    @classmethod
    def of(cls, backend: Backend, wanted: Send | OwnSend) -> _Message:
        content, idem = wanted.content, wanted.idem
        members = checked_head(backend, content, wanted.head)
        if idem:
            if len(idem) > IDEM:
                raise Problem.field("idem", f"longer than {IDEM} characters")
            members["idem"] = msgspec.Raw(msgspec.json.encode(idem))
        kept = msgspec.json.encode(members) if members else None
        return cls(bytes(content), kept, wanted.attachments)

    def request(self, named: str, ident: str = NAME) -> Pub:
        head = Json(self.head) if self.head else None
        return Pub(id=ident, topic=named, head=head, content=Json(self.content))


def checked_head(
    backend: Backend, content: msgspec.Raw, head: msgspec.Raw
) -> dict[str, msgspec.Raw]:
    """The members of a head; 413 if the message is too long, 400 if the head is no object."""
    limit = backend.settings.limits.message_size
    if len(content) + len(head) > limit:
        raise Problem(413, f"content and head are longer than {limit} bytes")
    if head == NULL:
        return {}
    try:
        return msgspec.json.decode(head, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise Problem.field("head", "must be an object") from None


async def send(call: Call, wanted: Send) -> Sent:
    """Send one message to all its receivers."""
    return await (await _Round.of(call).begin(wanted)).sent()


class _Begun(msgspec.Struct, frozen=True):
    """A message on its way into one topic; `user` as the caller named him, `receiver` his id."""

    asking: Asking
    user: str = ""
    receiver: str | None = None


class Sending(msgspec.Struct, frozen=True):
    """A message that was handed to the topics of its receivers, or to none (`scheduled`)."""

    call: Call
    receipt: str
    asker: Asker
    parts: tuple[_Begun | SentTo, ...]
    scheduled: str = ""

    async def sent(self) -> Sent:
        """Wait for all answers. To be called once."""
        return Sent(tuple([await self._one(part) for part in self.parts]), self.scheduled)

    async def _one(self, part: _Begun | SentTo) -> SentTo:
        if isinstance(part, SentTo):
            return part
        result = await _answered(part.asking, part.user)
        if self.receipt == "none":
            return result
        return await _with_receipts(self.call, self.asker, result, self.receipt, part.receiver)


@attrs.define
class _Round:
    """Messages that are handed to their topics before anybody waits for an answer."""

    call: Call
    people: People
    together: Together
    count: int = 0

    @classmethod
    def of(cls, call: Call) -> _Round:
        return cls(call, People(call), Together(call.backend.hub))

    async def begin(self, wanted: Send) -> Sending:
        """Hand one message to all its receivers' topics."""
        chosen = [wanted.user is not None, bool(wanted.users), wanted.topic is not None]
        if sum(chosen) != 1:
            raise Problem.field("topic", "give exactly one of `user`, `users`, `topic`")
        message = _Message.of(self.call.backend, wanted)
        if wanted.at is not None:
            scheduled = await schedule(self.call, wanted)
            return Sending(self.call, "none", Asker(""), (), scheduled)
        if wanted.topic is not None:
            return await self._to_topic(wanted, wanted.topic, message)
        return await self._to_users(wanted, wanted.users or (wanted.user or "",), message)

    async def _to_topic(self, wanted: Send, named: str, message: _Message) -> Sending:
        topic = (await topic_of(self.call, named)).name
        asker = await self.people.speaker(wanted.from_)
        if _is_p2p(topic) and asker.user not in ids.p2p_users(topic):
            raise Problem(403, "only the two whose conversation it is speak there")
        own = ids.p2p_peer(topic, asker.user) if _is_p2p(topic) else topic
        part = self._begin(asker, topic, own, message)
        return Sending(self.call, wanted.receipt, asker, (part,))

    async def _to_users(self, wanted: Send, names: tuple[str, ...], message: _Message) -> Sending:
        asker = await self.people.speaker(wanted.from_)
        users = await self.people.users(names)
        parts: list[_Begun | SentTo] = []
        for name in names:
            user = users[name]
            if user is None:
                parts.append(_unknown(name, wanted))
            elif user.id == asker.user:
                parts.append(SentTo("", name, 0, None, 400, "this is the sender himself"))
            else:
                topic = ids.p2p_name(asker.user, user.id)
                parts.append(self._begin(asker, topic, user.id, message, name, user.id))
        return Sending(self.call, wanted.receipt, asker, tuple(parts))

    def _begin(
        self,
        asker: Asker,
        topic: str,
        named: str,
        message: _Message,
        user: str = "",
        receiver: str | None = None,
    ) -> _Begun | SentTo:
        self.count += 1
        ident = str(self.count)
        request, files = message.request(named, ident), message.attachments
        try:
            asking = self.together.begin(asker, topic, named, request, files, ident)
        except Refused as no:
            return _not_sent(topic, no, user)
        return _Begun(asking, user, receiver)


def _is_p2p(topic: str) -> bool:
    return topic.startswith("p2p")


def _unknown(name: str, wanted: Send) -> SentTo:
    receipts = (Receiver(name, "unknown user"),) if wanted.receipt != "none" else ()
    return SentTo("", name, 0, None, 404, f"there is no user {name!r}", receipts)


async def _publish(
    backend: Backend, asker: Asker, topic: str, named: str, message: _Message
) -> SentTo:
    """What a client's {pub} would be: the hook before messages is asked first."""
    request = message.request(named)
    try:
        request = await backend.hub.vetted(asker.user, topic, request)
        together = Together(backend.hub)
        asking = together.begin(asker, topic, named, request, message.attachments)
    except Refused as no:
        return _not_sent(topic, no)
    return await _answered(asking)


async def _answered(asking: Asking, user: str = "") -> SentTo:
    topic = asking.topic
    try:
        ctrl = (await asking.answers()).ctrl
    except Refused as no:
        return _not_sent(topic, no, user)
    if not ctrl:
        return SentTo(topic, user, 0, None, 503, "the topic gave no answer")
    if ctrl["code"] >= 300:
        return SentTo(topic, user, 0, None, *_refusal(ctrl["code"], ctrl["text"], asking.named))
    seq = (ctrl.get("params") or {}).get("seq", 0)
    return SentTo(topic, user, seq, ctrl["ts"], 202, "")


def _not_sent(topic: str, no: Refused, user: str = "") -> SentTo:
    text = (no.params or {}).get("reason", no.answer.text)
    return SentTo(topic, user, 0, None, http_status(no.answer.code), text)


def _refusal(code: int, text: str, named: str) -> tuple[int, str]:
    if text == "must attach first":
        return 403, f"the sender is no member of {named}"
    return http_status(code), text


# --- receipts ----------------------------------------------------------------------------


async def _with_receipts(
    call: Call, asker: Asker, result: SentTo, receipt: str, receiver: str | None
) -> SentTo:
    backend = call.backend
    refused = result.status >= 300
    users = [receiver] if receiver else await _readers(backend, result.topic, asker.user)
    delivered = frozenset() if refused else await _delivered(backend, result.topic, users)
    receipts = tuple(
        Receiver(
            result.user if receiver else user,
            "refused" if refused else "delivered" if user in delivered else "stored",
        )
        for user in users
    )
    done = attrs.evolve(result, receipts=receipts)
    if receipt == "sender" and not refused:
        await _tell_sender(backend, asker.user, done)
    return done


async def _readers(backend: Backend, topic: str, but: str) -> list[str]:
    rows = await backend.store.fetch(MembersOf(topic))
    return [row.user for row in rows if row.user != but][:_RECEIPTS]


async def _delivered(backend: Backend, topic: str, users: list[str]) -> frozenset[str]:
    """Those whom a message has reached; nobody if a node that must be asked does not answer: all
    that is sure then is that the message is stored.
    """
    try:
        return await backend.hub.everywhere.reached(topic, users)
    except Refused:
        return frozenset()


async def _tell_sender(backend: Backend, user: str, result: SentTo) -> None:
    """{info} to all live sessions of the sender: `what` data, `event` receipt."""
    receipts = [{"user": it.user, "reached": it.reached} for it in result.receipts]
    told = {"topic": result.topic, "seq": result.seq, "receipts": receipts}
    payload = Json(msgspec.json.encode(told))
    packet = Info(topic="me", what="data", from_=user, event="receipt", payload=payload)
    with contextlib.suppress(Refused):  # the message is sent
        await backend.hub.everywhere.tell(packet, (user,))


HANDLERS: Mapping[str, Handler] = {
    "sendMessage": send_message,
    "sendMessages": send_messages,
    "sendOwnMessage": send_own,
}
