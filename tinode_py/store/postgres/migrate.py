"""Bringing a PostgreSQL database to the schema of this version, or refusing it.

A database is ours if it has the table `tinode_py`, whose one row is the number of the last
migration. Numbers mean the same as those of SQLite: at one number both have the same tables.
Each migration is one transaction, its number included, so that a crash leaves all of it or
nothing. No backup is made here: that is done by PostgreSQL's own means, before.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from ..migrate import SchemaError, numbered
from ..rows import Row
from .statements import Connection

FIRST = 12  # the migration that makes everything
_MARK = """
CREATE TABLE IF NOT EXISTS tinode_py (one BIGINT PRIMARY KEY CHECK (one = 1), schema BIGINT);
INSERT INTO tinode_py VALUES (1, {0}) ON CONFLICT (one) DO UPDATE SET schema = {0};
"""
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

    Nobody else may do the same meanwhile. `shown` is how the database is called.
    """
    migrations = numbered(folder)
    known = max(migrations, default=0)
    found = version_of(connection, shown, known)
    last = known if until is None else until
    for number in sorted(migrations):
        if found < number <= last:
            with connection.transaction():
                script = migrations[number].read_text("utf-8") + _MARK.format(number)
                connection.execute(script, prepare=False)


def newest() -> int:
    """The number of the last migration that is known."""
    return max(numbered(packaged()))


def version_of(connection: Connection, shown: str, known: int) -> int:
    """The schema of a database, 0 for an empty one; SchemaError if it is newer or not ours."""
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
    if found > known:
        raise SchemaError(shown, "was made by a newer version", found=found, known=known)
    return int(found)


def _row(connection: Connection, sql: str) -> Row:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row
