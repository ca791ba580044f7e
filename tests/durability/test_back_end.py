"""The back end, killed and started again ten times under load: nobody notices, it misses nothing.

A process reads the stream of events and another one is a webhook's service; both keep what they
got in a file. Six people publish all the while. In the end both have every message that was
acknowledged; no connection of a client has ended, and nobody was said to be off or on again.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.durability.test_kill import (
    PEOPLE,
    Ledger,
    Person,
    _acquainted,
    _logged_in,
)
from tests.process import ServerProcess, command, environment, serving

KILLS = 10
PROGRAM = Path(__file__).with_name("back_end.py")
RULES = (
    *("--set", 'webhooks.networks=["127.0.0.0/8"]'),
    *("--set", "webhooks.longest_pause=0.5"),
    *("--set", "webhooks.attempts=100"),  # the service is dead half of the time
)


async def run(*args: str) -> str:
    done = await trio.run_process(
        command(*args), capture_stdout=True, capture_stderr=True, env=environment()
    )
    return done.stdout.decode().strip()


async def keep_killing(*args: str, chance: random.Random) -> None:
    """Start it, kill it some time later, leave it dead for a while; ten times, then it stays."""
    for left in range(KILLS, -1, -1):
        process = await trio.lowlevel.open_process([sys.executable, str(PROGRAM), *args])
        try:
            await trio.sleep(chance.uniform(0.2, 0.7) if left else 1e6)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        await trio.sleep(chance.uniform(0, 0.5))


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def hook(server: ServerProcess, key: str, port: int) -> None:
    body = json.dumps({"url": f"http://127.0.0.1:{port}/"})
    line = ["curl", "-sf", "-d", body, "-H", f"Authorization: Bearer {key}"]
    line += ["-H", "Content-Type: application/json", server.url + "/v1/webhooks"]
    await trio.run_process(line, stdout=subprocess.DEVNULL)


def messages(events: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {
        (event["message"]["content"]["txt"], event["message"]["seq"])
        for event in events
        if event["kind"] == "message.stored"
    }


def missing(ledger: Ledger, path: Path) -> int:
    """How many messages that were acknowledged a back end has not got."""
    promised = {
        (content["txt"], seq)
        for numbers in ledger.acknowledged.values()
        for seq, content in numbers.items()
    }
    return len(promised - messages(told(path)))


@pytest.mark.slow
async def test_a_back_end_may_die(tmp_path: Path) -> None:
    data, ledger = tmp_path / "data", Ledger()
    people = [Person(number, ledger, random.Random(number)) for number in range(PEOPLE)]
    address = await _acquainted(data, people)
    stream, hooked, port = tmp_path / "stream", tmp_path / "hooked", free_port()
    async with serving(data, *RULES, listen=address) as server:
        key = await run("key", "create", "back end", "--scope", "all", "--data", str(data))
        await hook(server, key, port)
        url = server.url + "/v1/events"
        async with trio.open_nursery() as back_ends:
            back_ends.start_soon(_killing, "reader", (url, key, str(stream)))
            back_ends.start_soon(_killing, "target", (str(port), str(hooked)))
            async with _logged_in(server, people) as talkers, trio.open_nursery() as load:
                for person, talker in zip(people, talkers, strict=True):
                    load.start_soon(person.publish, talker)
                await trio.sleep(KILLS * 0.75)
                load.cancel_scope.cancel()
                assert not any(talker.ended.is_set() for talker in talkers)
            with trio.move_on_after(60):
                while not (  # noqa: ASYNC110
                    _all_off(stream, hooked) and _has_all(ledger, stream, hooked)
                ):
                    await trio.sleep(0.2)
            back_ends.cancel_scope.cancel()
    lengths = {path.name: len(told(path)) for path in (stream, hooked)}
    print(json.dumps({"test": "back end", "kills": KILLS, "acked": ledger.total(), **lengths}))
    assert (missing(ledger, stream), missing(ledger, hooked)) == (0, 0)
    assert ledger.total() > KILLS * PEOPLE
    _check(stream, hooked, people)


async def _killing(name: str, args: tuple[str, ...]) -> None:
    await keep_killing(name, *args, chance=random.Random(name))


def _all_off(*paths: Path) -> bool:
    return all(_turns(path)["user.offline"] >= PEOPLE for path in paths)


def _has_all(ledger: Ledger, *paths: Path) -> bool:
    return not any(missing(ledger, path) for path in paths)


def _turns(path: Path) -> Counter[str]:
    return Counter(event["kind"] for event in {e["id"]: e for e in told(path)}.values())


def _check(stream: Path, hooked: Path, people: list[Person]) -> None:
    """The stream has everything once and in order; the webhook the same, some of it twice."""
    ids = [event["id"] for event in told(stream) if not event["kind"].startswith("stream.")]
    assert ids == sorted(set(ids))
    again = [event["id"] for event in told(hooked)]
    firsts = list(dict.fromkeys(again))
    assert firsts == sorted(firsts)
    assert set(firsts) <= set(ids)
    for path, times in ((stream, 2), (hooked, 1)):  # the stream tells of the first evening, too
        for person in people:
            turns = {
                e["id"]: e["kind"]
                for e in told(path)
                if e.get("user") == person.user and e["kind"] in ("user.online", "user.offline")
            }
            kinds = [turns[number] for number in sorted(turns)]
            assert kinds == ["user.online", "user.offline"] * times, (path.name, kinds)
