"""Commands where the uploads are in a bucket: moving there and back, backups, checks."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import installed
from tests.cli.test_db import without_the_entry
from tests.postgres import Cluster
from tests.s3 import at, memory_bucket, s3_service
from tinode_py.media.base import etag_of
from tinode_py.media.folder import file_name
from tinode_py.media.stock import FolderStock
from tinode_py.store import migrate as schema

pytestmark = pytest.mark.slow

SMALL, LARGE, LOOSE = "AbCdEfGhIjk", "BbCdEfGhIjk", "CbCdEfGhIjk"
CONTENT = {SMALL: b"hello", LARGE: os.urandom(700_000), LOOSE: b""}
BUCKETS = [f"bucket-{number}" for number in range(10)]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Iterator[str]]]:
    with s3_service(*BUCKETS) as address:
        yield address, iter(BUCKETS)


@pytest.fixture
def bucket(service: tuple[str, Iterator[str]]) -> str:
    """The address of an empty bucket."""
    return f"{service[0]}/{next(service[1])}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three uploads, two of them referred to."""
    folder = tmp_path / "data"
    folder.mkdir()
    stock = FolderStock(folder / "uploads")
    with sqlite3.connect(folder / "tinode.db", isolation_level=None) as database:
        schema.migrate(database, folder / "tinode.db", schema.packaged())
        account = "INSERT INTO account (id, created, updated, state, auth, anon, tags, want, "
        account += "last_seen, user_agent, serial) "
        account += "VALUES ('usrAAAAAAAAAAE', 1, 1, 'ok', 0, 0, '[]', 0, 0, '', 0)"
        database.execute(account)
        login = "INSERT INTO login VALUES ('basic', 'ann', 'usrAAAAAAAAAAE', 'x', 20, 0)"
        database.execute(login)
        for name, content in CONTENT.items():
            etag = etag_of(hashlib.sha256(content).digest())
            row = (name, "usrAAAAAAAAAAE", 1, len(content), "image/png", etag)
            database.execute("INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?, 0)", row)
            stock.put(name, "image/png", iter([content]))
        for name in (SMALL, LARGE):
            database.execute("INSERT INTO upload_link VALUES ('usrAAAAAAAAAAE', 0, ?)", (name,))
    database.close()
    return folder


def where(folder: Path, bucket: str) -> tuple[str | Path, ...]:
    return ("--data", folder, *at(bucket))


def do(*args: str | Path) -> Result:
    result = CliRunner().invoke(installed(), [str(arg) for arg in args])
    assert "Traceback" not in result.output
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result


def well(*args: str | Path) -> dict[str, Any]:
    result = do(*args, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout.splitlines()[-1]))


def badly(said: str, *args: str | Path) -> None:
    result = do(*args)
    assert (result.exit_code, result.output.count("Error:")) == (1, 1), result.output
    assert said in result.output


def exported(file: Path, *where: str | Path) -> bytes:
    told = well("export", file, *where)
    assert (told["uploads"], told["uploads_missing"], told["uploads_damaged"]) == (3, 0, 0)
    return file.read_bytes()


def kept(folder: Path) -> dict[str, bytes]:
    return {it.name: it.read_bytes() for it in (folder / "uploads").rglob("*") if it.is_file()}


def of(bucket: str) -> Any:
    """The bucket, as boto3 has it."""
    endpoint, _, name = bucket.rpartition("/")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return boto3.resource("s3", endpoint_url=endpoint, **keys).Bucket(name)


def in_bucket(bucket: str) -> dict[str, bytes]:
    return {it.key: it.get()["Body"].read() for it in of(bucket).objects.all()}


EXPECTED = {file_name(name): content for name, content in CONTENT.items()}


def test_from_a_folder_to_a_bucket_and_back(data: Path, tmp_path: Path, bucket: str) -> None:
    """The same bytes each time, and the bucket has the files."""
    first = exported(tmp_path / "a", "--data", data)
    there, back = tmp_path / "there", tmp_path / "back"
    assert well("import", tmp_path / "a", "--data", there, *at(bucket))["uploads_missing"] == 0
    assert in_bucket(bucket) == EXPECTED
    assert kept(there) == {}
    assert not [it for it in there.iterdir() if it.name not in ("tinode.db", "lock")]
    assert exported(tmp_path / "b", "--data", there, *at(bucket)) == first
    assert well("db", "check", "--uploads", "--data", there, *at(bucket))["faults"] == []
    well("import", tmp_path / "b", "--data", back)
    assert exported(tmp_path / "c", "--data", back) == first
    assert kept(back) == EXPECTED


