"""Messages to be sent later: kept, listed, cancelled. Who sends them is `due`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ... import ids
from ...changes import Batch, Conflict
from ...changes_backend import DropScheduled, PutScheduled
from ...queries_backend import ScheduledAfter
from ...records import Scheduled
from ...wire.times import parse_time, time_text
from .backend import Call, Handler
from .members import sent
from .problem import Problem
from .shape_messages import OneScheduled, ScheduledList, Send

_DAY = 86_400_000  # ms


async def schedule(call: Call, wanted: Send) -> str:
    """Keep a message until it is due; its id."""
    backend = call.backend
    try:
        at = parse_time(wanted.at or "")
    except ValueError as error:
        raise Problem.field("at", str(error)) from None
    limits = backend.settings.limits
    if at <= backend.now():
        raise Problem.field("at", "must lie ahead")
    if at > backend.now() + limits.scheduled_days * _DAY:
        raise Problem.field("at", f"more than {limits.scheduled_days} days ahead")
    ident = ids.new_body(backend.random_bytes)
    # The key makes it one message even if the server falls between sending and forgetting.
    kept = attrs.evolve(wanted, at=None, idem=wanted.idem or f"later:{ident}")
    request = msgspec.json.encode(sent(kept))
    row = Scheduled(ident, call.caller.name, at, request)
    change = PutScheduled(row, limits.scheduled, limits.scheduled_bytes)
    if isinstance(await backend.store.commit(Batch((change,))), Conflict):
        bounds = f"{limits.scheduled} messages or {limits.scheduled_bytes} bytes"
        raise Problem(409, f"more than {bounds} wait to be sent later: cancel some, or send now")
    backend.hub.everywhere.note_scheduled()
    return ident


async def list_scheduled(call: Call) -> ScheduledList:
    page = call.query
    query = ScheduledAfter(call.caller.name, page.after, page.limit)
    rows = await call.backend.store.fetch(query)
    items = tuple(OneScheduled(row.id, time_text(row.at), msgspec.Raw(row.request)) for row in rows)
    return ScheduledList(items, rows[-1].id if len(rows) == page.limit else "")


async def cancel_scheduled(call: Call) -> None:
    ident = call.path["id"]
    rows = await call.backend.store.fetch(ScheduledAfter(call.caller.name, ident[:-1], 1000))
    if ident not in (row.id for row in rows):
        raise Problem(404, f"nothing is to be sent later under {ident!r}")
    await call.backend.store.commit(Batch((DropScheduled(ident),)))


HANDLERS: Mapping[str, Handler] = {
    "listScheduled": list_scheduled,
    "cancelScheduled": cancel_scheduled,
}
