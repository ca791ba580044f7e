"""Logins in SQL."""

from __future__ import annotations

from ..changes import DropSession, PutSession, RevokeSessions
from ..queries import SessionAt, SessionsOf
from ..records import LoginSession
from . import rows
from .statements import Row, Statements

COLUMNS = ("user", "n", "created", "seen", "user_agent", "platform", "revoked")
_LIST = ", ".join(COLUMNS)
_PUT = rows.upsert("session", COLUMNS, 2)
_ADD = f"INSERT INTO session ({_LIST}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_REVOKE = "UPDATE session SET revoked = ?3 WHERE user = ?1 AND n <> ?2 AND revoked = 0"


def put_session(db: Statements, change: PutSession) -> bool:
    """False if it should be new and is not."""
    s = change.session
    row = (s.user, s.n, s.created, s.seen, s.user_agent, s.platform, s.revoked)
    return db.run(_ADD if change.new else _PUT, row) == 1


def revoke_sessions(db: Statements, change: RevokeSessions) -> None:
    db.run(_REVOKE, (change.user, change.keep, change.now))


def drop_session(db: Statements, change: DropSession) -> None:
    gone = (change.user, change.n, change.before)
    db.run("DELETE FROM session WHERE user = ? AND n = ? AND seen < ?", gone)


def sessions_of(db: Statements, query: SessionsOf) -> tuple[LoginSession, ...]:
    found = db.rows(f"SELECT {_LIST} FROM session WHERE user = ? ORDER BY n", (query.user,))
    return tuple(map(_session, found))


def session_at(db: Statements, query: SessionAt) -> LoginSession | None:
    found = db.row(f"SELECT {_LIST} FROM session WHERE user = ? AND n = ?", (query.user, query.n))
    return None if found is None else _session(found)


def _session(row: Row) -> LoginSession:
    return LoginSession(*row)
