"""Moving from the reference server on MySQL: the same rows, out of a real MariaDB."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import trio

from tests.cli.reference_rows import TABLES, fill, look_around, moved
from tests.process import PATIENCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """A server of these tests' own: its socket, in a folder of its own."""
    server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    if server is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("no MariaDB here")
    folder = Path(tempfile.mkdtemp(prefix="my"))
    data, place = folder / "data", folder / "socket"
    own = []
    if os.getuid() == 0:  # whom MariaDB does not work for
        shutil.chown(folder, "mysql")
        own = ["--user=mysql"]
    make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    more = ["--auth-root-authentication-method=normal", *own]
    subprocess.run([*make, *more], check=True, capture_output=True, cwd="/")
    quick = [
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=16M",
    ]
    line = [server, "--no-defaults", f"--datadir={data}", f"--socket={place}", *quick, *own]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, cwd="/") as process:
        try:
            _wait_ready(str(place))
            yield str(place)
        finally:
            process.kill()
    shutil.rmtree(folder)


def _wait_ready(path: str) -> None:
    last = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        assert time.monotonic() < last, "MariaDB did not start"
        time.sleep(0.05)


@pytest.fixture
def filled(mariadb: str) -> str:
    with (
        pymysql.connect(unix_socket=mariadb, user="root", autocommit=True) as db,
        db.cursor() as on,
    ):

        def execute(sql: str, row: tuple[Any, ...] = ()) -> None:
            on.execute(sql.replace('"', "`"), row or None)

        execute("DROP DATABASE IF EXISTS tinode")
        execute("CREATE DATABASE tinode CHARACTER SET utf8mb4")
        execute("USE tinode")
        for statement in TABLES.format(T="datetime(3)").strip().rstrip(";").split(";"):
            execute(statement)
        fill(execute)
    return f"mysql://root@localhost/tinode?unix_socket={mariadb}"


def test_everything_comes_over_and_serves(filled: str, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "abc").write_bytes(b"hello")
    data = tmp_path / "data"
    result = moved(filled, data, "--files", str(tmp_path / "up"), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    counts = {"account": 3, "login": 1, "topic": 2, "subscription": 4, "message": 4, "upload": 1}
    assert told["rows"].items() >= counts.items()
    assert told["missing_files"] == []
    trio.run(look_around, data)


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("{}&ssl=1", 2, "nothing is known of 'ssl'"),
        ("mysql://root@localhost", 2, "URL names no database"),
        ("mysql://root@localhost:x/tinode", 2, "URL: "),
        ("mysql://root@127.0.0.1:1/tinode", 1, "MySQL: "),
        ("mongodb://localhost/tinode", 2, "URL wants postgresql://"),
    ],
)
def test_wrong_addresses(filled: str, tmp_path: Path, url: str, code: int, said: str) -> None:
    done = moved(url.format(filled), tmp_path / "data")
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert "Traceback" not in done.output


def test_a_database_of_something_else(filled: str, tmp_path: Path) -> None:
    done = moved(filled.replace("/tinode?", "/mysql?"), tmp_path / "data")
    assert done.exit_code == 1
    assert "this is no database of Tinode" in done.output
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["lock"]
