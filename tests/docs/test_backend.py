"""The examples of docs/backend.md, on a server."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.docs.pages import DOCS, blocks, rows, section
from tests.web.v1.conftest import key_for
from tinode_py.queries import LooseUploads
from tinode_py.testing import server_in_thread

PAGE = DOCS / "backend.md"
TABLE = rows(section(PAGE, "## What ImCore does, done here"))
NAMES = (
    "PrevConnectServer SendMessage JoinChan LeaveChan GetChanClientList GetChanList"
    " GetChanListByClientId GetChanOnline SendChanMessage SendBroadcastMessage"
    " GetClientListByOnline HasOnline ForceOffline EventBus OnSend"
)


async def _peopled(server: Any) -> dict[str, str]:
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    key = await key_for(server)
    names = {"alice": alice.user, "bob": bob.user, "group": group}
    return names | {"key": key, "token": alice.token}


@pytest.fixture(scope="module")
def world():
    with server_in_thread() as server:
        yield server.url, server.run(_peopled), server


def test_every_call_has_a_row():
    assert {row[0] for row in TABLE} == set(NAMES.split())


def test_the_calls_of_imcore(world):
    """In the order of the table: who leaves has joined before."""
    url, names, _ = world
    headers = {"Authorization": f"Bearer {names['key']}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        for name, request in TABLE:
            text = re.sub(r"\$(\w+)", lambda found: names[found[1]], request.strip("`"))
            method, path, *body = text.split(" ", 2)
            content = json.loads(body[0]) if body else None
            with http.stream(method, path, json=content) as answer:
                assert answer.status_code < 300, (name, answer.read())
                if name == "EventBus":
                    assert "event-stream" in answer.headers["content-type"]
                    assert next(answer.iter_lines())


def test_a_file_from_one_user_to_another(world):
    url, names, server = world
    (block,) = blocks(PAGE, "python")
    found: dict[str, Any] = {}
    exec(compile(block.text.replace("http://127.0.0.1:6060", url), str(block), "exec"), found)
    link = found["send_file"](
        names["key"], names["token"], names["alice"], names["bob"], "a.txt", b"what it says"
    )
    assert server.run(_loose) == ()  # the message keeps it
    headers = {"Authorization": f"Bearer {names['key']}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        topics = http.get(f"/v1/users/{names['bob']}/topics").json()["items"]
        (chat,) = [it["name"] for it in topics if it["topic"] == names["alice"]]
        messages = http.get(f"/v1/topics/{chat}/messages").json()["messages"]
        assert messages[0]["content"]["ent"][0]["data"]["ref"] == link
        assert messages[1]["content"] == "sending a.txt…"
        got = http.get(
            link,
            headers={
                "X-Tinode-APIKey": "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K",
                "X-Tinode-Auth": f"Token {names['token']}",
            },
        )
        assert got.content == b"what it says"


async def _loose(server: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = await server.server.store.fetch(LooseUploads(2**60, 100))
    return found
