"""Keys, made and ended by whoever has the scope for it; the server's state."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...auth.keys import WantedKey, make_key, rotated
from ...changes import Batch, Conflict
from ...changes_backend import PutKey
from ...core.hello import VERSION
from ...queries_backend import KeyById, KeysAfter
from ...records import ApiKey
from ...wire.times import time_text
from .backend import Call, Handler
from .problem import Problem
from .shape_server import KeyList, OneKey, ServerLimits, ServerState
from .types import ITEMS, PAGE


async def create_key(call: Call) -> OneKey:
    wanted, caller, backend = call.body, call.caller, call.backend
    beyond = set(wanted.scopes) - caller.scopes
    if beyond:
        raise Problem(403, f"nobody can give what he has not: {', '.join(sorted(beyond))}")
    if caller.narrow:
        raise Problem(403, "a key that is limited to topics or tags makes no keys")
    asked = WantedKey(wanted.name, wanted.scopes, wanted.topics, wanted.tags, wanted.rate)
    text, row = make_key(asked, backend.random_bytes, backend.now())
    deed = call.deed("key.create", row.id, name=row.name, scopes=row.scopes)
    await backend.store.commit(Batch((PutKey(row), *deed)))
    return shown(row, text)


async def list_keys(call: Call) -> KeyList:
    page = call.query
    rows = await call.backend.store.fetch(KeysAfter(page.after, page.limit))
    after = rows[-1].id if len(rows) == page.limit else ""
    return KeyList(tuple(shown(row) for row in rows), after)


async def _named(call: Call) -> ApiKey:
    """The key that a request is about, if the one that asks may do as much."""
    row = await call.backend.store.fetch(KeyById(call.path["id"]))
    if row is None:
        raise Problem(404, f"there is no key {call.path['id']!r}")
    if set(row.scopes) - call.caller.scopes:
        raise Problem(403, "this key may do more than the one that asks")
    return row


async def rotate_key(call: Call) -> OneKey:
    backend, row = call.backend, await _named(call)
    if row.revoked:
        raise Problem(409, f"the key {row.id!r} was revoked")
    if call.caller.narrow and row.id != call.caller.name:
        raise Problem(403, "a key that is limited to topics or tags changes no other keys")
    text, new = rotated(row, backend.random_bytes, backend.now(), call.body.grace * 1000)
    deed = call.deed("key.rotate", row.id, name=row.name, grace=call.body.grace)
    outcome = await backend.store.commit(Batch((PutKey(new, row.digest), *deed)))
    if isinstance(outcome, Conflict):
        raise Problem(409, f"the key {row.id!r} was rotated or revoked just now")
    return shown(new, text)


async def revoke_key(call: Call) -> None:
    backend, row = call.backend, await _named(call)
    if not row.revoked:
        ended = PutKey(attrs.evolve(row, revoked=backend.now()))
        deed = call.deed("key.revoke", row.id, name=row.name)
        await backend.store.commit(Batch((ended, *deed)))


def shown(row: ApiKey, text: str = "") -> OneKey:
    revoked = time_text(row.revoked) if row.revoked else None
    created = time_text(row.created)
    return OneKey(
        row.id, row.name, row.scopes, row.topics, row.tags, row.rate, created, revoked, text
    )


async def read_server(call: Call) -> ServerState:
    backend = call.backend
    limits, found = backend.settings.limits, await backend.hub.everywhere.counts()
    return ServerState(
        backend.entrance.build,
        VERSION,
        time_text(backend.now()),
        found["topics"],
        found["sessions"],
        found["users"],
        found["rooms"],
        found["dropped"],
        ServerLimits(
            limits.message_size,
            limits.topic_subscribers,
            limits.tags,
            limits.file_size,
            limits.scheduled,
            limits.scheduled_bytes,
            limits.scheduled_days,
            ITEMS,
            PAGE,
        ),
    )


HANDLERS: Mapping[str, Handler] = {
    "createKey": create_key,
    "listKeys": list_keys,
    "rotateKey": rotate_key,
    "revokeKey": revoke_key,
    "readServer": read_server,
}