def test_postgresql_beside_a_bucket(
    data: Path, tmp_path: Path, bucket: str, cluster: Cluster
) -> None:
    first = exported(tmp_path / "a", "--data", data)
    here = (*where(tmp_path / "there", bucket), "--store", cluster.database())
    assert well("import", tmp_path / "a", *here)["uploads_missing"] == 0
    assert in_bucket(bucket) == EXPECTED
    assert exported(tmp_path / "b", *here) == first
    of(bucket).Object(file_name(LARGE)).delete()
    badly(f"upload {LARGE}: is not in s3://", "db", "check", "--uploads", *here)


def test_rows_alone_move_beside_the_same_bucket(data: Path, tmp_path: Path, bucket: str) -> None:
    exported(tmp_path / "a", "--data", data)
    well("import", tmp_path / "a", "--data", tmp_path / "one", *at(bucket))
    rows = well("export", tmp_path / "b", "--without-uploads", "--data", tmp_path / "one")
    assert "uploads" not in rows
    assert (tmp_path / "b").stat().st_size < 100_000
    told = well("import", tmp_path / "b", "--data", tmp_path / "two", *at(bucket))
    assert told["uploads_missing"] == 0
    missing = do("import", tmp_path / "b", "--data", tmp_path / "three")
    assert missing.exit_code == 0
    where = tmp_path / "three" / "uploads"
    assert f"2 uploads are not in {where}: {SMALL}, {LARGE}\n" in missing.stderr


def test_a_backup_has_what_is_in_the_bucket(data: Path, tmp_path: Path, bucket: str) -> None:
    first = exported(tmp_path / "a", "--data", data)
    here = where(tmp_path / "there", bucket)
    well("import", tmp_path / "a", *here)
    told = well("db", "backup", tmp_path / "copy", *here)
    assert (told["uploads"], told["uploads_left"], told["uploads_missing"]) == (3, 0, 0)
    assert kept(tmp_path / "copy") == EXPECTED
    assert well("db", "verify", tmp_path / "copy")["uploads"] == 3
    well("db", "restore", tmp_path / "copy", "--data", tmp_path / "folder")
    restored = exported(tmp_path / "b", "--data", tmp_path / "folder")
    assert without_the_entry(restored, told) == first
    of(bucket).Object(file_name(SMALL)).delete()
    again = where(tmp_path / "again", bucket)
    well("db", "restore", tmp_path / "copy", *again)
    assert in_bucket(bucket) == EXPECTED
    assert kept(tmp_path / "again") == {}
    assert without_the_entry(exported(tmp_path / "c", *again), told) == first


def test_a_backup_without_uploads_says_where_they_are(
    data: Path, tmp_path: Path, bucket: str
) -> None:
    exported(tmp_path / "a", "--data", data)
    here = where(tmp_path / "there", bucket)
    well("import", tmp_path / "a", *here)
    copy, name = tmp_path / "copy", bucket.rpartition("/")[2]
    said = do("db", "backup", copy, "--without-uploads", *here)
    assert f"3 uploads are not in it, they stay in s3://{name}: keep that as well" in said.output
    assert f"stay in s3://{name}" in do("db", "verify", copy).output
    assert well("db", "verify", copy, *at(bucket))["uploads_missing"] == 0
    well("db", "restore", copy, "--replace", *here)
    assert well("db", "check", "--uploads", *here)["faults"] == []
    of(bucket).Object(file_name(LARGE)).delete()
    badly("lacks 1 uploads that are referred to", "db", "verify", copy, *at(bucket))
    badly(f"upload {LARGE}: is not in s3://{name}", "db", "check", "--uploads", *here)
    missing = do("export", tmp_path / "b", *here)
    assert missing.exit_code == 0
    assert f"1 uploads are left out, they are not in s3://{name}: {LARGE}" in missing.stderr
    of(bucket).put_object(Key=file_name(SMALL), Body=b"jello")
    damaged = do("db", "backup", tmp_path / "other", *here)
    assert f"1 uploads are not as they were received: {SMALL}" in damaged.output
    assert f"1 uploads that are referred to are missing: {LARGE}" in damaged.output


