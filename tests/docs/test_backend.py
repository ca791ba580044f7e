"""The examples of docs/backend.md, on a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
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


async def _peopled(server: Any) -> tuple[dict[str, str], Any]:
    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    key = await key_for(server)
    await bob.sub("me", get={"what": "inbox", "inbox": {}})
    await bob.sub(group)
    names = {"alice": alice.user, "bob": bob.user, "group": group, "room": "tmplobby"}
    return names | {"key": key, "token": alice.token}, bob


def heard(bob: Any) -> Iterator[Any]:
    """What bob was told until he was forced offline."""
    for packet in bob.receive_all_nowait():
        yield packet.get("data", {}).get("content")
        yield (packet.get("info", {}).get("payload") or {}).get("content")
        for item in packet.get("meta", {}).get("inbox", {}).get("items", []):
            yield item["content"]


@pytest.fixture(scope="module")
def world():
    with server_in_thread() as server:
        yield server.url, *server.run(_peopled), server


def test_every_call_has_a_row():
    calls = [row[0] for row in TABLE]
    assert set(calls) == set(NAMES.split())
    both = {name for name in calls if calls.count(name) == 2}
    assert both == {name for name in calls if "Chan" in name}  # a room's, a group's


def first(answer: Any, name: str) -> Any:
    return answer["items"][0][name]


# What the answer to each call must show; `$` stands for who is meant, as in the page.
SHOWN: dict[str, Callable[[Any, dict[str, str]], bool]] = {
    "PrevConnectServer": lambda it, who: it["user"] == who["alice"] and "ticket=" in it["url"],
    "SendMessage": lambda it, who: it["results"][0]["receipts"][0]["user"] == who["bob"],
    "JoinChan": lambda it, who: it["user"] == who["bob"],
    "GetChanClientList": lambda it, who: who["bob"] in json.dumps(it["items"]),
    "GetChanList": lambda it, who: first(it, "online") >= 1,
    "GetChanListByClientId": lambda it, who: len(it["items"]) >= 1,
    "GetChanOnline": lambda it, who: it.get("online") == 1 or it["total"] >= 1,
    "SendChanMessage": lambda it, who: bool(it.get("ts") or it["results"][0]["seq"]),
    "SendBroadcastMessage": lambda it, who: it["users"] == 2,
    "GetClientListByOnline": lambda it, who: it["total"] == 2,
    "HasOnline": lambda it, who: it["online"] is True,
    "ForceOffline": lambda it, who: it["sessions"] == 1,
    "OnSend": lambda it, who: it["active"] is True,
}


def test_the_calls_of_imcore(world):
    """In the order of the page: who leaves has joined before."""
    url, names, bob, server = world
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
                elif name != "LeaveChan":
                    assert SHOWN[name](json.loads(answer.read()), names), (name, answer.text)
        assert http.get(f"/v1/rooms/{names['room']}").json()["online"] == 0
        (kept,) = http.get(f"/v1/topics/{names['group']}/messages").json()["messages"]
    assert kept["content"] == "to all"  # of the room's message nothing is left
    server.run(lambda _: bob.wait_closed())
    assert {"hello", "to all", "maintenance at ten"} <= set(heard(bob))


def test_a_file_from_one_user_to_another(world):
    url, names, _, server = world
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
