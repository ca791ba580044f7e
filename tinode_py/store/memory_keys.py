"""Keys of the business API in the store in memory."""

from __future__ import annotations

from ..changes_backend import PutKey
from ..queries_backend import KeyById, KeysAfter
from ..records import ApiKey
from .tables import Tables


def put_key(tables: Tables, change: PutKey) -> bool:
    """False if the key that it is to take the place of is another one by now."""
    if change.instead_of:
        found = tables.keys.rows.get(change.key.id)
        if found is None or (found.digest, found.revoked) != (change.instead_of, 0):
            return False
    tables.keys.put(change.key.id, change.key)
    return True


def key_by_id(tables: Tables, query: KeyById) -> ApiKey | None:
    return tables.keys.rows.get(query.id)


def keys_after(tables: Tables, query: KeysAfter) -> tuple[ApiKey, ...]:
    later = sorted(name for name in tables.keys.rows if name > query.after)
    return tuple(tables.keys.rows[name] for name in later[: query.limit])
