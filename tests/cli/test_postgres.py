"""Commands where the chat is in PostgreSQL; and moving over from SQLite, and back."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from tests.cli.conftest import CHEAP, Run, installed
from tests.postgres import Cluster
from tests.store.made import ANN, BOB, CHANNEL, GROUP, PAIR, append, people, put, sub, topic, user
from tinode_py import changes as c
from tinode_py import changes_backend as cb
from tinode_py.access import Level
from tinode_py.media.folder import file_name
from tinode_py.records import Login, Range, State, Upload
from tinode_py.store.sqlite import open_sqlite

UPLOAD = "AAAAAAAAAAE"


@pytest.fixture
def run() -> Run:
    """Run a command to its end; the data folder is among its arguments."""

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(installed(), [*args, *CHEAP])

    return invoke


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a community in SQLite."""
    folder = tmp_path / "data"
    folder.mkdir()
    trio.run(_fill, folder / "tinode.db")
    path = folder / "uploads" / file_name(UPLOAD)[:2] / file_name(UPLOAD)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(range(256)) * 1000)
    return folder


async def _fill(path: Path) -> None:
    async with open_sqlite(path, inline=True) as store:
        await people(store)
        await put(store, c.PutUser(user(ANN, public=b'{"fn" : "\xc5\xbd \xf0\x9f\x90\xb4\\t"}')))
        await put(store, c.PutLogin(Login("basic", "ann", ANN, "secret", Level.AUTH)))
        await put(store, c.PutSubscription(sub(CHANNEL, BOB)), c.PutSubscription(sub(PAIR, BOB)))
        for seq in (1, 2, 3, 4):
            await put(store, append(seq, head=b'{"replace": ":1"}' if seq == 4 else None))
        await put(store, c.AppendMessage(append(1, PAIR).message, (ANN, BOB)))
        await put(store, c.DeleteMessages(GROUP, 1, "", (Range(2, 3),), 5))
        await put(store, cb.PutSecret("key", bytes(range(256))))
        await put(store, c.PutUpload(Upload(UPLOAD, ANN, 5, 256_000, "image/png", "e"), ANN, 1, 0))
        await put(store, c.LinkUploads(GROUP, 1, (UPLOAD,)))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_community_moves_over_and_back(run: Run, data: Path, tmp_path: Path, url: str) -> None:
    """The same bytes each time."""
    first, second, third = (tmp_path / f"{n}.jsonl" for n in "abc")
    there, back = tmp_path / "there", tmp_path / "back"
    assert run("export", str(first), "--data", str(data)).exit_code == 0
    moved = run("import", str(first), "--data", str(there), "--store", url)
    assert moved.exit_code == 0, moved.output
    exported = run("export", str(second), "--data", str(there), "--store", url)
    assert exported.exit_code == 0, exported.output
    assert _digest(second) == _digest(first)
    assert run("import", str(second), "--data", str(back)).exit_code == 0
    assert run("export", str(third), "--data", str(back)).exit_code == 0
    assert _digest(third) == _digest(first)
    again = run("import", str(first), "--data", str(there), "--store", url)
    assert again.exit_code == 1
    assert "is not empty" in again.output
    checked = run("db", "check", "--uploads", "--data", str(there), "--store", url)
    assert (checked.exit_code, "sound: postgresql://" in checked.output) == (0, True)
    (file,) = [path for path in (there / "uploads").rglob("*") if path.is_file()]
    file.write_bytes(b"less")
    checked = run("db", "check", "--uploads", "--data", str(there), "--store", url)
    assert (checked.exit_code, "has 4 bytes" in checked.output) == (1, True)
    rooted = run("user", "root", "ann", "--data", str(there), "--store", url)
    assert rooted.exit_code == 0, rooted.output


@pytest.mark.parametrize("cut", ["middle", "line", "sum"])
def test_an_import_that_is_broken_off_leaves_nothing(
    run: Run, data: Path, tmp_path: Path, url: str, cut: str
) -> None:
    whole, part, there = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "there"
    assert run("export", str(whole), "--data", str(data)).exit_code == 0
    lines = whole.read_bytes()
    broken = {
        "middle": lines[: len(lines) - 400],
        "line": b"".join(lines.splitlines(keepends=True)[:-1]),
        "sum": lines.replace(b'"basic","ann"', b'"basic","anm"', 1),
    }
    part.write_bytes(broken[cut])
    result = run("import", str(part), "--data", str(there), "--store", url)
    assert result.exit_code == 1
    assert "truncated" in result.output or "not those that were exported" in result.output
    assert "Traceback" not in result.output
    assert not [path for path in (there / "uploads").rglob("*") if path.is_file()]
    assert run("import", str(whole), "--data", str(there), "--store", url).exit_code == 0


