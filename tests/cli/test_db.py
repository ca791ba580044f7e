"""Backups, restoring, checks, and a server as lines of JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from tests.cli.conftest import installed
from tinode_py.store.dump import exported as lines_of_export
from tinode_py.store.lock import data_lock
from tinode_py.store.migrate import migrate, packaged
from tinode_py.testing import running_server

Do = Callable[..., Result]


def do(*args: str | Path, stdin: str = "") -> Result:
    return CliRunner().invoke(installed(), [str(arg) for arg in args], input=stdin)


def well(*args: str | Path) -> dict[str, Any]:
    result = do(*args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output.splitlines()[-1])  # type: ignore[no-any-return]


def badly(code: int, said: str, *args: str | Path) -> None:
    result = do(*args)
    assert (result.exit_code, "Traceback" in result.output) == (code, False), result.output
    assert said in result.output
    assert result.output.count("Error:") == 1


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which people have talked, a file was uploaded, a message deleted."""
    folder = tmp_path / "data"

    async def live() -> None:
        async with running_server(server={"data": str(folder), "store": ""}) as running:
            alice, bobby = await running.user("alice"), await running.user("bobby")
            group = (await alice.sub("new", set={"desc": {"public": {"fn": "Ch\u00e4ss"}}})).topic
            await bobby.sub(group)
            for number in range(20):
                await alice.pub(group, {"txt": f"say {number}\u2028", "fmt": [{"at": -1}]})
            await bobby.sub(alice.user)
            await bobby.pub(alice.user, "x" * 20_000)
            await alice.del_("msg", topic=group, delseq=[{"low": 2, "hi": 5}], hard=True)

    trio.run(live)
    database = sqlite3.connect(folder / "tinode.db")
    database.execute("INSERT INTO upload VALUES (?, 'usrA', 1, 5, 'text/plain', 'e', 0)", (FILE,))
    database.execute("INSERT INTO upload_link VALUES ('grpA', 1, ?)", (FILE,))
    database.execute("INSERT INTO secret VALUES ('salt', x'00ff')")
    database.commit()
    database.close()
    name = base64.urlsafe_b64decode(FILE + "=").hex()
    (folder / "uploads" / name[:2]).mkdir(parents=True)
    (folder / "uploads" / name[:2] / name).write_bytes(b"hello")
    (folder / "uploads" / "00").mkdir(exist_ok=True)
    (folder / "uploads" / "00" / "0011223344556677").write_bytes(b"of nobody")
    return folder


FILE = "AbCdEfGhIjk"


def moment(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))


def exported(data: Path, file: Path) -> bytes:
    well("export", file, "--data", data)
    return file.read_bytes()


# --- backups -----------------------------------------------------------------------------


def test_a_backup_is_verified_and_restored(data: Path, tmp_path: Path) -> None:
    before = exported(data, tmp_path / "before")
    report = well("db", "backup", tmp_path / "copy", "--data", data)
    assert (report["rows"]["message"], report["uploads"]) == (18, 1)
    assert report["latest_message"] > 1_700_000_000_000
    names = sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*"))
    assert names[0] == "backup.json"
    assert {"secrets.toml", "tinode.db", "uploads"} <= set(names)
    assert not [name for name in names if "-wal" in name or "0011223344556677" in name]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "copy").rglob("*"))
    assert well("db", "verify", tmp_path / "copy")["uploads"] == 1
    restored = tmp_path / "restored"
    assert well("db", "restore", tmp_path / "copy", "--data", restored)["uploads"] == 1
    assert without_the_entry(exported(restored, tmp_path / "after"), report) == before
    assert (restored / "secrets.toml").read_bytes() == (data / "secrets.toml").read_bytes()
    assert len(list((restored / "uploads").rglob("*"))) == 2
    assert well("db", "check", "--data", restored)["faults"] == []


def without_the_entry(lines: bytes, backup: dict[str, Any]) -> bytes:
    """The export of a restored server, but for what its audit says of that."""
    noted = [line for line in lines.splitlines(keepends=True) if b'"db.restore"' in line]
    assert len(noted) == 1
    entry = json.loads(noted[0])
    assert (entry[2], entry[7]) == ("offline", f'{{"made": "{moment(backup["made"])}"}}')
    others = lines.replace(noted[0], b"").splitlines(keepends=True)[:-1]
    rows = sum(line.startswith(b"[") for line in others)
    digest = hashlib.sha256(b"".join(others)).hexdigest()
    end = {"end": True, "rows": rows, "sha256": digest}
    return b"".join(others) + json.dumps(end, separators=(",", ":")).encode() + b"\n"


