"""The programs of backend-client.md as processes, its tables against the code and a server."""

from __future__ import annotations

import inspect
import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import httpx
import pytest
import trio

from tests.docs.pages import DOCS, Block, blocks, rows, section
from tests.process import PATIENCE, environment
from tests.web.v1.conftest import key_for
from tinode_py.backend import Backend, BackendError, Event, Problem, errors, making
from tinode_py.backend.call import Call
from tinode_py.backend.calls.methods import Methods
from tinode_py.testing import RunningServer, running_server

PAGE = DOCS / "backend-client.md"
FIRST, BULK, GREETER, RECEIVER = blocks(PAGE, "python")
PEOPLE = {"alice": "usrAAAAAAAAAAE", "bob": "usrAAAAAAAAAAI", "room": "tmplobby"}
IMCORE = {name: call.strip("`") for name, call in rows(section(PAGE, "## What ImCore does"))}
HEADING = "## What ImCore does, done here"
TTL = ("ttl", 10)  # the default, which is not sent


# --- tables -------------------------------------------------------------------------------


class Described(Methods):
    """A client whose methods give the request instead of its answer."""

    def carry_out(self, call: Call[Any]) -> Any:
        return call

    def events(self, after: int) -> Call[Event]:
        return Call("GET", "/v1/events", Event, query={"after": after})


def asked(text: str, names: dict[str, str], client: Any) -> Any:
    """What a cell of the table comes to."""
    return eval(f"client.{text}", {"client": client, **names})


def test_imcores_calls_are_the_requests_of_the_other_page():
    requests: dict[str, str] = {}
    for name, request in rows(section(DOCS / "backend.md", HEADING)):
        requests.setdefault(name, request.strip("`"))
    assert IMCORE.keys() == requests.keys()
    for name, text in IMCORE.items():
        call = asked(text, PEOPLE, Described())
        wanted = re.sub(r"\$(\w+)", lambda found: PEOPLE[found[1]], requests[name])
        method, path, *body = wanted.split(" ", 2)
        query = f"?{urlencode(call.parameters())}" if call.query else ""
        assert (call.method, call.path + query) == (method, path), name
        sent = json.loads(call.content() or b"null")
        full = json.loads(body[0]) if body else None
        if full and TTL in full.items():
            del full["ttl"]
        assert sent == full, name


async def test_imcores_calls_are_made():
    async with running_server() as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        names = {"alice": alice.user, "bob": bob.user, "room": "tmplobby"}
        async with Backend(server.url, await key_for(server)) as backend:
            for name, text in IMCORE.items():
                came = asked(text, names, backend)
                if name == "EventBus":
                    assert isinstance(await anext(came), Event)
                else:
                    await came


def test_every_exception_is_in_the_table():
    table = rows(section(PAGE, "## When something goes wrong"))
    named = {name.strip("`"): status for name, status, _ in table}
    made = {name for name, it in vars(errors).items() if inspect.isclass(it)}
    found = {name for name in made if issubclass(getattr(errors, name), BackendError)}
    assert named.keys() == found - {BackendError.__name__}
    for name, status in named.items():
        codes = [code for code, cls in errors.BY_STATUS.items() if cls.__name__ == name]
        assert [int(code) for code in re.findall(r"\d+", status)] == codes
        assert issubclass(getattr(errors, name), Problem if status != "none" else BackendError)


def test_what_is_not_asked_again_is_as_the_page_says():
    """POST and PATCH that are not repeatable: accounts, groups, webhooks, keys, edits, words."""
    kept = {
        operation.id
        for shape in making._shapes().values()
        for operation in shape.OPERATIONS
        if operation.method in ("POST", "PATCH")
        and not making._repeatable(operation)
        and operation.id not in making._KEYED
    }
    said = {"createUser", "createTopic", "createWebhook", "createKey"}
    said |= {"editMessage", "editOwnMessage", "broadcast", "sendToRoom"}
    assert said <= kept


# --- programs -----------------------------------------------------------------------------


