"""What the commands do where the chat is in PostgreSQL. They import this when they meet it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
import psycopg

from tinode_py.audit import AuditEntry
from tinode_py.changes_backend import PutAudit
from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.store.audit import put_audit
from tinode_py.store.browse import Browser
from tinode_py.store.copies import Point, copy_of_lines
from tinode_py.store.lines import ImportFault, Place, Reading
from tinode_py.store.postgres import looking
from tinode_py.store.postgres.address import Address, AddressFault
from tinode_py.store.postgres.dump import Importer, exported
from tinode_py.store.postgres.looking import browsing, facts_of
from tinode_py.store.postgres.migrate import newest, packaged, version_of
from tinode_py.store.postgres.statements import READING, Connection, PostgresStatements, connect
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


def size_and_version(url: str) -> tuple[int, str]:
    return looking.size_and_version(address_of(url))


def copy_from(url: str, target: Path) -> Point:
    """Copy the database, as it is now, into a new SQLite file."""
    address = address_of(url)
    try:
        with contextlib.closing(exported(address, None)) as lines:  # type: ignore[type-var]
            return copy_of_lines(lines, target)
    except ImportFault as fault:
        raise StoreError(f"{address.shown}: {fault}") from None


@attrs.frozen
class Held:
    """A database that this command alone works on."""

    address: Address
    connection: Connection

    @property
    def shown(self) -> str:
        return self.address.shown

    def is_used(self) -> bool:
        return self.connection.execute(_USED).fetchone() is not None

    def note(self, entry: AuditEntry) -> None:
        """Write into the audit."""
        put_audit(PostgresStatements(self.connection), PutAudit(entry))

    @contextlib.contextmanager
    def filled(self, lines: Iterable[bytes], place: Place) -> Iterator[int]:
        """All of these lines, and nothing else, is in the database within the block, and sound;
        how many there were. It stays so if the block ends well, else it is as it was before.
        """
        try:
            with self.connection.transaction():
                importer = Importer(self.connection, place)
                importer.load(lines)
                for wrong in misfits(importer.rows):
                    raise ImportFault(0, f"{wrong}; nothing was imported")
                yield importer.lines
        except psycopg.Error as error:
            raise StoreError(f"{self.shown}: {self.address.reason(error)}") from None


@contextlib.contextmanager
def holding(url: str) -> Iterator[Held]:
    """TakenError while a server works on it. An empty database gets this version's schema."""
    address = address_of(url)
    with taken(address, packaged(), TAKING_OVER) as connection:
        yield Held(address, connection)


def import_lines(url: str, lines: Iterator[bytes], place: Place) -> tuple[str, int]:
    """How the database is called, and how many lines were taken; all of them, or none."""
    with holding(url) as held:
        if held.is_used():
            raise ImportFault(0, f"{held.shown} is not empty: import into another database")
        with held.filled(lines, place) as count:
            return held.shown, count
