"""Backups, restoring, and looking whether all is well."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.talked import badly, do, exported, moment, talked, uploads_in, well
from tinode_py.store.lock import data_lock
from tinode_py.store.migrate import migrate, packaged

Do = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return talked(tmp_path / "data")


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
    before = uploads_in(data)
    well("db", "restore", copy, "--replace", "--data", data)
    assert uploads_in(data) == before
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
