"""Connections to a database of the reference server, each in one transaction that only reads.

Which kinds there are is said by the URL: `postgresql://` and `mysql://` (MariaDB, too).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from .failure import Failure, Unusable
from .reference import Source

PAGE = 2_000  # rows fetched at a time
_NO_TABLE = 1146  # of MySQL's errors


@contextlib.contextmanager
def opened(url: str) -> Iterator[Source]:
    """The database at a URL. Unusable for another kind; Failure if it cannot be read."""
    kind = url.partition(":")[0]
    if kind in ("postgresql", "postgres"):
        with _postgresql(url) as source:
            yield source
    elif kind in ("mysql", "mariadb"):
        with _mysql(url) as source:
            yield source
    else:
        raise Unusable("URL wants postgresql://user@host/tinode or mysql://user@host/tinode")


@attrs.frozen
class _PostgreSQL:
    connection: Any

    def all(self, sql: str) -> Iterator[tuple[Any, ...]]:
        with self.connection.cursor(name=f"c{id(sql):x}") as cursor:
            cursor.itersize = PAGE
            cursor.execute(sql)
            yield from cursor

    def one(self, sql: str) -> tuple[Any, ...] | None:
        with self.connection.cursor() as cursor:
            row: tuple[Any, ...] | None = cursor.execute(sql).fetchone()
            return row


@contextlib.contextmanager
def _postgresql(url: str) -> Iterator[Source]:
    try:
        import psycopg
    except ImportError:
        raise Unusable("PostgreSQL is read with psycopg: pip install 'tinode-py[import]'") from None
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield _PostgreSQL(connection)
    except psycopg.errors.UndefinedTable as error:
        raise Failure(f"this is no database of Tinode: {error.diag.message_primary}") from None
    except psycopg.Error as error:
        raise Failure(f"PostgreSQL: {str(error).strip().splitlines()[0]}") from None


@attrs.frozen
class _MySQL:
    """JSON is text for the driver already; double quotes are turned into MySQL's own."""

    connection: Any

    def all(self, sql: str) -> Iterator[tuple[Any, ...]]:
        from pymysql.cursors import SSCursor

        with self.connection.cursor(SSCursor) as cursor:
            cursor.execute(_translated(sql))
            while rows := cursor.fetchmany(PAGE):
                yield from rows

    def one(self, sql: str) -> tuple[Any, ...] | None:
        with self.connection.cursor() as cursor:
            cursor.execute(_translated(sql))
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row


def _translated(sql: str) -> str:
    return sql.replace("::text", "").replace('"', "`")


@contextlib.contextmanager
def _mysql(url: str) -> Iterator[Source]:
    try:
        import pymysql
    except ImportError:
        raise Unusable("MySQL is read with PyMySQL: pip install 'tinode-py[mysql]'") from None
    try:
        with contextlib.closing(pymysql.connect(**_parameters(url))) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield _MySQL(connection)
    except pymysql.MySQLError as error:
        number, text = (*error.args, "", "")[:2]
        if number == _NO_TABLE:
            raise Failure(f"this is no database of Tinode: {text}") from None
        raise Failure(f"MySQL: {text or error}") from None
    except OSError as error:
        raise Failure(f"MySQL: {error}") from None


def _parameters(url: str) -> dict[str, Any]:
    """What the driver wants, of `mysql://user:password@host:port/database?unix_socket=…`."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError as error:
        raise Unusable(f"URL: {error}") from None
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise Unusable("URL names no database: mysql://user@host/tinode")
    given = parse_qs(parts.query)
    unknown = given.keys() - {"unix_socket"}
    if unknown:
        raise Unusable(f"URL: nothing is known of {min(unknown)!r}")
    password = unquote(parts.password) if parts.password else os.environ.get("MYSQL_PWD", "")
    return {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or ""),
        "password": password,
        "database": database,
        "unix_socket": given.get("unix_socket", [None])[0],
        "charset": "utf8mb4",
        "connect_timeout": 10,
        "read_timeout": 600,
    }
