"""Files beside a `kill -9`, and what a hundred of them cost: a real process, a real disk."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.process import KEY, Talker, connected, opened, serving
from tests.web.files import DOWN, MULTIPART, UP, Answer, exchange, form
from tests.web.parts import request
from tinode_py.media.folder import file_name

pytestmark = pytest.mark.slow

KILLS = 8
SENDERS = 4
MB = 1_048_576


@attrs.define
class Ledger:
    """Uploads that were acknowledged: address -> digest of the bytes."""

    kept: dict[str, str] = attrs.field(factory=dict)
    begun: int = 0
    _more: trio.Event = attrs.field(factory=trio.Event)

    def keep(self, url: str, data: bytes) -> None:
        self.kept[url] = hashlib.sha256(data).hexdigest()
        self._more.set()
        self._more = trio.Event()

    async def wait_kept(self) -> None:
        """Until one more is acknowledged."""
        await self._more.wait()


def auth(token: str) -> dict[str, str]:
    return {"X-Tinode-APIKey": KEY, "X-Tinode-Auth": f"Token {token}"}


def upload_of(token: str, data: bytes) -> bytes:
    body = form(("file", "a.bin", "application/octet-stream", data))
    return request("POST", UP, {**auth(token), **MULTIPART}, body=body)


async def asked(url: str, sent: bytes) -> Answer:
    stream = await opened(url)
    async with stream:
        return await exchange(stream, sent)


async def send_on(url: str, token: str, ledger: Ledger, rng: random.Random) -> None:
    """Upload one file after the other, until the server is gone."""
    while True:
        data = rng.randbytes(rng.choice((1000, 300_000, 3 * MB)))
        ledger.begun += 1
        answer = None
        try:
            answer = await asked(url, upload_of(token, data))
        except* (OSError, EOFError, trio.BrokenResourceError):
            pass
        if answer is None:
            return
        ledger.keep(answer.url, data)


@asynccontextmanager
async def person(url: str, token: str = "") -> AsyncIterator[Talker]:
    async with connected(url) as talker:
        if token:
            await talker.login_token(token)
        else:
            await talker.register("sender")
        yield talker


async def test_a_kill_loses_no_upload_and_leaves_no_bytes(tmp_path: Path) -> None:
    data, ledger, rng = tmp_path / "data", Ledger(), random.Random(1)
    token, listen = "", "127.0.0.1:0"
    for _ in range(KILLS):
        async with serving(data, listen=listen) as server:
            listen = server.address
            if not token:
                async with person(server.url) as talker:
                    token = talker.token
            async with trio.open_nursery() as nursery:
                for _ in range(SENDERS):
                    own = random.Random(rng.random())
                    nursery.start_soon(send_on, server.url, token, ledger, own)
                with trio.fail_after(60):
                    for _ in range(rng.randint(1, 6)):
                        await ledger.wait_kept()
                await trio.sleep(rng.uniform(0, 0.1))
                await server.kill()
    async with serving(data, listen=listen) as server:
        for url, digest in ledger.kept.items():
            got = await asked(server.url, request("GET", url, auth(token)))
            assert hashlib.sha256(got.body).hexdigest() == digest, url
        transit, on_disk = list((data / "transit").iterdir()), names_in(data / "uploads")
        assert transit == []
        # Some were kept whose sender did not live to hear of it; no others are there.
        unheard = len(on_disk) - len(ledger.kept)
        assert 0 <= unheard <= KILLS * SENDERS
    count = {"kills": KILLS, "begun": ledger.begun, "acknowledged": len(ledger.kept)}
    print(json.dumps({"test": "uploads", **count, "unheard": unheard, "lost": 0}))
    assert len(ledger.kept) >= KILLS
    assert known(data) == set(on_disk)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def known(data: Path) -> set[str]:
    """The names on the disk of what the database has."""
    with sqlite3.connect(data / "tinode.db") as db:
        return {file_name(name) for (name,) in db.execute("SELECT id FROM upload")}


async def test_a_hundred_large_files_pass_through_little_memory(tmp_path: Path) -> None:
    """RSS grows by less than 4 MB while 100 files of 8 MB go up, four at a time."""
    data = os.urandom(8 * MB - 1000)
    async with serving(tmp_path / "data") as server, person(server.url) as talker:
        sent = upload_of(talker.token, data)

        async def send(count: int) -> None:
            for _ in range(count):
                assert (await asked(server.url, sent)).status == 200

        async def send_all(count: int) -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(send, count // 4)

        await send_all(8)  # what is loaded once, and the allocator's own
        before = rss(server.process.pid)
        peaks: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, server.process.pid, peaks)
            await send_all(100)
            nursery.cancel_scope.cancel()
        grown = (max(peaks) - before) / MB
        url = (await asked(server.url, sent)).url
        got = await asked(server.url, request("GET", url, auth(talker.token)))
        assert got.body == data
        assert url.startswith(DOWN)
    print(json.dumps({"test": "memory of uploads", "rss_mb": before / MB, "grown_mb": grown}))
    assert grown < 4


async def _watch(pid: int, peaks: list[int]) -> None:
    while True:
        peaks.append(rss(pid))
        await trio.sleep(0.02)


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
