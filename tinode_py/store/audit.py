"""The audit in SQL: entries are added, and purged when they are old."""

from __future__ import annotations

from ..audit import Actor, AuditEntry
from ..changes_backend import PurgeAudit, PutAudit
from ..queries_backend import AuditBefore
from .statements import Statements

_PUT = """
INSERT INTO audit (ts, door, actor, origin, action, target, detail) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_BOUND = "UPDATE audit_bound SET before = max(before, ?) WHERE one = 1"
_PAGE = """
SELECT n, ts, door, actor, origin, action, target, CAST(detail AS BLOB) FROM audit
WHERE n < ? ORDER BY n DESC LIMIT ?"""


def put_audit(db: Statements, change: PutAudit) -> None:
    it = change.entry
    detail = None if it.detail is None else it.detail.decode()
    who = (it.actor.door, it.actor.name, it.actor.origin)
    db.run(_PUT, (it.ts, *who, it.action, it.target, detail))


def purge_audit(db: Statements, change: PurgeAudit) -> None:
    db.run(_BOUND, (change.before,))
    db.run("DELETE FROM audit WHERE ts < ?", (change.before,))


def audit_before(db: Statements, query: AuditBefore) -> tuple[AuditEntry, ...]:
    return tuple(
        AuditEntry(ts, Actor(door, name, origin), action, target, detail, n)
        for n, ts, door, name, origin, action, target, detail in db.rows(
            _PAGE, (query.n, query.limit)
        )
    )
