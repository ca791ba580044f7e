"""One server at a time, or several nodes: the locks that the connection which writes holds.

The lock belongs to the connection, not to a transaction: who has it knows that no other server
writes, and that no transaction of an earlier connection is still under way. PostgreSQL frees it
when the connection ends, however it ends.

Whoever takes the database over counts up its epoch. A server that lost its connection and comes
back finds out by it whether another one was there meanwhile: then what it has in memory is
worth nothing, and it must not go on.

The nodes of a cluster share the lock, so that a cluster and a server by itself exclude each
other. Each has a lock of its own besides, under its number.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import attrs

from ...errors import StoreAway
from .statements import Connection

_CLASS, _LOCK, _MIGRATING = 0x54696E6F, 1, 3  # "Tino"; 2 is a node's turn to write
NODES = 0x54696E70  # that of the second class is the node's number
SCHEMAS = 0x54696E71  # that of the second class is the schema that a server knows
_TRY = f"SELECT pg_try_advisory_lock({_CLASS}, {_LOCK})"
_TRY_SHARED = f"SELECT pg_try_advisory_lock_shared({_CLASS}, {_LOCK})"
_END_FORMER = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = {NODES} AND objid = $1::bigint::oid AND granted
    AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_TAKE_NUMBER = f"SELECT pg_advisory_lock({NODES}, $1::bigint::int)"
_DROP_NUMBER = f"SELECT pg_advisory_unlock({NODES}, $1::bigint::int)"
_END_ALL = """
DELETE FROM node_beat;
WITH gone AS (DELETE FROM node RETURNING id, batch)
INSERT INTO node_gone (id, batch, at) SELECT id, batch, now_ms() FROM gone"""
_HOLDER = f"""
SELECT a.pid, coalesce(a.application_name, '') FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = {_CLASS} AND l.objid = {_LOCK} AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_KNOWS = f"SELECT pg_advisory_lock_shared({SCHEMAS}, $1::bigint::int)"
_AT_WORK = f"""
SELECT coalesce(n.name, a.application_name, '') || ', backend ' || a.pid, s.objid::bigint
FROM pg_locks AS s JOIN pg_stat_activity AS a ON a.pid = s.pid
LEFT JOIN pg_locks AS o ON o.pid = s.pid AND o.locktype = 'advisory' AND o.classid = {NODES}
LEFT JOIN node AS n ON n.id = o.objid::bigint
WHERE s.locktype = 'advisory' AND s.classid = {SCHEMAS} AND s.granted AND s.pid <> pg_backend_pid()
    AND s.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1"""
_STEP = 0.1  # seconds between two attempts


class TakenError(StoreAway):
    """Another server works on the database. `holder` is what it calls itself."""

    def __init__(self, shown: str, holder: str) -> None:
        super().__init__(f"{shown}: another server works on this database ({holder})")
        self.holder = holder


@attrs.frozen
class Holder:
    """The backend of a connection, to be told from one that got its number later."""

    process: int
    name: str


def claim(
    connection: Connection,
    shown: str,
    patience: float,
    former: Holder | None,
    *,
    shared: bool = False,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Get the lock within `patience` seconds, or raise TakenError; `shared` with other nodes.

    A server that was killed may hold it until PostgreSQL has noticed. `former` is this
    process's own connection of before: if that one still holds it, it is ended.
    """
    attempts = max(1, round(patience / _STEP))
    for attempt in range(attempts):
        row = connection.execute(_TRY_SHARED if shared else _TRY).fetchone()
        if row is not None and row[0]:
            return
        holder = _holder(connection)
        if former is not None and holder == former:
            connection.execute("SELECT pg_terminate_backend($1::int)", (former.process,))
        if attempt + 1 < attempts:
            pause(_STEP)
    holder = _holder(connection)
    named = "it does not say which" if holder is None else _told(holder)
    raise TakenError(shown, named)


def _told(holder: Holder) -> str:
    return f"{holder.name or 'it has no name'}, backend {holder.process}"


def _holder(connection: Connection) -> Holder | None:
    row = connection.execute(_HOLDER).fetchone()
    return None if row is None else Holder(int(row[0]), str(row[1]))


def holder_of(connection: Connection, name: str) -> Holder:
    """How others see this connection."""
    return Holder(connection.info.backend_pid, name)


@contextlib.contextmanager
def migrating(connection: Connection) -> Iterator[None]:
    """One node at a time."""
    connection.execute(f"SELECT pg_advisory_lock({_CLASS}, {_MIGRATING})")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(f"SELECT pg_advisory_unlock({_CLASS}, {_MIGRATING})")


def know(connection: Connection, schema: int) -> None:
    """Let others see which schema this server knows, as long as the connection lasts."""
    connection.execute(_KNOWS, (schema,))


def at_work(connection: Connection) -> list[tuple[str, int]]:
    """The other servers that write to the database, by what they are called, and the schema that
    each knows.
    """
    (made,) = connection.execute("SELECT to_regclass('node') IS NOT NULL").fetchone() or (False,)
    rows = connection.execute(_AT_WORK, prepare=False).fetchall() if made else []
    return [(str(name), int(schema)) for name, schema in rows]


def end_members(connection: Connection) -> None:
    """Whoever has the lock alone knows that no node writes; none shall go on as if it had."""
    connection.execute(_END_ALL, prepare=False)  # one transaction


def take_number(connection: Connection, node: int) -> None:
    """Hold the lock of a node's number. A connection that had it before is ended first."""
    connection.execute(_END_FORMER, (node,))
    connection.execute(_TAKE_NUMBER, (node,))


def drop_number(connection: Connection, node: int) -> None:
    connection.execute(_DROP_NUMBER, (node,))
