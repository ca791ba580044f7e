"""The audit, on dicts."""

from __future__ import annotations

import attrs

from ..audit import AuditEntry
from ..changes_backend import PurgeAudit, PutAudit
from ..queries_backend import AuditBefore
from .tables import Tables


def put_audit(tables: Tables, change: PutAudit) -> None:
    number = tables.last_entry.rows.get(None, 0) + 1
    tables.last_entry.put(None, number)
    tables.audit.put(number, attrs.evolve(change.entry, n=number))


def purge_audit(tables: Tables, change: PurgeAudit) -> None:
    for number in [n for n, entry in tables.audit.rows.items() if entry.ts < change.before]:
        tables.audit.drop(number)


def audit_before(tables: Tables, query: AuditBefore) -> tuple[AuditEntry, ...]:
    found = sorted((n for n in tables.audit.rows if n < query.n), reverse=True)
    return tuple(tables.audit.rows[n] for n in found[: query.limit])
