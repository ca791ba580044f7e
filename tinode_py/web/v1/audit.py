"""The audit, read: what operators and back ends have done, the latest first."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...audit import AuditEntry
from ...queries_backend import AuditBefore
from ...settings.keys import MAX_NUMBER
from ...wire.times import time_text
from .backend import Call, Handler
from .problem import Problem
from .shape_audit import AuditPage, Deed
from .types import NULL

_DIGITS = 15


async def read_audit(call: Call) -> AuditPage:
    call.caller.check_all()
    page = call.query
    rows = await call.backend.store.fetch(AuditBefore(_before(page.after), page.limit))
    after = str(rows[-1].n) if len(rows) == page.limit else ""
    return AuditPage(tuple(map(_shown, rows)), after)


def _before(after: str) -> int:
    if not after:
        return MAX_NUMBER
    if not (after.isascii() and after.isdecimal() and len(after) <= _DIGITS):
        raise Problem.field("after", "wants `next` of the page before")
    return int(after)


def _shown(row: AuditEntry) -> Deed:
    who = row.actor
    detail = NULL if row.detail is None else msgspec.Raw(row.detail)
    return Deed(
        row.n, time_text(row.ts), who.door, who.name, who.origin, row.action, row.target, detail
    )


HANDLERS: Mapping[str, Handler] = {"readAudit": read_audit}
