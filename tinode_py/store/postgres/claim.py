"""One server at a time: the lock that the connection which writes holds.

The lock belongs to the connection, not to a transaction: who has it knows that no other server
writes, and that no transaction of an earlier connection is still under way. PostgreSQL frees it
when the connection ends, however it ends.

Whoever takes the database over counts up its epoch. A server that lost its connection and comes
back finds out by it whether another one was there meanwhile: then what it has in memory is
worth nothing, and it must not go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from ...errors import StoreAway
from .statements import Connection

_CLASS, _LOCK = 0x54696E6F, 1  # "Tino"
_TRY = f"SELECT pg_try_advisory_lock({_CLASS}, {_LOCK})"
_HOLDER = f"""
SELECT a.pid, coalesce(a.application_name, '') FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = {_CLASS} AND l.objid = {_LOCK} AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
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
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Get the lock within `patience` seconds, or raise TakenError.

    A server that was killed may hold it until PostgreSQL has noticed. `former` is this
    process's own connection of before: if that one still holds it, it is ended.
    """
    attempts = max(1, round(patience / _STEP))
    for attempt in range(attempts):
        row = connection.execute(_TRY).fetchone()
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
