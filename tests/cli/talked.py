"""A data folder in which people have talked, and commands on it."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import trio
from click.testing import CliRunner, Result

from tests.cli.conftest import installed
from tinode_py.testing import running_server

FILE = "AbCdEfGhIjk"


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


def talked(folder: Path) -> Path:
    """Make a data folder in which people have talked, a file was uploaded, a message deleted."""

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


def moment(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))


def exported(data: Path, file: Path) -> bytes:
    well("export", file, "--data", data)
    return file.read_bytes()


def uploads_in(folder: Path) -> dict[str, bytes]:
    return {it.name: it.read_bytes() for it in (folder / "uploads").rglob("*") if it.is_file()}
