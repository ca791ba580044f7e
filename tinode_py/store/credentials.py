"""Credentials in SQL."""

from __future__ import annotations

from ..changes import DropCredential, PutCredential
from ..queries import ConfirmedBy, CredentialsOf
from ..records import Credential
from . import rows
from .statements import Row, Statements

COLUMNS = ("user", "method", "value", "created", "done", "salt", "digest", "tries")
_LIST = ", ".join(COLUMNS)
_PUT = rows.upsert("credential", COLUMNS, 3)
_OF = f"SELECT {_LIST} FROM credential WHERE user = ? ORDER BY method, value"
_BY = "SELECT user FROM credential WHERE method = ? AND value = ? AND done = 1"
_TAKEN = _BY + " AND user <> ?"
_DROP = "DELETE FROM credential WHERE user = ? AND method = ? AND value = ?"


def put_credential(db: Statements, change: PutCredential) -> bool:
    """False, and nothing is written, if the address is confirmed as somebody else's."""
    c = change.credential
    if c.done and db.row(_TAKEN, (c.method, c.value, c.user)):
        return False
    db.run(_PUT, (c.user, c.method, c.value, c.created, int(c.done), c.salt, c.digest, c.tries))
    return True


def drop_credential(db: Statements, change: DropCredential) -> None:
    db.run(_DROP, (change.user, change.method, change.value))


def credentials_of(db: Statements, query: CredentialsOf) -> tuple[Credential, ...]:
    return tuple(map(_credential, db.rows(_OF, (query.user,))))


def _credential(row: Row) -> Credential:
    user, method, value, created, done, salt, digest, tries = row
    return Credential(user, method, value, created, bool(done), salt, digest, tries)


def confirmed_by(db: Statements, query: ConfirmedBy) -> str | None:
    row = db.row(_BY, (query.method, query.value))
    return None if row is None else str(row[0])
