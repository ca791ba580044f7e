"""The schema of a PostgreSQL database: made, brought up to date, refused by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Cluster
from tests.store.made import ANN, append, people, put, seen
from tinode_py.errors import StoreError
from tinode_py.queries import UserById
from tinode_py.store import dump
from tinode_py.store import migrate as sqlite_migrate
from tinode_py.store.migrate import SchemaError
from tinode_py.store.postgres.address import Address, AddressFault
from tinode_py.store.postgres.coordination import open_coordination
from tinode_py.store.postgres.migrate import (
    FIRST,
    OWN,
    TABLES,
    beside,
    migrate,
    newest,
    packaged,
)
from tinode_py.store.postgres.statements import Connection
from tinode_py.store.postgres.store import open_postgres

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"""


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database(empty=True)


@pytest.fixture
def db(cluster: Cluster, url: str) -> Iterator[Connection]:
    with cluster.connect(url.partition("@/")[2].partition("?")[0]) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations of this version, to which tests add some."""
    copy = tmp_path / "postgres"
    copy.mkdir()
    for entry in packaged().iterdir():
        (copy / entry.name).write_text(entry.read_text("utf-8"))
    return copy


def test_both_stores_have_the_same_tables_at_the_same_number(db: Connection) -> None:
    """So that an export of one is an import of the other."""
    migrate(db, "x", packaged())
    ours: dict[str, list[str]] = {}
    for table, column in db.execute(_COLUMNS).fetchall():
        ours.setdefault(table, []).append(column)
    theirs = {}
    with sqlite3.connect(":memory:", isolation_level=None) as other:
        sqlite_migrate.migrate(other, Path("x"), sqlite_migrate.packaged())
        for (name,) in other.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ):
            if name in dump.OWN:
                continue
            info = other.execute(f"PRAGMA table_info({name})").fetchall()
            theirs[name] = [row[1] for row in info]
        (known,) = other.execute("PRAGMA user_version").fetchone()
    assert {table: columns for table, columns in ours.items() if table not in OWN} == theirs
    assert newest() == known


async def test_data_of_the_version_before(url: str, db: Connection, folder: Path) -> None:
    async with open_postgres(Address.of(url), inline=True) as store:
        await people(store)
        await put(store, append(1))
    (folder / f"{newest() + 1:04}_note.sql").write_text(
        "ALTER TABLE account ADD COLUMN note TEXT;\nCREATE INDEX noted ON account (note);\n"
    )
    async with open_postgres(Address.of(url), inline=True, migrations=folder) as store:
        assert await store.fetch(UserById(ANN)) is not None
        assert await seen(store) == [1]
        await put(store, append(2))
    assert db.execute("SELECT schema FROM tinode_py").fetchall() == [(newest() + 1,)]
    with pytest.raises(SchemaError, match="newer") as caught:
        async with open_postgres(Address.of(url)):
            raise AssertionError
    assert (caught.value.found, caught.value.known) == (newest() + 1, newest())


def added(folder: Path, *notes: str) -> int:
    """Migrations on top, each with a first line; the number of the last."""
    number = newest()
    for note in notes:
        number += 1
        script = f"{note}\nALTER TABLE account ADD COLUMN note{number} TEXT;\n"
        (folder / f"{number:04}_note.sql").write_text(script)
    return number


async def test_older_and_newer_nodes_side_by_side(url: str, db: Connection, folder: Path) -> None:
    """One after the other is started again, as in a rolling upgrade."""
    address, old = Address.of(url), newest()
    made = added(folder, f"-- beside: {old}")
    async with open_postgres(address, shared=True):
        async with open_postgres(address, shared=True, migrations=folder):
            assert db.execute("SELECT schema FROM tinode_py").fetchall() == [(made,)]
            async with open_postgres(address, shared=True):  # an older one is started again
                pass
        added(folder, f"-- beside: {old}", f"-- beside: {old + 1}")
        with pytest.raises(SchemaError, match="older servers are at work") as caught:
            async with open_postgres(address, shared=True, migrations=folder):
                raise AssertionError
        assert (caught.value.found, caught.value.known) == (old + 1, old + 2)
    async with open_postgres(address, shared=True, migrations=folder):
        assert db.execute("SELECT schema FROM tinode_py").fetchall() == [(old + 2,)]
    with pytest.raises(SchemaError, match="newer"):
        async with open_postgres(address, shared=True):
            raise AssertionError


async def test_a_migration_that_says_nothing_wants_to_be_alone(
    url: str, db: Connection, folder: Path
) -> None:
    address = Address.of(url)
    added(folder, "-- besides: nothing")
    async with open_postgres(address, shared=True) as older, open_coordination(address) as shared:
        older.serve_as(await shared.join("the older one", "a:1", ""))
        await people(older)
        with pytest.raises(
            SchemaError, match=r"older servers are at work .the older one, backend [0-9]+"
        ):
            async with open_postgres(address, shared=True, migrations=folder):
                raise AssertionError
    assert db.execute("SELECT schema FROM tinode_py").fetchall() == [(newest(),)]
    async with open_postgres(address, shared=True, migrations=folder):
        with pytest.raises(SchemaError, match="newer"):
            async with open_postgres(address, shared=True):
                raise AssertionError


def test_what_a_first_line_may_say() -> None:
    assert beside(70, "-- beside: 68\nSELECT 1;\n") == 68
    assert beside(70, "-- beside: 99\n") == 70
    assert beside(70, "SELECT 1;\n-- beside: 68\n") == 70
    assert beside(70, "-- beside: some\n") == 70


def test_a_migration_that_fails_leaves_nothing_of_itself(db: Connection, folder: Path) -> None:
    number = newest() + 1
    (folder / f"{number:04}_good.sql").write_text("CREATE TABLE good (x BIGINT);\n")
    (folder / f"{number + 1:04}_bad.sql").write_text(
        "CREATE TABLE half (x BIGINT);\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(psycopg.errors.UndefinedTable, match="nowhere"):
        migrate(db, "x", folder)
    assert db.execute("SELECT schema FROM tinode_py").fetchall() == [(number,)]
    tables = {name for (name,) in db.execute(TABLES).fetchall()}
    assert "good" in tables
    assert "half" not in tables


async def test_a_database_of_another_program_is_left_alone(url: str, db: Connection) -> None:
    db.execute("CREATE TABLE kvmeta (key TEXT)")
    with pytest.raises(SchemaError, match="another program"):
        async with open_postgres(Address.of(url)):
            raise AssertionError
    assert db.execute(TABLES).fetchall() == [("kvmeta",)]


async def test_an_encoding_that_cannot_hold_everything(cluster: Cluster) -> None:
    with cluster.connect() as db:
        db.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
    with pytest.raises(SchemaError, match="LATIN1, wants UTF8"):
        async with open_postgres(Address.of(cluster.url("latin"))):
            raise AssertionError


def test_numbers_of_migrations_are_dense() -> None:
    names = sorted(entry.name for entry in packaged().iterdir() if entry.name.endswith(".sql"))
    assert [int(name[:4]) for name in names] == [*range(FIRST, newest() + 1)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@db.example:5433/chat", "postgresql://u@db.example:5433/chat"),
        ("postgresql://u@/chat?host=/run/pg&password=s3cret", "postgresql://u@/chat"),
        ("postgresql:///chat", "postgresql:///chat"),
    ],
)
def test_an_address_is_told_without_its_password(url: str, shown: str) -> None:
    address = Address.of(url)
    assert address.shown == shown
    assert "s3cret" not in repr(address)
    told = address.reason(RuntimeError(f"{url} is bad\nDETAIL: more"))
    assert "s3cret" not in told
    assert "is bad" in told


@pytest.mark.parametrize(
    "url", ["postgresql://u:s3cret%zz@x/y", "postgresql://u:s3cret@x/y?nonsense=1"]
)
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(AddressFault, match="wants postgresql://") as caught:
        Address.of(url)
    assert "s3cret" not in str(caught.value)


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    address = Address.of(f"postgresql://u:s3cret@/x?host={tmp_path}")
    with pytest.raises(StoreError, match="No such file") as caught:
        async with open_postgres(address):
            raise AssertionError
    assert "s3cret" not in str(caught.value)
