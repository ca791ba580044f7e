"""Settings made at run time, and secrets, in the store in memory."""

from __future__ import annotations

from ..changes_backend import PutSecret, PutSetting
from ..queries_backend import StoredSettings
from .tables import Tables


def put_setting(tables: Tables, change: PutSetting) -> None:
    if change.value is None:
        tables.settings.drop(change.key)
    else:
        tables.settings.put(change.key, change.value)


def stored_settings(tables: Tables, query: StoredSettings) -> tuple[tuple[str, bytes], ...]:
    return tuple(sorted(tables.settings.rows.items()))


def put_secret(tables: Tables, change: PutSecret) -> None:
    if change.name not in tables.secrets.rows:
        tables.secrets.put(change.name, change.value)
