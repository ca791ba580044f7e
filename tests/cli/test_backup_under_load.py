"""A backup beside a server that takes messages: what it holds, and that it serves."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import trio

from tests.cli.test_running import objects, tinode
from tests.process import Gone, Talker, command, connected, environment, serving

pytestmark = pytest.mark.slow


async def _publish(talker: Talker, group: str, acked: list[int]) -> None:
    while True:
        try:
            answer = await talker.ask(pub={"topic": group, "noecho": True, "content": "x" * 200})
        except Gone:
            return
        acked.append(answer["params"]["seq"])


async def test_a_backup_under_load_holds_what_was_acknowledged_and_serves(tmp_path: Path) -> None:
    data, acked = tmp_path / "data", list[int]()
    async with serving(data) as server, connected(server.url) as alice, trio.open_nursery() as n:
        await alice.register("alice")
        group = (await alice.ask(sub={"topic": "new"}))["topic"]
        for _ in range(2):
            n.start_soon(_publish, alice, group, acked)
        for number in range(2):
            before, copy = max(acked, default=0), tmp_path / f"copy{number}"
            (report,) = await objects(data, "db", "backup", str(copy))
            after = max(acked)
            assert before <= report["rows"]["message"] <= after + 2
            assert after > before, "the server went on meanwhile"
            restored = tmp_path / f"restored{number}"
            await tinode(restored, "db", "restore", str(copy))
            async with serving(restored) as other, connected(other.url) as again:
                await again.login_token(alice.token)
                await again.ask(sub={"topic": group})
                seqs = [message["seq"] for message in await again.history(group)]
                assert seqs == list(range(1, report["rows"]["message"] + 1))
                answer = await again.ask(pub={"topic": group, "content": "on"})
                assert answer["params"]["seq"] == seqs[-1] + 1
        n.cancel_scope.cancel()


async def test_an_import_that_is_killed_goes_on(tmp_path: Path) -> None:
    data, rows = tmp_path / "data", 30_000
    async with serving(data) as server:
        assert await server.terminate() == 0
    database = sqlite3.connect(data / "tinode.db")
    database.execute(
        "INSERT INTO topic (name, created, updated, owner, state, channel, auth, anon, tags, "
        "readers) VALUES ('slfA', 1, 1, '', 'ok', 0, 0, 0, '[]', 0)"
    )
    database.execute("INSERT INTO topic_tail VALUES ('slfA', ?, 1, 0)", (rows,))
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO message (topic, seq, sender, ts, content) SELECT 'slfA', i, 'usrA', i, "
        "'\"' || hex(randomblob(50)) || '\"' FROM n",
        (rows,),
    )
    database.commit()
    database.close()
    whole, new, kills = tmp_path / "whole", tmp_path / "new", 0
    await tinode(data, "export", str(whole))
    making = new / "tinode.db.importing"
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            line = command("import", str(whole), "--data", str(new))
            process = await nursery.start(_run, line)
            size = making.stat().st_size if making.exists() else 0
            while process.poll() is None:
                if making.exists() and making.stat().st_size > size + 400_000:
                    process.kill()
                    kills += 1
                    break
                await trio.sleep(0.005)
            await process.wait()
            assert not (new / "tinode.db").exists() or kills < 4
    told = json.loads((await tinode(new, "import", str(whole), "--json")).splitlines()[-1])
    assert kills >= 2
    assert told["skipped"] > 2_000
    await tinode(new, "export", str(tmp_path / "after"))
    assert (tmp_path / "after").read_bytes() == whole.read_bytes()


async def _run(
    line: list[str], *, task_status: trio.TaskStatus[trio.Process] = trio.TASK_STATUS_IGNORED
) -> None:
    process = await trio.lowlevel.open_process(line, env=environment())
    task_status.started(process)
    await process.wait()
