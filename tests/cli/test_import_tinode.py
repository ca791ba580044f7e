"""Moving from the reference server: its tables, as far as they are read, with rows of ours."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from cli.reference_ids import UidKey
from tests.cli.conftest import installed
from tests.cli.reference_rows import (
    ALICE,
    KEY,
    TABLES,
    come_back,
    fill,
    look_around,
    moved,
    token_of,
)
from tests.postgres import Cluster
from tests.s3 import at, memory_bucket
from tinode_py.web.apikey import make_key


@pytest.fixture(scope="module")
def postgres(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.database(empty=True)


@pytest.fixture
def filled(postgres: str) -> str:
    """Its database, with two people, a group, a conversation, a file."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        db.execute(TABLES.format(T="timestamp(3)"))
        fill(db.execute)
    return postgres


def test_numbers_are_those_that_clients_know() -> None:
    assert UidKey(KEY).user(ALICE) == "usrRyxSLAtSvlg"  # seen in a database of the reference
    assert UidKey(KEY).user(0) == UidKey(KEY).user(None) == ""
    for wrong in ("", "x", "AAAA"):
        with pytest.raises(ValueError, match=r"bytes|base64"):
            UidKey(wrong)


@pytest.mark.slow
def test_everything_comes_over_and_serves(filled: str, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "abc").write_bytes(b"hello")
    data = tmp_path / "data"
    result = moved(filled, data, "--files", str(tmp_path / "up"), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["missing_files"] == []
    rows = {
        "account": 3,
        "login": 1,
        "credential": 1,
        "device": 1,
        "topic": 2,
        "subscription": 4,
        "message": 4,
        "upload": 1,
    }
    assert told["rows"].items() >= rows.items()

    trio.run(look_around, data)
    (file,) = [path for path in (data / "uploads").rglob("*") if path.is_file()]
    assert file.read_bytes() == b"hello"
    check = CliRunner().invoke(installed(), ["db", "check", "--uploads", "--data", str(data)])
    assert check.exit_code == 0, check.output


@pytest.mark.slow
def test_files_go_into_a_bucket(filled: str, tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"hello")
    data = tmp_path / "data"
    with memory_bucket() as (bucket, files):
        result = moved(filled, data, "--files", str(tmp_path), *at(bucket))
        assert result.exit_code == 0, result.output
        line = ["db", "check", "--uploads", "--data", str(data), *at(bucket)]
        assert CliRunner().invoke(installed(), line).exit_code == 0
    assert list(files.values()) == [b"hello"]
    assert not (data / "uploads").exists()


@pytest.mark.slow
def test_tokens_and_api_keys_go_on_working(filled: str, tmp_path: Path) -> None:
    key, salt = bytes(range(40)), b"salt of the operator"
    old = token_of(key, ALICE), make_key(salt)
    data = tmp_path / "data"
    given = {"--token-key": key, "--api-salt": salt}
    more = [part for name, it in given.items() for part in (name, b64encode(it).decode())]
    assert moved(filled, data, *more).exit_code == 0
    assert (data / "secrets.toml").stat().st_mode & 0o777 == 0o600
    assert trio.run(come_back, data, *old) == UidKey(KEY).user(ALICE)
    assert trio.run(come_back, data, token_of(bytes(40), ALICE), old[1]) == ""
    assert trio.run(come_back, data, old[0], make_key(b"another")) == ""
    other = tmp_path / "other"
    assert moved(filled, other).exit_code == 0
    (other / "tinode.db").unlink()
    trio.run(come_back, other, *old)  # makes a key of its own
    (other / "tinode.db").unlink()
    clash = moved(filled, other, *more)
    assert (clash.exit_code, "there is another key already" in clash.output) == (1, True)
    assert not (other / "tinode.db").exists()
    for wrong, said in (("AAAA", "3 bytes, not 32"), ("x!", "not base64")):
        refused = moved(filled, tmp_path / "third", "--token-key", wrong)
        assert (refused.exit_code, said in refused.output) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE kvmeta SET value = '99'", "version 99, 116 is wanted"),
        ("DROP TABLE kvmeta", "this is no database of Tinode"),
        ("INSERT INTO messages SELECT * FROM messages WHERE seqid = 4", "grpAAAAAAAAAAE, seq 4"),
        ("UPDATE users SET tags = '[\"alias:al\"]'", "tag: UNIQUE"),
        ("DELETE FROM users WHERE state = 0; UPDATE auth SET userid = 5", ""),
    ],
)
def test_what_cannot_come_over_is_named_and_nothing_is_left(
    filled: str, tmp_path: Path, damage: str, said: str
) -> None:
    import psycopg

    with psycopg.connect(filled, autocommit=True) as db:
        db.execute(damage)
    result = moved(filled, tmp_path / "data")
    assert result.exit_code == 1, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["lock"]


@pytest.mark.slow
def test_wrong_use(filled: str, tmp_path: Path) -> None:
    other = moved(filled, tmp_path / "data", key="AAAAAAAAAAAAAAAAAAAAAA==")
    assert (other.exit_code, "not the one of this database" in other.output) == (1, True)
    short = moved(filled, tmp_path / "data", key="AAAA")
    assert (short.exit_code, "3 bytes, not 16" in short.output) == (2, True)
    nobody = moved("postgresql://postgres@127.0.0.1:1/x", tmp_path / "data")
    assert (nobody.exit_code, nobody.output.count("\n")) == (1, 1)
    assert moved(filled, tmp_path / "data").exit_code == 0
    again = moved(filled, tmp_path / "data")
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    missing = moved(filled, tmp_path / "other")
    assert "1 files were not found: /elsewhere/up/abc" in missing.output
