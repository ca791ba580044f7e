"""Sending messages: to a user, to many, to a topic; as a user, or as the system."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ... import ids
from ...access import Level
from ...core.heads import IDEM
from ...errors import DENIED, Refused
from ...live.asking import NAME, Asker, ask
from ...queries import MembersOf
from ...wire.packets import Info, Json, Pub
from .backend import Backend, Call, Handler
from .later import schedule
from .people import speaker, topic_of, users_of
from .problem import Problem, http_status
from .shape_messages import OwnSend, Reached, Receiver, Send, SendMany, Sent, SentMany, SentTo

_RECEIPTS = 1000  # receivers of one message who are looked up


async def send_message(call: Call) -> Sent:
    """One message; with one receiver a refusal is the answer's own status."""
    sent = await send(call, call.body)
    if len(sent.results) == 1 and (only := sent.results[0]).status >= 300:
        raise Problem(only.status, only.detail)
    return sent


async def send_messages(call: Call) -> SentMany:
    many: SendMany = call.body
    return SentMany(tuple([await _tried(call, wanted) for wanted in many.messages]))


async def _tried(call: Call, wanted: Send) -> Sent:
    try:
        return await send(call, wanted)
    except Problem as no:
        return Sent((SentTo("", wanted.user or "", 0, None, no.status, no.detail),))


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
    result = await _publish(call.backend, asker, topic, named, message, vet=True)
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


@attrs.frozen
class _Message:
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


def checked_head(
    backend: Backend, content: msgspec.Raw, head: msgspec.Raw
) -> dict[str, msgspec.Raw]:
    """The members of a head; 413 if the message is too long, 400 if the head is no object."""
    limit = backend.settings.limits.message_size
    if len(bytes(content)) + len(bytes(head)) > limit:
        raise Problem(413, f"content and head are longer than {limit} bytes")
    if bytes(head) == b"null":
        return {}
    try:
        return msgspec.json.decode(head, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise Problem.field("head", "must be an object") from None


async def send(call: Call, wanted: Send) -> Sent:
    """Send one message to all its receivers, one after the other."""
    chosen = [wanted.user is not None, bool(wanted.users), wanted.topic is not None]
    if sum(chosen) != 1:
        raise Problem.field("topic", "give exactly one of `user`, `users`, `topic`")
    message = _Message.of(call.backend, wanted)
    if wanted.at is not None:
        return Sent((), await schedule(call, wanted))
    if wanted.topic is not None:
        topic = await topic_of(call, wanted.topic)
        asker = await speaker(call, wanted.from_)
        named = ids.p2p_peer(topic.name, asker.user) if _is_p2p(topic.name) else topic.name
        if _is_p2p(topic.name) and asker.user not in ids.p2p_users(topic.name):
            raise Problem(403, "only the two whose conversation it is speak there")
        result = await _publish(call.backend, asker, topic.name, named, message)
        return Sent((await _with_receipts(call, asker, result, wanted.receipt, None),))
    asker = await speaker(call, wanted.from_)
    names = wanted.users or (wanted.user or "",)
    users = await users_of(call, names)
    results = []
    for name in names:
        user = users[name]
        if user is None:
            results.append(_unknown(name, wanted))
        elif user.id == asker.user:
            results.append(SentTo("", name, 0, None, 400, "this is the sender himself"))
        else:
            topic_name = ids.p2p_name(asker.user, user.id)
            result = await _publish(call.backend, asker, topic_name, user.id, message)
            result = attrs.evolve(result, user=name)
            results.append(await _with_receipts(call, asker, result, wanted.receipt, user.id))
    return Sent(tuple(results))


def _is_p2p(topic: str) -> bool:
    return topic.startswith("p2p")


def _unknown(name: str, wanted: Send) -> SentTo:
    receipts = (Receiver(name, "unknown user"),) if wanted.receipt != "none" else ()
    return SentTo("", name, 0, None, 404, f"there is no user {name!r}", receipts)


async def _publish(
    backend: Backend, asker: Asker, topic: str, named: str, message: _Message, *, vet: bool = False
) -> SentTo:
    head = Json(message.head) if message.head else None
    request = Pub(id=NAME, topic=named, head=head, content=Json(message.content))
    try:
        if vet:
            request = await backend.hub.vetted(asker.user, topic, request)
        answers = await ask(backend.hub, asker, topic, named, request, message.attachments)
    except Refused as no:
        text = (no.params or {}).get("reason", no.answer.text)
        return SentTo(topic, "", 0, None, http_status(no.answer.code), text)
    ctrl = answers.ctrl
    if not ctrl:
        return SentTo(topic, "", 0, None, 503, "the topic gave no answer")
    if ctrl["code"] >= 300:
        return SentTo(topic, "", 0, None, *_refusal(ctrl["code"], ctrl["text"], named))
    seq = (ctrl.get("params") or {}).get("seq", 0)
    return SentTo(topic, "", seq, ctrl["ts"], 202, "")


def _refusal(code: int, text: str, named: str) -> tuple[int, str]:
    if text == "must attach first":
        return 403, f"the sender is no member of {named}"
    return http_status(code), text


# --- receipts ----------------------------------------------------------------------------


async def _with_receipts(
    call: Call, asker: Asker, result: SentTo, receipt: str, receiver: str | None
) -> SentTo:
    if receipt == "none":
        return result
    backend = call.backend
    refused = result.status >= 300
    users = [receiver] if receiver else await _readers(backend, result.topic, asker.user)
    receipts = tuple(
        Receiver(
            result.user if receiver else user,
            "refused" if refused else _reached(backend, result.topic, user),
        )
        for user in users
    )
    done = attrs.evolve(result, receipts=receipts)
    if receipt == "sender" and not refused:
        _tell_sender(backend, asker.user, done)
    return done


async def _readers(backend: Backend, topic: str, but: str) -> list[str]:
    rows = await backend.store.fetch(MembersOf(topic))
    return [row.user for row in rows if row.user != but][:_RECEIPTS]


def _reached(backend: Backend, topic: str, user: str) -> Reached:
    return "delivered" if backend.hub.reaches(topic, user) else "stored"


def _tell_sender(backend: Backend, user: str, result: SentTo) -> None:
    """{info} to all live sessions of the sender: `what` data, `event` receipt."""
    receipts = [{"user": it.user, "reached": it.reached} for it in result.receipts]
    told = {"topic": result.topic, "seq": result.seq, "receipts": receipts}
    payload = Json(msgspec.json.encode(told))
    packet = Info(topic="me", what="data", from_=user, event="receipt", payload=payload)
    for link in backend.hub.sessions_of(user):
        link.send(packet)


HANDLERS: Mapping[str, Handler] = {
    "sendMessage": send_message,
    "sendMessages": send_messages,
    "sendOwnMessage": send_own,
}
