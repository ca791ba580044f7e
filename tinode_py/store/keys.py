"""Keys of the business API in SQL."""

from __future__ import annotations

import json

from ..changes_backend import PutKey
from ..queries_backend import KeyById, KeysAfter
from ..records import ApiKey
from . import rows
from .statements import Row, Statements

COLUMNS = (
    "id",
    "name",
    "digest",
    "scopes",
    "topics",
    "tags",
    "rate",
    "created",
    "revoked",
    "former",
    "former_until",
)
_LIST = ", ".join(COLUMNS)
_PUT = rows.upsert("api_key", COLUMNS)


def put_key(db: Statements, change: PutKey) -> bool:
    """False if the key that it is to take the place of is another one by now."""
    k = change.key
    if change.instead_of:
        found = db.row("SELECT digest, revoked FROM api_key WHERE id = ?", (k.id,))
        if tuple(found or ()) != (change.instead_of, 0):
            return False
    lists = (rows.encoded(k.scopes), rows.encoded(k.topics), rows.encoded(k.tags))
    db.run(
        _PUT,
        (k.id, k.name, k.digest, *lists, k.rate, k.created, k.revoked, k.former, k.former_until),
    )
    return True


def key_by_id(db: Statements, query: KeyById) -> ApiKey | None:
    found = db.row(f"SELECT {_LIST} FROM api_key WHERE id = ?", (query.id,))
    return None if found is None else _key(found)


def keys_after(db: Statements, query: KeysAfter) -> tuple[ApiKey, ...]:
    found = db.rows(
        f"SELECT {_LIST} FROM api_key WHERE id > ? ORDER BY id LIMIT ?", (query.after, query.limit)
    )
    return tuple(map(_key, found))


def _key(row: Row) -> ApiKey:
    ident, name, digest, scopes, topics, tags, *rest = row
    listed = [tuple(json.loads(text)) for text in (scopes, topics, tags)]
    return ApiKey(ident, name, digest, listed[0], listed[1], listed[2], *rest)
