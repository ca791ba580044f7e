"""Backups of a chat in PostgreSQL, and where they can be restored to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from tests.cli.talked import badly, do, well
from tests.postgres import Cluster
from tests.store.made import ANN, GROUP, append, people, put
from tinode_py import changes as c
from tinode_py.client import Client
from tinode_py.media.folder import file_name
from tinode_py.records import Upload
from tinode_py.store.postgres.address import Address
from tinode_py.store.postgres.statements import WRITING, connect
from tinode_py.store.postgres.store import open_postgres
from tinode_py.testing import RunningServer, running_server

OLD, NEW = (f'token_key = "{letter * 43}="' for letter in "AE")
UPLOAD = "AbCdEfGhIjk"
Place = tuple[str, ...]


@pytest.fixture
def place(tmp_path: Path, cluster: Cluster) -> Callable[..., Place]:
    """Options of a place that is empty: a folder, and a database unless it is to be a file."""

    def made(name: str, *, file: bool = False) -> Place:
        where = () if file else ("--store", cluster.database())
        return ("--data", str(tmp_path / name), *where)

    return made


@pytest.fixture
def chat(tmp_path: Path, place: Callable[..., Place]) -> Place:
    """Where a community is, with an upload and the key of the tokens."""
    where = place("data")
    path = tmp_path / "data" / "uploads" / file_name(UPLOAD)[:2] / file_name(UPLOAD)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"hello")
    (tmp_path / "data" / "secrets.toml").write_text(OLD)
    trio.run(_fill, where[-1])
    return where


async def _fill(url: str) -> None:
    async with open_postgres(Address.of(url), connections=2) as store:
        await people(store)
        for seq in range(1, 6):
            await put(store, append(seq))
        await put(store, c.PutUpload(Upload(UPLOAD, ANN, 5, 5, "text/plain", "e"), ANN, 1, 0))
        await put(store, c.LinkUploads(GROUP, 1, (UPLOAD,)))


def lines(tmp_path: Path, where: Place) -> list[bytes]:
    """What is in a place, but for what the audit says of restoring, and the seal."""
    whole = tmp_path / "lines"
    well("export", whole, *where)
    return [it for it in whole.read_bytes().splitlines()[:-1] if b'"db.restore"' not in it]


def audit(where: Place) -> list[dict[str, Any]]:
    listed = do("audit", "list", "--json", *where).stdout
    return [json.loads(line) for line in listed.splitlines()]


def test_a_backup_is_of_everything(
    tmp_path: Path, chat: Place, place: Callable[..., Place]
) -> None:
    """Into another database, into a file; the same rows, files and key everywhere."""
    copy, before = tmp_path / "copy", lines(tmp_path, chat)
    report = well("db", "backup", copy, *chat)
    assert (report["rows"]["message"], report["uploads"], report["latest_message"]) == (5, 1, 105)
    assert {path.name for path in copy.iterdir()} == {
        *("backup.json", "secrets.toml", "tinode.db", "uploads"),
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in copy.rglob("*"))
    assert well("db", "verify", copy)["rows"] == report["rows"]
    for there in (place("other"), place("file", file=True)):
        assert well("db", "restore", copy, *there)["uploads"] == 1
        assert lines(tmp_path, there) == before
        assert well("db", "check", "--uploads", *there)["faults"] == []
        assert (Path(there[1]) / "secrets.toml").read_text() == OLD
        (entry,) = audit(there)
        assert (entry["door"], entry["action"]) == ("offline", "db.restore")
        assert entry["detail"]["made"].startswith("20")
    back, before = place("back"), lines(tmp_path, there)
    well("db", "backup", tmp_path / "of-file", *there)
    well("db", "restore", tmp_path / "of-file", *back)
    assert lines(tmp_path, back) == before


async def test_a_backup_under_load_holds_what_was_acknowledged_and_serves(
    tmp_path: Path, place: Callable[..., Place]
) -> None:
    """The server takes messages all the while; the restored one goes on where the copy ends."""
    here, there, acked = place("here"), place("there"), list[int]()

    async def say(user: Client, group: str) -> None:
        while True:
            acked.append(await user.pub(group, "x" * 200, noecho=True))

    async with served(here) as running, trio.open_nursery() as nursery:
        alice = await running.user("alice")
        group = (await alice.sub("new")).topic
        nursery.start_soon(say, alice, group)
        while len(acked) < 50:
            await trio.lowlevel.checkpoint()
        before = max(acked)
        report = await trio.to_thread.run_sync(well, "db", "backup", tmp_path / "copy", *here)
        assert before <= report["rows"]["message"] <= max(acked) + 1
        assert max(acked) > before, "the server went on meanwhile"
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(well, "db", "restore", tmp_path / "copy", *there)
    async with served(there) as running, running.connect() as again:
        await again.hi()
        await again.login_token(alice.token)
        await again.sub(group)
        assert await again.pub(group, "on") == report["rows"]["message"] + 1
    rows = do("message", "history", group, "--limit", "100000", "--json", *there).stdout
    seqs = [json.loads(row)["seq"] for row in rows.splitlines()]
    assert seqs == list(range(1, report["rows"]["message"] + 2))


def served(where: Place) -> AbstractAsyncContextManager[RunningServer]:
    return running_server(server={"data": where[1], "store": where[3]})


def test_what_was_there_before_becomes_a_backup(tmp_path: Path, chat: Place) -> None:
    copy, data = tmp_path / "copy", tmp_path / "data"
    well("db", "backup", copy, *chat)
    assert do("user", "create", "dora", "--password-stdin", *chat, stdin="secret1\n").exit_code == 0
    (data / "secrets.toml").write_text(NEW)
    badly(2, "is not empty: say --replace", "db", "restore", copy, *chat)
    aside = well("db", "restore", copy, "--replace", *chat)["aside"]
    assert (data / "secrets.toml").read_text() == OLD
    assert do("user", "show", "dora", *chat).exit_code == 1
    assert well("db", "verify", aside, *chat)["uploads_missing"] == 0
    well("db", "restore", aside, "--replace", *chat)
    assert (data / "secrets.toml").read_text() == NEW
    assert do("user", "show", "dora", *chat).exit_code == 0
    actions = [entry["action"] for entry in audit(chat)]
    assert actions == ["db.restore", "user.create"]


def test_a_restoring_that_fails_changes_nothing(
    tmp_path: Path, chat: Place, place: Callable[..., Place]
) -> None:
    copy, there = tmp_path / "copy", place("other")
    well("db", "backup", copy, *chat)
    with connect(Address.of(there[-1]), WRITING) as db:
        db.execute("INSERT INTO find_query VALUES ('usrA', 'x')")
        db.execute("ALTER TABLE message ADD CHECK (seq < 4)")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secrets.toml").write_text("own")
    badly(1, "message_seq_check", "db", "restore", copy, *there)
    assert (tmp_path / "other" / "secrets.toml").read_text() == "own"
    info = well("db", "info", *there)["rows"]
    assert (info["find_query"], info["message"], info["account"]) == (1, 0, 0)


def test_restoring_wants_a_whole_backup_and_the_database_for_itself(
    tmp_path: Path, chat: Place, place: Callable[..., Place]
) -> None:
    copy, there = tmp_path / "copy", place("other")
    well("db", "backup", copy, *chat)

    async def beside_a_server() -> None:
        async with open_postgres(Address.of(there[-1]), connections=2):
            badly(1, "another server works on this database", "db", "restore", copy, *there)
            well("db", "backup", tmp_path / "empty", *there)

    trio.run(beside_a_server)
    with sqlite3.connect(copy / "tinode.db") as database:
        database.execute("DELETE FROM message")
    badly(1, "tinode.db: is not what was backed up", "db", "restore", copy, *there)
    away = ("--data", there[1], "--store", "postgresql://127.0.0.1:1/x")
    badly(1, "connection failed", "db", "backup", tmp_path / "x", *away)
    assert not list(tmp_path.glob("x*"))
    assert well("db", "info", *there)["rows"]["account"] == 0


def test_no_room_for_a_backup(tmp_path: Path, chat: Place, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    badly(1, "10 are free", "db", "backup", tmp_path / "copy", *chat)
    assert not list(tmp_path.glob("copy*"))