def test_a_backup_of_an_older_version_is_good(data: Path, tmp_path: Path) -> None:
    """It is verified in a copy that is brought up to date, and itself left as it is."""
    copy, new = tmp_path / "copy", tmp_path / "new"
    well("db", "backup", copy, "--data", data)
    listed = json.loads((copy / "backup.json").read_text())
    (copy / "tinode.db").unlink()
    older = sqlite3.connect(copy / "tinode.db", isolation_level=None)
    migrate(older, copy / "tinode.db", packaged(), until=12)

    def sealed() -> bytes:
        raw = (copy / "tinode.db").read_bytes()
        listed["files"]["tinode.db"] = [len(raw), hashlib.sha256(raw).hexdigest()]
        (copy / "backup.json").write_text(json.dumps({**listed, "schema": 12}))
        return raw

    older.execute("INSERT INTO message VALUES ('grpA', 1, 'usrA', 1, NULL, '\"hi\"', 0)")
    sealed()
    badly(1, "there is no topic grpA", "db", "verify", copy)
    badly(1, "nothing was restored", "db", "restore", copy, "--data", new)
    older.execute("INSERT INTO topic_tail VALUES ('grpA', 1, 1, 0)")
    older.execute(
        "INSERT INTO topic (name, created, updated, owner, state, channel, auth, anon, tags, "
        "readers) VALUES ('grpA', 1, 1, '', 'ok', 0, 0, 0, '[]', 0)"
    )
    older.close()
    raw = sealed()
    assert well("db", "verify", copy)["schema"] == 12
    well("db", "restore", copy, "--data", new)
    assert (copy / "tinode.db").read_bytes() == raw
    info = well("db", "info", "--data", new)
    assert (info["schema"] > 12, info["rows"]["message"]) == (True, 1)


def test_uploads_that_are_missing_are_named(data: Path, tmp_path: Path) -> None:
    copy, aside = tmp_path / "copy", tmp_path / "aside"
    (data / "uploads").rename(aside)
    assert well("db", "backup", copy, "--data", data)["uploads_missing"] == 1
    lacking = do("db", "verify", copy)
    assert "1 uploads that are referred to are missing: AbCdEfGhIjk" in lacking.output
    assert lacking.exit_code == 1
    badly(1, "upload AbCdEfGhIjk: is not in", "db", "check", "--uploads", "--data", data)
    assert well("export", tmp_path / "all", "--data", data)["uploads_missing"] == 1
    aside.rename(data / "uploads")
    assert well("db", "check", "--uploads", "--data", data)["faults"] == []
    well("db", "restore", copy, "--data", tmp_path / "new")