def program(block: Any, folder: Path, *args: str) -> list[str]:
    file = folder / "program.py"
    file.write_text(block.text, "utf-8")
    return [sys.executable, str(file), *args]


async def run(block: Block, monkeypatch: Any, *args: str, stdin: str = "") -> None:
    """A program that ends by itself, in a thread of this process."""
    monkeypatch.setattr(sys, "argv", ["program.py", *args])
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    code = compile(block.text, str(block), "exec")
    await trio.to_thread.run_sync(exec, code, {"__name__": "program"})


@asynccontextmanager
async def running(command: list[str], folder: Path) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.fixture
async def server() -> AsyncIterator[RunningServer]:
    async with running_server(webhooks={"networks": ["127.0.0.0/8"]}) as running:
        yield running


async def test_the_first_program(server: RunningServer, monkeypatch: Any, capsys: Any):
    await run(FIRST, monkeypatch, server.url, await key_for(server))
    first, *people = capsys.readouterr().out.splitlines()
    assert first == "stored"
    assert any(line.endswith("{'fn': 'Dora'}") for line in people)


async def test_the_bulk_sender(server: RunningServer, monkeypatch: Any, capsys: Any):
    key = await key_for(server)
    async with Backend(server.url, key) as backend:
        users = [await backend.create_user(external_id=f"p{n}") for n in range(24)]
        people = " ".join([*(f"ext:p{n}" for n in range(24)), "ext:nobody"])
        tens = attrs.evolve(BULK, text=BULK.text.replace("users, 100", "users, 10"))
        for _ in range(2):
            await run(tens, monkeypatch, server.url, key, "may", "It is May.", stdin=people)
            said = capsys.readouterr()
            assert (said.out, said.err) == ("", "ext:nobody: there is no user 'ext:nobody'\n")
        for user in (users[0], users[-1]):
            (chat,) = [it async for it in backend.all_topics_of_user(user.id)]
            assert [it.content async for it in backend.all_history(chat.name)] == ["It is May."]


@pytest.mark.slow
async def test_the_greeter(server: RunningServer, tmp_path: Path):
    """Killed after its first greeting: those who come meanwhile are greeted, nobody twice."""
    key = await key_for(server)
    command = program(GREETER, tmp_path, server.url, key)
    users: list[str] = []
    async with Backend(server.url, key) as backend:
        for turn in range(2):
            users += [(await backend.create_user(external_id=f"{turn}{n}")).id for n in range(3)]
            async with running(command, tmp_path):
                await wait_greeted(backend, users)
    assert json.loads((tmp_path / "greeter.json").read_text())["backend"]["events"] > 0


async def wait_greeted(backend: Backend, users: list[str]) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            if [await heard(backend, user) for user in users] == [["Hello!"]] * len(users):
                return
            await trio.sleep(0.5)


async def heard(backend: Backend, user: str) -> list[Any]:
    topics = [it.name async for it in backend.all_topics_of_user(user)]
    return [it.content for topic in topics async for it in backend.all_history(topic)]


@pytest.mark.slow
async def test_the_receiver(server: RunningServer, tmp_path: Path, free_tcp_port: int):
    async with Backend(server.url, await key_for(server)) as backend:
        url = f"http://127.0.0.1:{free_tcp_port}/"
        hook = await backend.create_webhook(url, kinds=["account.created"])
        command = program(RECEIVER, tmp_path, str(free_tcp_port), hook.secret)
        async with running(command, tmp_path) as process:
            users = [(await backend.create_user()).id for _ in range(3)]
            said = b""
            with trio.fail_after(PATIENCE):
                while said.count(b"\n") < 3:
                    said += bytes(await process.stdout.receive_some())
            assert [line.split()[1:] for line in said.decode().splitlines()] == [
                ["account.created", user] for user in users
            ]
            async with httpx.AsyncClient() as stranger:
                headers = {"X-Tinode-Signature": "t=1,v1=00"}
                answer = await stranger.post(url, content=b"{}", headers=headers)
            assert answer.status_code == 403
            assert "does not fit" in answer.text


@pytest.fixture
def free_tcp_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
