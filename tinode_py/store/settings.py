"""Settings made at run time, in SQL."""

from __future__ import annotations

from ..changes_backend import PutSetting
from ..queries_backend import StoredSettings
from .rows import upsert
from .statements import Statements

_PUT = upsert("setting", ("key", "value"))


def put_setting(db: Statements, change: PutSetting) -> None:
    if change.value is None:
        db.run("DELETE FROM setting WHERE key = ?", (change.key,))
    else:
        db.run(_PUT, (change.key, change.value.decode()))


def stored_settings(db: Statements, query: StoredSettings) -> tuple[tuple[str, bytes], ...]:
    found = db.rows("SELECT key, value FROM setting WHERE key > '' ORDER BY key", ())
    return tuple((key, value.encode()) for key, value in found)
