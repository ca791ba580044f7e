"""Bringing a PostgreSQL database to the schema of this version, or refusing it.

A database is ours if it has the table `tinode_py`, whose one row is the number of the last
migration. Numbers mean the same as those of SQLite: at one number both have the same tables.
Each migration is one transaction, its number included, so that a crash leaves all of it or
nothing. No backup is made here: that is done by PostgreSQL's own means, before.

A migration after which servers of an earlier version may go on says so in its first line,
`-- beside: NNNN`: they are those that know the schema NNNN at least. Any other migration wants that
nobody else is at work, and shuts earlier versions out.
"""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

from ..migrate import SchemaError, numbered
from ..rows import Row
from .claim import at_work
from .statements import Connection

FIRST = 12  # the migration that makes everything
_BESIDE = re.compile(r"-- beside: (\d+)\s*$")
# `beside` is the oldest schema whose servers may be at work; none: that of the database.
_MARK = """
CREATE TABLE IF NOT EXISTS tinode_py (one BIGINT PRIMARY KEY CHECK (one = 1), schema BIGINT);
ALTER TABLE tinode_py ADD COLUMN IF NOT EXISTS beside BIGINT;
INSERT INTO tinode_py (one, schema, beside) VALUES (1, {0}, {1})
ON CONFLICT (one) DO UPDATE SET schema = {0}, beside = greatest(tinode_py.beside, {1});
"""
_OLDEST = """
SELECT to_jsonb(tinode_py) ->> 'beside' FROM tinode_py WHERE one = 1"""
# Tables that say nothing of the chat.
OWN = ("tinode_py", "writer", "node", "node_beat", "node_gone", "claim")
TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1"""


def packaged() -> Traversable:
    """The migrations that come with this version."""
    return resources.files("tinode_schema").joinpath("postgres")


def migrate(
    connection: Connection, shown: str, folder: Traversable, *, until: int | None = None
) -> None:
    """Check the database and run what it lacks; SchemaError leaves it as it is.

    Nobody else may do the same meanwhile. `shown` is how the database is called. Other servers
    may be at work if every migration that is run says that they may go on; a newer database is
    taken if what made it newer says so of this version.
    """
    migrations = numbered(folder)
    known = max(migrations, default=0)
    found = version_of(connection, shown, known, beside=True)
    last = known if until is None else until
    missing = [number for number in sorted(migrations) if found < number <= last]
    scripts = {number: migrations[number].read_text("utf-8") for number in missing}
    oldest = max((beside(number, script) for number, script in scripts.items()), default=0)
    if older := [name for name, schema in at_work(connection) if schema < oldest]:
        problem = f"cannot be changed while older servers are at work ({'; '.join(older)})"
        raise SchemaError(shown, problem, found=found, known=known)
    for number, script in scripts.items():
        with connection.transaction():
            mark = _MARK.format(number, beside(number, script))
            connection.execute(script + mark, prepare=False)


def beside(number: int, script: str) -> int:
    """The oldest schema whose servers may go on beside the one that a migration makes."""
    found = _BESIDE.match(script.partition("\n")[0])
    return number if found is None else min(int(found[1]), number)


def may_work(connection: Connection, known: int) -> bool:
    """Whether a server that knows the schema `known` may work on a database that is newer."""
    (oldest,) = _row(connection, _OLDEST)
    return oldest is not None and int(oldest) <= known


def newest(folder: Traversable | None = None) -> int:
    """The number of the last migration that is known, or is in a folder."""
    return max(numbered(folder or packaged()))


def version_of(connection: Connection, shown: str, known: int, *, beside: bool = False) -> int:
    """The schema of a database, 0 for an empty one; SchemaError if it is newer or not ours. With
    `beside` one that is newer will do if servers that know `known` may work on it.
    """
    (encoding,) = _row(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        problem = f"has the encoding {encoding}, wants UTF8"
        raise SchemaError(shown, problem, found=None, known=known)
    (place,) = _row(connection, "SELECT current_schema()")
    if place is None:
        raise SchemaError(shown, "has no schema to make tables in", found=None, known=known)
    tables = {str(name) for (name,) in connection.execute(TABLES).fetchall()}
    if not tables:
        return 0
    if "tinode_py" not in tables:
        raise SchemaError(shown, "belongs to another program", found=None, known=known)
    (found,) = _row(connection, "SELECT schema FROM tinode_py WHERE one = 1")
    if found > known and not (beside and may_work(connection, known)):
        raise SchemaError(shown, "was made by a newer version", found=found, known=known)
    return int(found)


def _row(connection: Connection, sql: str) -> Row:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row
