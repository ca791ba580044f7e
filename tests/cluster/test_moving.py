"""A community on SQLite becomes one on three nodes, and its clients notice nothing but a pause."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.test_processes import heard, nodes, published
from tests.process import Packet, Talker, command, connected, environment, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def told(*args: str) -> None:
    """A command of the operator's, which must succeed."""
    done = subprocess.run(
        command(*args), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def seen(talker: Talker, topic: str) -> tuple[Packet, list[Packet]]:
    """What a client finds in a topic: its description, and all messages."""
    await talker.ask(sub={"topic": topic})
    meta = await talker.ask(get={"topic": topic, "what": "desc"})
    desc = {name: meta["desc"].get(name) for name in ("public", "seq", "read", "recv", "acs")}
    assert desc["seq"]
    return desc, await talker.history(topic)


async def test_from_one_file_to_three_nodes(tmp_path: Path, postgres_url: str) -> None:
    old, new = tmp_path / "old", tmp_path / "data0"  # where the first node looks
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(old))
        people = [await stack.enter_async_context(connected(server.url)) for _ in range(3)]
        for person, name in zip(people, ("alice", "bobby", "carol"), strict=True):
            await person.register(name, desc={"public": {"fn": name}})
        alice, bob, carol = people
        made = await alice.ask(
            sub={
                "topic": "new1",
                "set": {"desc": {"public": {"fn": "all"}, "defacs": {"auth": "JRWPS"}}},
            }
        )
        group = made["topic"]
        for person in (bob, carol):
            await person.ask(sub={"topic": group})
        for i in range(7):
            await published(people[i % 3], group, {"txt": f"message {i}"})
        await alice.ask(sub={"topic": bob.user})
        await published(alice, bob.user, "between us")
        before = [await seen(person, group) for person in people]
        tokens = [person.token for person in people]
        assert await server.terminate() == 0

    told("export", str(tmp_path / "all.jsonl"), "--data", str(old))
    told("import", str(tmp_path / "all.jsonl"), "--data", str(new), "--store", postgres_url)
    shutil.copy(old / "secrets.toml", new)

    async with nodes(tmp_path, postgres_url, 3) as servers, contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(connected(each.url)) for each in servers]
        for person, token in zip(people, tokens, strict=True):
            await person.login_token(token)
        assert [await seen(person, group) for person in people] == before
        await published(people[2], group, "and on")
        for person in people:
            assert (await heard(person, "and on"))[-1] == "and on"
        assert (await people[1].ask(sub={"topic": people[0].user}))["code"] == 200
        assert [it["content"] for it in await people[1].history(people[0].user)] == ["between us"]