def test_what_commands_say_of_a_database(run: Run, tmp_path: Path, url: str) -> None:
    where = ("--data", str(tmp_path / "d"), "--store", url)
    info = run("db", "info", *where)
    assert (info.exit_code, "postgresql" in info.output) == (0, True), info.output
    migrated = run("db", "migrate", *where)
    assert (migrated.exit_code, "schema" in migrated.output) == (0, True), migrated.output
    looked = run("doctor", *where).output
    assert ("PostgreSQL 1" in looked, "nobody may act as root" in looked) == (True, True)
    refused = run("db", "vacuum", *where)
    assert refused.exit_code == 2
    assert "server.store: is PostgreSQL" in refused.output
    assert "Traceback" not in refused.output


LOOKS = {  # and how many lines they print
    "user list": 7,
    "user list PÄ --json": 1,
    "user list ANN": 2,
    "user list --state susp --limit 1": 2,
    "user list --limit 1 --json": 1,
    "user show ann": 11,
    f"user show {BOB} --json": 1,
    "user export ann": 15,
    "topic list --json": 3,
    f"topic list --member {BOB} --kind p2p": 2,
    "topic list 50%": 2,
    f"topic show {GROUP} --json": 1,
    f"topic members {GROUP} --json": 3,
    f"topic members {CHANNEL}": 4,
    f"topic retention {GROUP}": 1,
    f"message history {GROUP} --limit 2 --json": 2,
    f"message history {GROUP} --until 2001-01-01": 9,
    f"message search --from ann --topic {GROUP}": 9,
    "message search STRASSE --json": 1,
    "message search a_c": 2,
    "message search nowhere": 1,
    "message search 7": 3,
    "stats --json": 1,
    "user show nobody": 1,
    "topic show grpAAAAAAAAAAI": 1,
}


def test_what_is_looked_at_is_the_same(run: Run, data: Path, tmp_path: Path, url: str) -> None:
    """Every look, at one community in a file and in PostgreSQL."""
    there, whole = tmp_path / "there", tmp_path / "all.jsonl"
    trio.run(_say_more, data / "tinode.db")
    assert run("export", str(whole), "--data", str(data)).exit_code == 0
    assert run("import", str(whole), "--data", str(there), "--store", url).exit_code == 0
    lines = {}
    for look in LOOKS:
        line = look.split()
        in_file = run(*line, "--data", str(data))
        in_postgres = run(*line, "--data", str(there), "--store", url)
        assert in_file.exit_code in (0, 1), in_file.output
        assert "Traceback" not in in_file.output + in_postgres.output
        assert _of_one_time(in_postgres.output) == _of_one_time(in_file.output), look
        lines[look] = len(in_file.output.splitlines())
    assert lines == LOOKS
    files = tmp_path / "files"
    where = ("--data", str(there), "--store", url)
    assert run("user", "export", "ann", "--files", str(files), *where).exit_code == 0
    assert (files / UPLOAD).read_bytes() == bytes(range(256)) * 1000


async def _say_more(path: Path) -> None:
    """What databases may see differently: letters, JSON, what means something in a pattern."""
    said = (b'"Stra\xc3\x9fe"', b'{"txt":"ABC a_C","fmt":[]}', b"7", b'[{"txt":"no"}]', b'{"x":7}')
    async with open_sqlite(path, inline=True) as store:
        for seq, content in enumerate(said, 5):
            await put(store, append(seq, content=content))
        for number, public in enumerate((b'{"fn":["p\xc3\xa4"]}', b'"p"', b'{"fn":"p\xc3\xa4"}')):
            name = ("usrAAAAAAAAAAQ", "usrAAAAAAAAAAU", "usrAAAAAAAAAAY")[number]
            state = State.SUSPENDED if number else State.OK
            await put(store, c.PutUser(user(name, public=public, state=state)))
        await put(store, c.PutTopic(topic("grpAAAAAAAAAAM", public=b'{"fn":"100 50% off"}')))


def _of_one_time(text: str) -> str:
    return re.sub(r'"ts": \d+', "", text)


def test_a_database_that_is_not_ours(run: Run, tmp_path: Path, cluster: Cluster) -> None:
    empty = cluster.database(empty=True)
    where = ("--data", str(tmp_path / "d"), "--store", empty)
    for line in (("db", "info"), ("db", "check"), ("db", "migrate"), ("export", "-")):
        refused = run(*line, *where)
        assert refused.exit_code in (1, 2), refused.output
        assert "no database of ours is there" in refused.output
        assert "Traceback" not in refused.output


def test_the_password_is_shown_nowhere(run: Run, tmp_path: Path) -> None:
    url = "postgresql://u:s3cret@127.0.0.1:1/x"
    where = ("--data", str(tmp_path / "d"), "--store", url)
    for line in (("config", "show", "server"), ("db", "info"), ("doctor",), ("serve",)):
        result = run(*line, *where)
        assert "s3cret" not in result.output
        assert "Traceback" not in result.output
