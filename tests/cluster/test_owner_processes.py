"""Nodes without PostgreSQL as an operator runs them: one has the file, the others its address."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.cluster.test_processes import heard, published
from tests.docs.pages import DOCS, blocks
from tests.process import (
    PATIENCE,
    ServerProcess,
    Talker,
    command,
    connected,
    environment,
    secret,
    serving,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
LEASE = "cluster.lease=2.0"
OWNER, NODE = "node1", "node2"


def free_port() -> int:
    """One that is free now, and none of those that the system gives to connections: whoever
    connects to such a port again and again, where nobody listens, reaches himself one day.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@attrs.frozen
class Place:
    """Where the nodes are, and how their commands run: as docs/cluster.md has them."""

    folder: Path
    port: int
    commands: dict[str, list[str]]

    @classmethod
    def of(cls, folder: Path) -> Place:
        found = [block for block in blocks(DOCS / "cluster.md", "sh") if "peer://" in block.text]
        lines = [line.split() for line in found[0].text.splitlines() if "serve" in line]
        return cls(folder, free_port(), {line[line.index("--data") + 1]: line for line in lines})

    @contextlib.asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[ServerProcess]:
        async with serving(self.folder / name, *self._args(name)) as server:
            yield server

    async def refusal(self, name: str) -> str:
        """What a node says that cannot start."""
        line = command("serve", "--data", str(self.folder / name), *self._args(name))
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(line, capture_stderr=True, check=False, env=environment())
        assert done.returncode == 2
        return done.stderr.decode()

    def _args(self, name: str) -> list[str]:
        line = self.commands[name]
        words = dict(zip(line[2::2], line[3::2], strict=True))
        store = re.sub(r":\d+$", f":{self.port}", words.get("--store", ""))
        own = re.sub(r":\d+$", ":0" if store else f":{self.port}", words["--set"])
        return [*(("--store", store) if store else ()), "--set", own, "--set", LEASE]

    def copy_the_secret(self) -> None:
        (self.folder / NODE).mkdir(mode=0o700)
        shutil.copy2(self.folder / OWNER / "cluster.secret", self.folder / NODE)


async def in_a_group(alice: Talker, bob: Talker) -> str:
    made = await alice.ask(sub={"topic": "new1", "set": {"desc": {"defacs": {"auth": "JRWPS"}}}})
    group = str(made["topic"])
    with trio.fail_after(PATIENCE):
        while (await bob.ask(sub={"topic": group}))["code"] != 200:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return group


async def until_sent(url: str, login: str, group: str, content: str) -> list[object]:
    """Log in and publish, as soon as both can be; all there is then."""
    with trio.fail_after(PATIENCE):
        while True:
            async with connected(url) as person:
                shown = secret(login, "secret-of-tests")
                proof = await person.ask(login={"scheme": "basic", "secret": shown})
                if proof["code"] < 300:
                    joined = await person.ask(sub={"topic": group})
                    if joined["code"] < 400:
                        await published(person, group, content)
                        known = {it["seq"]: it["content"] for it in await person.history(group)}
                        return list(known.values())  # what was sent comes as news as well
            await trio.sleep(0.1)


async def test_a_cluster_on_one_file(tmp_path: Path) -> None:
    """People on both; the other node is killed; the owner is killed and comes back; both stop."""
    place = Place.of(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        owner = await stack.enter_async_context(place.node(OWNER))
        place.copy_the_secret()
        two = await stack.enter_async_context(place.node(NODE))
        async with connected(owner.url) as alice, connected(two.url) as bob:
            await alice.register("alice")
            await bob.register("bobby")
            group = await in_a_group(alice, bob)
            for number in range(5):
                await published(bob, group, number)
            assert await heard(alice, 4) == [0, 1, 2, 3, 4]
            await two.kill()
            await published(alice, group, "alone")
        two = await stack.enter_async_context(place.node(NODE))
        found = await until_sent(two.url, "bobby", group, "back")
        assert found == [0, 1, 2, 3, 4, "alone", "back"]
        bob = await stack.enter_async_context(connected(two.url))
        await bob.login("bobby")
        assert (await bob.ask(sub={"topic": group}))["code"] == 200
        await owner.kill()
        answer = await bob.ask(pub={"topic": group, "content": "nobody has it"})
        assert answer["code"] in (502, 503), answer
        owner = await stack.enter_async_context(place.node(OWNER))
        with trio.fail_after(PATIENCE):
            await bob.ended.wait()
        found = await until_sent(two.url, "bobby", group, "again")
        assert [it for it in found if it != "nobody has it"] == [
            *(0, 1, 2, 3, 4, "alone", "back", "again")
        ]
        codes: list[int] = []
        async with trio.open_nursery() as nursery:
            for server in (owner, two):

                async def stop(server: ServerProcess = server) -> None:
                    codes.append(await server.terminate())

                nursery.start_soon(stop)
        assert codes == [0, 0]
        assert not [line for line in two.said if "Traceback" in line]
        assert not [line for line in owner.said if "Traceback" in line]


async def test_without_the_secret_or_the_owner(tmp_path: Path) -> None:
    """The command ends with 2, and says what is missing."""
    place = Place.of(tmp_path)
    assert "Error: cluster.secret: is wanted: that of the node that" in await place.refusal(NODE)
    async with place.node(OWNER):
        (tmp_path / NODE / "cluster.secret").write_text("x" * 64)
        assert "closed the connection: is cluster.secret the same" in await place.refusal(NODE)
