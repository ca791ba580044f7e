"""The task that sends what was to be sent later, at its time."""

from __future__ import annotations

import logging

import trio
from starlette.requests import Request

from ...auth.keys import SCOPES
from ...changes import Batch
from ...changes_backend import DropScheduled
from ...errors import Refused, StoreError
from ...live.complaints import Outage
from ...queries_backend import DueScheduled, KeyById
from ...records import Scheduled
from .access import Caller
from .backend import Backend, Call
from .problem import Problem
from .reading import parse_body
from .sending import send
from .shape_messages import Send

log = logging.getLogger(__name__)

PAGE = 100
PAUSE = 5.0  # seconds between attempts while the store fails
_TRANSIENT = 500  # and above: tried again


async def send_when_due(backend: Backend) -> None:
    """Send each message once it is due, until cancelled. After a fall of the server what is
    overdue is sent at once; what was sent and not forgotten yet is not sent twice (`idem`).
    """
    outage = Outage(log, "sending later")
    while True:
        backend.hub.scheduled = trio.Event()
        try:
            wait = await _send_due(backend)
        except StoreError as error:
            outage.failed(error)
            wait = PAUSE
        else:
            outage.over()
        with trio.move_on_after(wait):
            await backend.hub.scheduled.wait()


async def _send_due(backend: Backend) -> float:
    """Send what is due; seconds until something is."""
    while rows := await backend.store.fetch(DueScheduled(PAGE)):
        for row in rows:
            if row.at > backend.now():
                return (row.at - backend.now()) / 1000
            if not await _send(backend, row):
                return PAUSE
            await backend.store.commit(Batch((DropScheduled(row.id),)))
    return float("inf")


async def _send(backend: Backend, row: Scheduled) -> bool:
    """Whether it is done with, be it sent or refused."""
    caller = await _caller(backend, row.key)
    if caller is None:
        log.warning("the key of a message to be sent later is gone", extra={"id": row.id})
        return True
    wanted = parse_body(row.request, Send, 2 * len(row.request))
    try:
        call = Call(backend, caller, Request({"type": "http"}), {}, wanted)
        results = (await send(call, wanted)).results
    except (Problem, Refused) as no:
        log.warning("a message to be sent later was refused: %s", no, extra={"id": row.id})
        return True
    return all(result.status < _TRANSIENT for result in results)


async def _caller(backend: Backend, key: str) -> Caller | None:
    """Who asked, as of now: a key that was revoked sends no more."""
    if not key or key.startswith("usr") or key == "operator":
        return Caller(key, frozenset(SCOPES))
    row = await backend.store.fetch(KeyById(key))
    return None if row is None or row.revoked else Caller(row.id, frozenset(row.scopes), row)
