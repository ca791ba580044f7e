"""What the commands do where the chat is in PostgreSQL. They import this when they meet it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.store.lines import ImportFault, Place, Reading
from tinode_py.store.postgres.address import Address, AddressFault
from tinode_py.store.postgres.dump import Importer, exported
from tinode_py.store.postgres.looking import facts_of, looking
from tinode_py.store.postgres.migrate import newest, packaged, version_of
from tinode_py.store.postgres.statements import READING, connect
from tinode_py.store.postgres.store import TAKING_OVER, taken
from tinode_py.store.rows import Row
from tinode_py.store.soundness import misfits

from .uploads import REFERRED

_NAMED = """
SELECT id FROM account WHERE id = ?1 UNION ALL
SELECT user FROM login WHERE name IN (?1, lower(?1)) LIMIT 1"""
_LOGIN = "SELECT name FROM login WHERE user = ? AND scheme = 'basic'"
_USED = "SELECT 1 FROM account UNION ALL SELECT 1 FROM topic WHERE name <> 'sys' LIMIT 1"


def address_of(url: str) -> Address:
    try:
        return Address.of(url)
    except AddressFault as fault:
        raise ConfigError("server.store", str(fault)) from None


def account_named(url: str, name: str) -> tuple[str, str] | None:
    """Number and login (else the number again) of whom an operator means."""
    with looking(address_of(url)) as db:
        found = db.row(_NAMED, (name,))
        if found is None:
            return None
        login = db.row(_LOGIN, (found[0],))
        return str(found[0]), str(login[0] if login else found[0])


def info(url: str) -> dict[str, Any]:
    found = facts_of(address_of(url))
    return {
        "database": found.database,
        "size": found.size,
        "schema": found.schema,
        "postgresql": found.postgres,
        "rows": found.rows,
    }


def misfits_of(url: str) -> tuple[str, list[str]]:
    """How the database is called, and what does not fit together in it."""
    address = address_of(url)
    with looking(address) as db:
        return address.shown, list(misfits(db.rows))


@contextlib.contextmanager
def referred(url: str) -> Iterator[Iterator[Row]]:
    """Uploads that something refers to, as rows of `REFERRED`."""
    with looking(address_of(url)) as db, contextlib.closing(db.each(REFERRED)) as rows:
        yield rows


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
