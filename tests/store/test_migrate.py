from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.store.made import ANN, GROUP, append, people, put, seen
from tinode_py.queries import UserById
from tinode_py.store.migrate import (
    APPLICATION_ID,
    SchemaError,
    migrate,
    packaged,
    statements,
)
from tinode_py.store.sqlite import open_sqlite


@pytest.fixture
def folder(tmp_path):
    """The migrations of this version, to which tests add some."""
    copy = tmp_path / "sqlite"
    copy.mkdir()
    for entry in packaged().iterdir():
        (copy / entry.name).write_text(entry.read_text("utf-8"))
    return copy


@pytest.fixture
def known():
    return max(int(entry.name[:4]) for entry in packaged().iterdir() if entry.name[0] != "_")


def _run(path, folder):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, folder)


def _ask(path, question):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchone()[0]


async def test_a_fresh_file(tmp_path, known):
    path = tmp_path / "t.db"
    async with open_sqlite(path, inline=True) as store:
        await people(store)
        assert path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "t.db-wal").stat().st_mode & 0o777 == 0o600
    assert _ask(path, "PRAGMA user_version") == known
    assert _ask(path, "PRAGMA application_id") == APPLICATION_ID
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.db"]


async def test_data_of_the_version_before(tmp_path, folder, known):
    path = tmp_path / "t.db"
    async with open_sqlite(path, inline=True) as store:
        await people(store)
        await put(store, append(1))
    (folder / f"{known + 1:04}_note.sql").write_text(
        "-- A comment; with a semicolon.\n"
        "ALTER TABLE account ADD COLUMN note TEXT;\n"
        "CREATE TRIGGER noted AFTER DELETE ON account BEGIN\n"
        "    DELETE FROM tag WHERE owner = old.id;\n    DELETE FROM login WHERE user = old.id;\n"
        "END;\n"
        "CREATE INDEX account_note ON account (note)\n    WHERE note IS NOT NULL;\n"
    )
    async with open_sqlite(path, inline=True, migrations=folder) as store:
        assert await store.fetch(UserById(ANN)) is not None
        assert await seen(store) == [1]
        await put(store, append(2))
    assert _ask(path, "PRAGMA user_version") == known + 1
    backup = tmp_path / f"t.db.backup-{known}"
    assert _ask(backup, "PRAGMA user_version") == known
    assert _ask(backup, "SELECT count(*) FROM message") == 1
    assert backup.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path, folder, known):
    path = tmp_path / "t.db"
    (folder / f"{known + 1:04}_good.sql").write_text("CREATE TABLE good (x);\n")
    bad = folder / f"{known + 2:04}_bad.sql"
    bad.write_text("CREATE TABLE half (x);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        _run(path, folder)
    assert _ask(path, "PRAGMA user_version") == known + 1
    assert _ask(path, "SELECT count(*) FROM sqlite_master WHERE name IN ('good', 'half')") == 1
    bad.write_text("CREATE TABLE half (x);\n")
    _run(path, folder)
    assert _ask(path, "PRAGMA user_version") == known + 2


def test_a_newer_file_is_refused_untouched(tmp_path, folder, known):
    path = tmp_path / "t.db"
    (folder / f"{known + 1:04}_more.sql").write_text("CREATE TABLE more (x);\n")
    _run(path, folder)
    before = path.read_bytes()
    with pytest.raises(SchemaError) as caught:
        _run(path, packaged())
    assert (caught.value.found, caught.value.known) == (known + 1, known)
    for part in (str(path), str(known + 1), str(known), "newer"):
        assert part in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "script",
    ["CREATE TABLE x (y)", "PRAGMA application_id = 77", "PRAGMA user_version = 1"],
)
def test_a_file_of_another_program_is_refused_untouched(tmp_path, script):
    path = tmp_path / "t.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(script)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="another program"):
        _run(path, packaged())
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_untouched(tmp_path):
    path = tmp_path / "t.db"
    path.write_bytes(b"not a database, though long enough to look like one" * 40)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="not an SQLite database"):
        async with open_sqlite(path):
            raise AssertionError
    assert path.read_bytes() == before


def test_numbers_of_migrations_are_dense(known):
    names = sorted(entry.name for entry in packaged().iterdir() if entry.name.endswith(".sql"))
    assert [int(name[:4]) for name in names] == [*range(1, known + 1)]


def test_a_script_that_breaks_off():
    with pytest.raises(ValueError, match="middle"):
        list(statements("CREATE TABLE a (x);\nCREATE TABLE b ("))


async def test_another_topic(tmp_path):
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        assert await seen(store, where=GROUP) == []
