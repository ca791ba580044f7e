"""A server as lines of JSON: export, and import of what is whole or broken."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from tests.cli.conftest import installed
from tests.cli.talked import badly, do, exported, talked, uploads_in, well
from tinode_py.store.dump import exported as lines_of_export
from tinode_py.store.migrate import migrate, packaged
from tinode_py.testing import running_server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return talked(tmp_path / "data")


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
def test_export_import_export_gives_the_same_bytes(data: Path, tmp_path: Path, name: str) -> None:
    before = exported(data, tmp_path / name)
    assert exported(data, tmp_path / f"again-{name}") == before
    told = well("import", tmp_path / name, "--data", tmp_path / "new")
    assert told["skipped"] == 0
    assert exported(tmp_path / "new", tmp_path / f"after-{name}") == before
    assert well("db", "check", "--data", tmp_path / "new")["faults"] == []
    schemas = [
        sqlite3.connect(folder / "tinode.db")
        .execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        .fetchall()
        for folder in (data, tmp_path / "new")
    ]
    assert schemas[0] == schemas[1]
    kept = [uploads_in(folder) for folder in (data, tmp_path / "new")]
    assert kept[1] == {name: raw for name, raw in kept[0].items() if raw != b"of nobody"}
    assert len(kept[1]) == 1
    assert not list((tmp_path / "new").glob("*importing*"))


def test_a_large_upload_comes_in_pieces(data: Path, tmp_path: Path) -> None:
    (file,) = [
        it for it in (data / "uploads").rglob("*") if it.is_file() and it.stat().st_size == 5
    ]
    file.write_bytes(os.urandom(500_000))
    whole = exported(data, tmp_path / "all")
    assert max(map(len, whole.splitlines())) < 300_000
    well("import", tmp_path / "all", "--data", tmp_path / "new")
    assert uploads_in(tmp_path / "new") == {file.name: file.read_bytes()}
    assert (tmp_path / "new" / "uploads").stat().st_mode & 0o077 == 0


def test_files_are_read_after_the_moment_is_over(data: Path) -> None:
    """A server's journal can be emptied meanwhile, however long it takes."""
    path, busy = data / "tinode.db", list[int]()

    @contextmanager
    def reading(*_: object) -> Iterator[None]:
        with closing(sqlite3.connect(path, timeout=0)) as server:
            server.execute("UPDATE upload SET created = created + 1")
            server.commit()
            busy.append(server.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        yield None

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert list(lines_of_export(connection, path, reading))
        assert list(lines_of_export(connection, path, reading))
    assert busy == [0, 0]


def test_an_upload_with_a_name_that_is_a_path(data: Path, tmp_path: Path) -> None:
    whole = exported(data, tmp_path / "all")
    lines = whole.replace(b'["AbCdEfGhIjk",0,', b'["../../../../x",0,').splitlines(keepends=True)
    digest = hashlib.sha256(b"".join(lines[:-1])).hexdigest().encode()
    (tmp_path / "bad").write_bytes(
        b"".join(lines[:-1]) + re.sub(rb'"sha256":"\w+"', b'"sha256":"' + digest + b'"', lines[-1])
    )
    badly(1, "not the id of an upload", "import", tmp_path / "bad", "--data", tmp_path / "new")
    assert not (tmp_path / "new" / "tinode.db").exists()
    assert not (tmp_path / "x").exists()


def test_through_pipes(data: Path, tmp_path: Path) -> None:
    out = CliRunner().invoke(installed(), ["export", "-", "--data", str(data)])
    assert out.exit_code == 0
    args = ["import", "-", "--data", str(tmp_path / "new")]
    assert CliRunner().invoke(installed(), args, input=out.stdout_bytes).exit_code == 0
    assert exported(tmp_path / "new", tmp_path / "x") == out.stdout_bytes


def test_a_server_serves_what_was_imported(data: Path, tmp_path: Path) -> None:
    exported(data, tmp_path / "all")
    well("import", tmp_path / "all", "--data", tmp_path / "new")

    async def live() -> int:
        server = {"data": str(tmp_path / "new"), "store": ""}
        async with running_server(server=server) as running, running.connect() as alice:
            await alice.hi()
            await alice.login("alice", "alice-password")
            contacts = await alice.sub("me", get={"what": "sub"})
            group = next(s for s in contacts.meta["sub"] if s["topic"].startswith("grp"))
            await alice.sub(group["topic"])
            return await alice.pub(group["topic"], "back")

    assert trio.run(live) == 21


def broken(lines: list[bytes], how: str) -> tuple[list[bytes], str]:
    """The lines with one fault, and what is said of it."""
    at = next(n for n, line in enumerate(lines) if line.startswith(b'{"table":"message"')) + 1
    before, after = lines[:at], lines[at:]
    renamed = after[0].replace(b'"grp', b'"grx')
    return {
        "truncated in a line": (
            [*lines[: at + 3], lines[at + 3][:10]],
            f"line {at + 4}: is broken",
        ),
        "truncated between lines": (lines[: at + 3], "the end is missing: truncated?"),
        "a key twice": ([*before, after[0], *after], f"line {at + 2}: message: UNIQUE"),
        "no topic": ([*before, renamed, *after[1:]], "are not those that were exported"),
        "a line less": ([*before, *after[1:]], "are not those that were exported"),
        "not JSON": ([*before, b"[1,}\n", *after], f"line {at + 1}: is not JSON"),
        "a type": (_with(lines, at, b'["t","x",1,1,null,"1",1]'), f"line {at + 1}: message"),
        "a float": (_with(lines, at, b'["t",1.5,1,1,null,"1",1]'), f"line {at + 1}: a value"),
        "a column more": (_with(lines, at, b"[1,2,3,4,5,6,7,8,9]"), "not 9"),
        "another table": (_with(lines, at, b'{"table":"x"}'), "there is no table 'x'"),
        "another format": ([lines[0].replace(b'"format":1', b'"format":9')], "format 9"),
        "a newer schema": ([lines[0].replace(b'"schema":', b'"schema":9')], "newer version"),
        "something else": ([b"hello\n"], "line 1: is not JSON"),
        "empty": ([], "line 1: this is no export"),
        "more": ([*lines, lines[-1]], "comes after the end"),
    }[how]


def _with(lines: list[bytes], at: int, line: bytes) -> list[bytes]:
    return [*lines[:at], line + b"\n", *lines[at:]]


FAULTS = (
    *("truncated in a line", "truncated between lines", "a key twice", "no topic", "a line less"),
    *("not JSON", "a type", "a float", "a column more", "another table", "another format"),
    *("a newer schema", "something else", "empty", "more"),
)


@pytest.mark.parametrize("how", FAULTS)
def test_a_broken_import_leaves_no_database_and_goes_on(
    data: Path, tmp_path: Path, how: str
) -> None:
    whole = exported(data, tmp_path / "whole")
    lines, said = broken(whole.splitlines(keepends=True), how)
    (tmp_path / "broken").write_bytes(b"".join(lines))
    new = tmp_path / "new"
    badly(1, said, "import", tmp_path / "broken", "--data", new)
    assert not (new / "tinode.db").exists()
    result = do("import", tmp_path / "whole", "--data", new, "--json")
    if result.exit_code:  # what was read before was another file: it says what to remove
        assert "remove" in result.output
        (new / "tinode.db.importing").unlink()
        well("import", tmp_path / "whole", "--data", new)
    elif how.startswith("truncated"):
        assert json.loads(result.stdout)["skipped"] > 10
    assert exported(new, tmp_path / "after") == whole


def test_references_to_what_is_not_there_are_named(data: Path, tmp_path: Path) -> None:
    database = sqlite3.connect(data / "tinode.db")
    database.execute("UPDATE message SET topic = 'grpAAAAAAAAAAE' WHERE seq = 7")
    database.commit()
    database.close()
    exported(data, tmp_path / "all")
    said = "message: there is no topic grpAAAAAAAAAAE; nothing was imported"
    badly(1, said, "import", tmp_path / "all", "--data", tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]


def test_an_import_does_not_overwrite(data: Path, tmp_path: Path) -> None:
    exported(data, tmp_path / "all")
    badly(2, "is there already", "import", tmp_path / "all", "--data", data)
    badly(2, "No such file", "import", tmp_path / "none", "--data", tmp_path / "new")
    badly(2, "No such file", "export", tmp_path / "no" / "where", "--data", data)


def test_an_export_of_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    connection = sqlite3.connect(old, isolation_level=None)
    migrate(connection, old, packaged(), until=3)
    (tmp_path / "all").write_bytes(b"".join(lines_of_export(connection, old)))
    connection.close()
    well("import", tmp_path / "all", "--data", tmp_path / "new")
    info = well("db", "info", "--data", tmp_path / "new")
    assert info["schema"] > 3
    assert not list((tmp_path / "new").glob("*backup*"))
