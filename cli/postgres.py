"""What the commands do where the chat is in PostgreSQL. They import this when they meet it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.store.browse import Browser
from tinode_py.store.lines import ImportFault, Place, Reading
from tinode_py.store.postgres.address import Address, AddressFault
from tinode_py.store.postgres.dump import Importer, exported
from tinode_py.store.postgres.looking import browsing, facts_of
from tinode_py.store.postgres.migrate import newest, packaged, version_of
from tinode_py.store.postgres.statements import READING, connect
from tinode_py.store.postgres.store import TAKING_OVER, taken
from tinode_py.store.soundness import misfits

_USED = "SELECT 1 FROM account UNION ALL SELECT 1 FROM topic WHERE name <> 'sys' LIMIT 1"


def address_of(url: str) -> Address:
    try:
        return Address.of(url)
    except AddressFault as fault:
        raise ConfigError("server.store", str(fault)) from None


def browsing_at(url: str) -> AbstractContextManager[Browser]:
    """A browser of the database. It sees the moment at which it begins."""
    return browsing(address_of(url))


def info(url: str) -> dict[str, Any]:
    found = facts_of(address_of(url))
    return {
        "database": found.database,
        "size": found.size,
        "schema": found.schema,
        "postgresql": found.postgres,
        "rows": found.rows,
    }


def migrated(url: str) -> tuple[str, int, int]:
    """How the database is called, its schema before and after. TakenError beside a server."""
    address = address_of(url)
    with contextlib.closing(connect(address, READING)) as connection:
        before = version_of(connection, address.shown, newest())
    if not before:
        raise StoreError(f"{address.shown}: no database of ours is there")
    with taken(address, packaged(), TAKING_OVER):
        return address.shown, before, newest()


def export_lines(url: str, reading: Reading | None) -> Iterator[bytes]:
    return exported(address_of(url), reading)


def import_lines(url: str, lines: Iterator[bytes], place: Place) -> tuple[str, int]:
    """How the database is called, and how many lines were taken; all of them, or none."""
    address = address_of(url)
    with taken(address, packaged(), TAKING_OVER) as connection:
        if connection.execute(_USED).fetchone() is not None:
            raise ImportFault(0, f"{address.shown} is not empty: import into another database")
        try:
            with connection.transaction():
                importer = Importer(connection, place)
                importer.load(lines)
                for wrong in misfits(lambda sql: importer.rows(sql)):
                    raise ImportFault(0, f"{wrong}; nothing was imported")
        except psycopg.Error as error:
            raise StoreError(f"{address.shown}: {address.reason(error)}") from None
        return address.shown, importer.lines
