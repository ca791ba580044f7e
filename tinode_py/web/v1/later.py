"""Messages to be sent later: kept, listed, cancelled. Who sends them is `due`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ... import ids
from ...changes import Batch, DropScheduled, PutScheduled
from ...queries import ScheduledAfter
from ...records import Scheduled
from ...wire.times import parse_time, time_text
from .backend import Call, Handler
from .members import sent
from .problem import Problem
from .shape_messages import OneScheduled, ScheduledList, Send

LATEST = 366 * 86_400_000  # ms from now


async def schedule(call: Call, wanted: Send) -> str:
    """Keep a message until it is due; its id."""
    backend = call.backend
    try:
        at = parse_time(wanted.at or "")
    except ValueError as error:
        raise Problem.field("at", str(error)) from None
    if not backend.now() < at <= backend.now() + LATEST:
        raise Problem.field("at", "must lie ahead, at most a year")
    ident = ids.new_body(backend.random_bytes)
    # The key makes it one message even if the server falls between sending and forgetting.
    kept = attrs.evolve(wanted, at=None, idem=wanted.idem or f"later:{ident}")
    request = msgspec.json.encode(sent(kept))
    row = Scheduled(ident, call.caller.name, at, request)
    await backend.store.commit(Batch((PutScheduled(row),)))
    backend.hub.scheduled.set()
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
