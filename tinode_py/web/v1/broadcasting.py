"""Word to everyone who is online, or to all users with a tag."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...changes import Batch
from ...errors import Refused
from ...queries import FindByTags
from ...wire.parts import Json
from ...wire.server_packets import Info
from .backend import Backend, Call, Handler
from .people import speaker
from .problem import Problem
from .sending import send
from .shape_messages import Broadcast, BroadcastSent, Send

MOST = 10_000  # users of a tag


async def broadcast(call: Call) -> BroadcastSent:
    """{info} on `me`: `what` data, `event` broadcast; the payload has content and head."""
    wanted: Broadcast = call.body
    limit = call.backend.settings.limits.message_size
    if len(bytes(wanted.content)) + len(bytes(wanted.head)) > limit:
        raise Problem(413, f"content and head are longer than {limit} bytes")
    key = call.caller.key
    if key is not None and call.caller.narrow and wanted.tag not in key.tags:
        raise Problem(403, "the key is limited: give one of its tags")
    asker = await speaker(call, wanted.from_)
    deed = call.deed("broadcast", wanted.tag, kept=wanted.kept)
    await call.backend.store.commit(Batch(deed))
    if wanted.kept:
        return await _kept(call, wanted)
    users = await _tagged(call.backend, wanted.tag) if wanted.tag else None
    payload = Json(msgspec.json.encode({"content": wanted.content, "head": wanted.head}))
    packet = Info(topic="me", what="data", from_=asker.user, event="broadcast", payload=payload)
    reached = await call.backend.hub.everywhere.tell(packet, users)
    return BroadcastSent(reached.users, reached.sessions)


async def _kept(call: Call, wanted: Broadcast) -> BroadcastSent:
    """A private message to each, one after the other; who refuses it is not counted."""
    if not wanted.tag:
        raise Problem.field("tag", "what is kept goes to a tag")
    users = await _tagged(call.backend, wanted.tag)
    there = await call.backend.hub.everywhere.sessions(users)
    reached = sessions = 0
    for user in users:
        message = Send(wanted.content, from_=wanted.from_, user=user, head=wanted.head)
        try:
            (result,) = (await send(call, message)).results
        except (Problem, Refused):
            continue
        if result.status < 300:
            reached += 1
            sessions += len(there[user])
    return BroadcastSent(reached, sessions)


async def _tagged(backend: Backend, tag: str) -> list[str]:
    query = FindByTags(((tag.lower(),),), (), "", False, MOST)
    found = await backend.store.fetch(query)
    return [item.name for item in found if item.name.startswith("usr")]


HANDLERS: Mapping[str, Handler] = {"broadcast": broadcast}