def test_a_backup_without_uploads_leaves_them_where_they_are(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    said = do("db", "backup", copy, "--without-uploads", "--data", data).output
    assert f"1 uploads are not in it, they stay in {data}/uploads: keep that as well" in said
    assert not (copy / "uploads").exists()
    assert well("db", "verify", copy, "--data", data)["uploads_missing"] == 0
    before = _uploads(data)
    well("db", "restore", copy, "--replace", "--data", data)
    assert _uploads(data) == before
    shutil.rmtree(data / "uploads")
    badly(1, "lacks 1 uploads", "db", "verify", copy, "--data", data)


def test_restoring_over_something_puts_it_aside(data: Path, tmp_path: Path) -> None:
    well("db", "backup", tmp_path / "copy", "--data", data)
    badly(2, "--replace", "db", "restore", tmp_path / "copy", "--data", data)
    told = well("db", "restore", tmp_path / "copy", "--data", data, "--replace")
    assert {path.name for path in Path(told["aside"]).iterdir()} >= {"tinode.db", "secrets.toml"}
    assert len(well("db", "info", "--data", data)["rows"]) > 10
    assert not (data / "restoring").exists()


@pytest.mark.parametrize("what", ["bytes", "cut", "gone", "list", "nothing", "outside"])
def test_a_damaged_backup_is_not_restored(data: Path, tmp_path: Path, what: str) -> None:
    copy = tmp_path / "copy"
    well("db", "backup", copy, "--data", data)
    database = copy / "tinode.db"
    code, said = 1, "tinode.db"
    match what:
        case "bytes":
            raw = bytearray(database.read_bytes())
            raw[9000] ^= 0xFF
            database.write_bytes(raw)
        case "cut":
            database.write_bytes(database.read_bytes()[:-4096])
        case "gone":
            (copy / "secrets.toml").unlink()
            said = "secrets.toml: No such file"
        case "list":
            (copy / "backup.json").write_text('{"format": 1, "files": []}')
            code, said = 2, "backup.json: damaged"
        case "nothing":
            shutil.rmtree(copy)
            code, said = 2, "is this a backup?"
        case "outside":
            listed = json.loads((copy / "backup.json").read_text())
            listed["files"]["../../x"] = [1, "y"]
            (copy / "backup.json").write_text(json.dumps(listed))
            code, said = 2, "damaged"
    badly(code, said, "db", "restore", copy, "--data", tmp_path / "restored")
    assert not (tmp_path / "restored" / "tinode.db").exists()
    assert do("db", "verify", copy).exit_code == code


def test_what_stands_in_a_backups_way(data: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    badly(2, "is there already", "db", "backup", tmp_path / "there", "--data", data)
    (tmp_path / "file").write_text("")
    badly(2, "Not a directory", "db", "backup", tmp_path / "file" / "copy", "--data", data)
    (tmp_path / "x.part").mkdir()
    badly(2, "x.part is there", "db", "backup", tmp_path / "x", "--data", data)
    badly(1, "no database", "db", "backup", tmp_path / "y", "--data", tmp_path / "nothing")
    assert not (tmp_path / "y").exists()
    assert not (tmp_path / "y.part").exists()


def test_no_room_for_a_backup(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    badly(1, "10 are free", "db", "backup", tmp_path / "copy", "--data", data)
    assert not list(tmp_path.glob("copy*"))


def test_a_folder_in_use_is_not_restored_into(data: Path, tmp_path: Path) -> None:
    well("db", "backup", tmp_path / "copy", "--data", data)
    with data_lock(data):
        for args in (("restore", tmp_path / "copy", "--replace"), ("vacuum",), ("migrate",)):
            badly(2, "in use by process", "db", *args, "--data", data)
        assert well("db", "check", "--data", data)["faults"] == []


# --- looking -----------------------------------------------------------------------------


def test_check_finds_what_does_not_fit(data: Path) -> None:
    assert "sound" in do("db", "check", "--data", data).output
    database = sqlite3.connect(data / "tinode.db")
    database.execute("DELETE FROM topic WHERE name LIKE 'grp%'")
    database.execute("DELETE FROM membership")
    database.commit()
    database.close()
    result = do("db", "check", "--data", data)
    assert result.exit_code == 1
    assert "message: there is no topic grp" in result.output


def test_vacuum_and_migrate(data: Path) -> None:
    assert well("db", "vacuum", "--data", data)["after"] > 0
    told = well("db", "migrate", "--data", data)
    assert told["before"] == told["after"] == well("db", "info", "--data", data)["schema"]
    badly(2, "no folder", "db", "vacuum", "--data", data / "nowhere")


@pytest.mark.parametrize("content", [b"", b"not a database but quite long" * 40])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tinode.db").write_bytes(content)
    for command in ("info", "check"):
        result = do("db", command, "--data", tmp_path)
        assert result.exit_code == 2
        assert "Traceback" not in result.output
        assert "tinode.db" in result.output
    assert (tmp_path / "tinode.db").read_bytes() == content


# --- export and import -------------------------------------------------------------------


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
    kept = [_uploads(folder) for folder in (data, tmp_path / "new")]
    assert kept[1] == {name: raw for name, raw in kept[0].items() if raw != b"of nobody"}
    assert len(kept[1]) == 1
    assert not list((tmp_path / "new").glob("*importing*"))


def _uploads(folder: Path) -> dict[str, bytes]:
    return {it.name: it.read_bytes() for it in (folder / "uploads").rglob("*") if it.is_file()}


def test_a_large_upload_comes_in_pieces(data: Path, tmp_path: Path) -> None:
    (file,) = [
        it for it in (data / "uploads").rglob("*") if it.is_file() and it.stat().st_size == 5
    ]
    file.write_bytes(os.urandom(500_000))
    whole = exported(data, tmp_path / "all")
    assert max(map(len, whole.splitlines())) < 300_000
    well("import", tmp_path / "all", "--data", tmp_path / "new")
    assert _uploads(tmp_path / "new") == {file.name: file.read_bytes()}
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