def test_a_persons_files(data: Path, tmp_path: Path, bucket: str) -> None:
    exported(tmp_path / "a", "--data", data)
    here = where(tmp_path / "there", bucket)
    well("import", tmp_path / "a", *here)
    result = do("user", "export", "ann", "--files", tmp_path / "hers", *here)
    assert result.exit_code == 0, result.output
    assert {it.name: it.read_bytes() for it in (tmp_path / "hers").iterdir()} == CONTENT
    again = do("user", "export", "ann", "--files", tmp_path / "hers", *here)
    assert (again.exit_code, again.stdout) == (2, "")


def test_doctor_asks_the_service(data: Path, tmp_path: Path, bucket: str) -> None:
    said = do("doctor", "--data", data, *at(bucket)).output
    assert f"s3://{bucket.rpartition('/')[2]} answers" in said
    assert "has files, which nobody gets" in said
    assert "no-such-bucket" in do("doctor", "--data", data, *at(f"{bucket}-no-such-bucket")).output


# --- a service that fails ----------------------------------------------------------------


def test_an_import_goes_on_when_the_service_does(data: Path, tmp_path: Path) -> None:
    whole = exported(tmp_path / "a", "--data", data)
    (tmp_path / "more").write_bytes(whole[: whole.rindex(b"{")] + b'{"table":"account"}\n')
    new = tmp_path / "new"
    with memory_bucket(LOOSE) as (bucket, files):
        badly("goes on from there", "import", tmp_path / "a", "--data", new, *at(bucket))
        assert {**files, file_name(LOOSE): b""} == EXPECTED
    assert not (new / "tinode.db").exists()
    other = do("import", tmp_path / "more", "--data", new)
    assert (other.exit_code, "comes where the end was" in other.output) == (1, True)
    with memory_bucket() as (bucket, files):
        told = well("import", tmp_path / "a", "--data", new, *at(bucket))
        assert files == EXPECTED
    assert told["skipped"] == told["lines"] - 1 == whole.count(b"\n") - 1  # all but the end
    (making,) = [it.name for it in new.iterdir() if it.name != "lock"]
    assert making == "tinode.db"
    assert well("db", "check", "--data", new)["faults"] == []


def test_an_import_into_postgresql_begins_anew(
    data: Path, tmp_path: Path, cluster: Cluster
) -> None:
    """What it had put there goes again; what was there before stays."""
    exported(tmp_path / "a", "--data", data)
    store = ("--data", tmp_path / "new", "--store", cluster.database())
    with memory_bucket(LOOSE, **{SMALL: CONTENT[SMALL]}) as (bucket, files):
        badly(f"upload {LOOSE}: ", "import", tmp_path / "a", *store, *at(bucket))
        assert files == {file_name(SMALL): CONTENT[SMALL]}
    with memory_bucket() as (bucket, files):
        well("import", tmp_path / "a", *store, *at(bucket))
        assert files == EXPECTED


def test_a_restoring_that_the_service_refuses_restores_nothing(data: Path, tmp_path: Path) -> None:
    copy, new = tmp_path / "copy", tmp_path / "new"
    well("db", "backup", copy, "--data", data)
    with memory_bucket(LOOSE) as (bucket, _):
        badly("nothing was restored", "db", "restore", copy, "--data", new, *at(bucket))
    assert [it.name for it in new.iterdir()] == ["lock"]


def test_a_file_that_breaks_off_is_not_taken_for_whole(data: Path, tmp_path: Path) -> None:
    with memory_bucket(SMALL, **CONTENT) as (bucket, _):
        here = where(data, bucket)
        badly("nothing was exported", "export", tmp_path / "a", *here)
        badly("no backup was made", "db", "backup", tmp_path / "copy", *here)
    assert [it.name for it in tmp_path.iterdir()] == ["data"]


def test_nobody_answers(data: Path, tmp_path: Path) -> None:
    badly("s3://b: ", "export", tmp_path / "a", "--data", data, *at("http://127.0.0.1:9/b"))
    assert not (tmp_path / "a").exists()
