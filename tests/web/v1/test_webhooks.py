"""Webhooks: in order, at least once, whatever the service at the other end does."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio.testing

from tests.ports import on_a_port
from tests.push.service import Service, serving
from tests.web.v1.conftest import Api, key_for
from tinode_py.hooks.post import Poster, new_client
from tinode_py.testing import RunningServer, running_server
from tinode_py.wire.signature import signature

SOON = 30  # seconds
RULES = {"networks": ["127.0.0.0/8"], "longest_pause": 0.1, "timeout": 60.0, "attempts": 3}


@pytest.fixture
async def server() -> AsyncIterator[RunningServer]:
    async with running_server(webhooks=RULES) as running:
        yield running


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as found:
        yield found


def events(service: Service, since: int = 0) -> list[dict[str, Any]]:
    return [e for asked in service.asked[since:] for e in json.loads(asked.body)["events"]]


async def wait_events(service: Service, count: int) -> list[dict[str, Any]]:
    with trio.fail_after(SOON):
        while len(events(service)) < count:
            await service.wait_asked(len(service.asked) + 1)
    return events(service)


async def hooked(api: Api, service: Service, **members: Any) -> dict[str, Any]:
    made = await api("POST", "/webhooks", {"url": service.url + "/in", **members})
    assert made.status == 201, made.body
    return dict(made.body)


async def wait_done(api: Api, hook: dict[str, Any], until: int) -> dict[str, Any]:
    with trio.fail_after(SOON):
        while (found := (await api("GET", f"/webhooks/{hook['id']}")).body)["done"] < until:
            await trio.testing.wait_all_tasks_blocked(0.01)
    return dict(found)


async def test_what_happens_is_posted_and_signed(server, api: Api, service: Service):
    hook = await hooked(api, service)
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    await ann.pub(group, {"a": 1})
    found = await wait_events(service, 5)
    assert [event["kind"] for event in found] == [
        *("account.created", "user.online", "topic.created", "subscription.created"),
        "message.stored",
    ]
    assert found[-1]["message"]["content"] == {"a": 1}
    for asked in service.asked:
        body = json.loads(asked.body)
        ids = [event["id"] for event in body["events"]]
        assert body["hook"] == hook["id"]
        assert asked.headers["x-tinode-delivery"] == f"{hook['id']}-{ids[0]}-{ids[-1]}"
        shown = asked.headers["x-tinode-signature"]
        at = int(shown[2:].partition(",")[0])
        assert shown == signature(hook["secret"], at, asked.body)
    state = await wait_done(api, hook, found[-1]["id"])
    assert (state["failing"], state["dead"], state["secret"]) == (None, 0, "")


async def test_kinds_and_topics_are_chosen(server, api: Api, service: Service):
    ann = await server.user("ann")
    mine, other = [(await ann.sub(f"new{n}")).topic for n in (1, 2)]
    await hooked(api, service, kinds=["message.stored"], topics=[mine], secret="given")
    for topic in (other, mine, other, mine):
        await ann.pub(topic, "x")
        await ann.set(topic, desc={"public": {"fn": topic}})
    found = await wait_events(service, 2)
    assert [(event["kind"], event["topic"]) for event in found] == [("message.stored", mine)] * 2


async def test_a_service_that_fails_gets_it_again_in_order(server, api: Api, service: Service):
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    hook = await hooked(api, service, kinds=["message.stored"])
    service.answers = [(500, b""), (0, b""), (200, b""), (302, b""), (200, b"")]
    for n in range(20):
        await ann.pub(group, n, noecho=True)
    with trio.fail_after(SOON):
        while not events(service) or events(service)[-1]["message"]["content"] != 19:
            await service.wait_asked(len(service.asked) + 1)
    found = [event["message"]["content"] for event in events(service)]
    assert sorted(set(found)) == list(range(20))
    firsts = [n for at, n in enumerate(found) if n not in found[:at]]
    assert firsts == list(range(20))
    tries = [asked.headers["x-tinode-attempt"] for asked in service.asked]
    assert tries[:3] == ["1", "2", "3"]
    state = await wait_done(api, hook, events(service)[-1]["id"])
    assert (state["failing"], state["dead"]) == (None, 0)


async def test_what_is_never_taken_is_laid_aside_and_sent_again(server, api: Api, service: Service):
    ann = await server.user("ann")
    group = (await ann.sub("new1")).topic
    hook = await hooked(api, service, kinds=["message.stored"])
    path = f"/webhooks/{hook['id']}"
    service.answers = [(400, b"")] * 3
    await ann.pub(group, "poison", noecho=True)
    await ann.pub(group, "fine", noecho=True)
    with trio.fail_after(SOON):
        while events(service)[-1:] == [] or events(service)[-1]["message"]["content"] != "fine":
            await service.wait_asked(len(service.asked) + 1)
    state = await wait_done(api, hook, events(service)[-1]["id"])
    assert state["dead"] == 1
    (letter,) = (await api("GET", path + "/dead"))["items"]
    assert (letter["kind"], letter["tries"], letter["error"]) == (
        "message.stored",
        3,
        "answered 400",
    )
    assert letter["data"]["message"]["content"] == "poison"
    asked = len(service.asked)
    service.answers = [(500, b"")]  # not yet
    assert (await api("POST", path + "/replay", {})).body == {"events": 1}
    await service.wait_asked(asked + 1)
    with trio.fail_after(SOON):
        while (await api("GET", path + "/dead"))["items"][0]["tries"] != 4:
            await trio.testing.wait_all_tasks_blocked(0.01)
        while (await api("POST", path + "/replay", {})).status == 409:
            await trio.testing.wait_all_tasks_blocked(0.01)
        while (await api("GET", path))["dead"]:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert events(service)[-1] == letter["data"]
    assert service.asked[-1].headers["x-tinode-attempt"] == "5"


async def test_everything_since_an_event_is_sent_again(server, api: Api, service: Service):
    hook = await hooked(api, service)
    await server.user("ann")
    first = await wait_events(service, 2)
    await wait_done(api, hook, first[-1]["id"])
    path = f"/webhooks/{hook['id']}/replay"
    assert (await api("POST", path, {"after": first[0]["id"]})).status == 202
    again = await wait_events(service, 3)
    assert again[-1] == first[-1]
    beyond = await api("POST", path, {"after": 10_000})
    assert beyond.status == 409
    assert "the log has the events" in beyond["detail"]


async def test_a_hook_that_hangs_holds_up_nobody(server, api: Api, service: Service):
    hung = trio.Event()

    async def hang(stream: trio.SocketStream) -> None:
        hung.set()
        await trio.sleep_forever()

    async with on_a_port(hang) as url:
        assert (await api("POST", "/webhooks", {"url": url})).status == 201
        await hooked(api, service)
        with trio.fail_after(SOON):  # less than the timeout of one request
            ann = await server.user("ann")
            group = (await ann.sub("new1")).topic
            for n in range(10):
                await ann.pub(group, n)
            await hung.wait()
            while events(service)[-1:] == [] or "message" not in events(service)[-1]:
                await service.wait_asked(len(service.asked) + 1)


async def test_a_service_that_is_gone_is_asked_no_more(server, api: Api, service: Service):
    hook = await hooked(api, service)
    service.answers = [(410, b"")]
    await server.user("ann")
    with trio.fail_after(SOON):
        while (await api("GET", f"/webhooks/{hook['id']}"))["active"]:
            await trio.testing.wait_all_tasks_blocked(0.01)
    await server.user("bob")
    assert len(service.asked) == 1
    assert (await api("PATCH", f"/webhooks/{hook['id']}", {"active": True})).status == 200
    found = await wait_events(service, 5)
    assert [e["kind"] for e in found[-4:]] == ["account.created", "user.online"] * 2


async def test_a_webhook_is_changed_and_ended(server, api: Api, service: Service):
    hook = await hooked(api, service, active=False)
    path = f"/webhooks/{hook['id']}"
    changed = await api("PATCH", path, {"url": service.url + "/new", "kinds": ["user.online"]})
    assert changed["url"].endswith("/new")
    assert (changed["kinds"], changed["active"]) == (["user.online"], False)
    ann = await server.user("ann")
    assert service.asked == []
    await api("PATCH", path, {"active": True})
    (event,) = await wait_events(service, 1)  # from when it was made
    assert (event["kind"], service.asked[0].path) == ("user.online", "/new")
    assert (await api("DELETE", path)).status == 204
    for method, more in (("GET", ""), ("DELETE", ""), ("GET", "/dead")):
        assert (await api(method, path + more)).status == 404
    assert (await api("GET", "/webhooks"))["items"] == []
    await ann.aclose()
    assert len(service.asked) == 1


async def test_lists_have_pages(server, api: Api, service: Service):
    for _ in range(3):
        await hooked(api, service, active=False)
    page = await api("GET", "/webhooks?limit=2")
    assert ([item["id"] for item in page["items"]], page["next"]) == ([1, 2], "2")
    page = await api("GET", "/webhooks?limit=2&after=2")
    assert ([item["id"] for item in page["items"]], page["next"]) == ([3], "")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"url": "ftp://a/"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://10.0.0.1/"}, "private address"),
        ({"url": "http://[::1]/"}, "private address"),
        ({"url": "http://169.254.169.254/latest"}, "private address"),
        ({"url": "http://a:b@example.org/"}, "signature"),
        ({"url": "http://example.org/" + "x" * 3000}, "url"),
        ({"url": "http://example.org/", "kinds": ["what"]}, "kinds"),
        ({"url": "http://example.org/", "topics": ["x"] * 101}, "topics"),
        ({"url": "http://example.org/", "what": 1}, "what"),
        ({"url": 5}, "url"),
        ({}, "url"),
    ],
)
async def test_what_makes_no_sense_is_named(api: Api, body, text):
    got = await api("POST", "/webhooks", body)
    assert got.status == 400
    assert text in got["detail"]


async def test_who_may_not(server, api: Api):
    body = {"url": "http://example.org/"}
    assert (await api("POST", "/webhooks", body, key="")).status == 401
    assert (await api("GET", "/webhooks", key=await key_for(server, "events:read"))).status == 403
    narrow = await key_for(server, "webhooks:write", topics=("grpAAAAAAAAAAA",))
    assert (await api("POST", "/webhooks", body, key=narrow)).status == 403
    for odd in ("x", "-1", "9" * 30, "%31x"):
        assert (await api("GET", f"/webhooks/{odd}")).status == 404


async def test_there_is_a_bound(service: Service):
    async with running_server(webhooks=RULES | {"most": 2}) as server:
        key = await key_for(server)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, key)
            await hooked(api, service)
            await hooked(api, service)
            got = await api("POST", "/webhooks", {"url": service.url})
            assert (got.status, got["detail"]) == (409, "there are 2 webhooks already")


async def test_private_addresses_are_refused_when_a_name_leads_there(service: Service):
    port = service.url.rpartition(":")[2]
    async with running_server(webhooks={"attempts": 1}) as server:
        key = await key_for(server)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            api = Api(http, key)
            made = await api("POST", "/webhooks", {"url": f"http://localhost:{port}/"})
            await server.user("ann")
            with trio.fail_after(SOON):
                while (await api("GET", f"/webhooks/{made['id']}"))["dead"] < 2:
                    await trio.testing.wait_all_tasks_blocked(0.01)
            letters = (await api("GET", f"/webhooks/{made['id']}/dead"))["items"]
    assert "localhost is the private address" in letters[0]["error"]
    assert service.asked == []


async def test_a_webhook_goes_on_after_a_restart(tmp_path: Path, service: Service):
    place = {"store": f"sqlite:///{tmp_path / 't.db'}", "data": str(tmp_path)}
    async with running_server(server=place, webhooks=RULES) as server:
        key = await key_for(server)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            hook = await hooked(Api(http, key), service)
            await server.user("ann")
            found = await wait_events(service, 2)
            await wait_done(Api(http, key), hook, found[-1]["id"])
    async with running_server(server=place, webhooks=RULES):
        found = await wait_events(service, 3)
    assert [event["kind"] for event in found] == ["account.created", "user.online", "user.offline"]
    ids = [event["id"] for event in found]
    assert ids == sorted(set(ids))


async def test_pauses_grow_and_differ(server):
    tools = server.server.events.webhooks._tools()
    tools = attrs.evolve(tools, rules=attrs.evolve(tools.rules, longest_pause=60.0))
    for tries in (1, 2, 3, 7, 100):
        full = min(2 ** (tries - 1), 60)
        pauses = {tools.pause(tries) for _ in range(50)}
        assert full / 2 <= min(pauses) < max(pauses) <= full


def signers(asked: Any, *secrets: str) -> list[str]:
    """Those whose signature a request carries, in its order."""
    shown = asked.headers["x-tinode-signature"]
    at = int(shown[2:].partition(",")[0])
    by = {signature(s, at, asked.body).partition(",")[2]: s for s in secrets}
    return [by.get(part, "?") for part in shown.split(",")[1:]]


async def test_a_secret_is_rotated(server, api: Api, service: Service):
    hook = await hooked(api, service, secret="first")
    path = f"/webhooks/{hook['id']}"
    rotated = await api("POST", path + "/rotate", {"grace": 3600})
    assert (rotated.status, len(rotated["secret"]) > 30) == (200, True)
    second = rotated["secret"]
    assert rotated["former_until"] is not None
    await server.user("ann")
    await wait_events(service, 2)
    secrets = ("first", second, "third")
    assert signers(service.asked[-1], *secrets) == [second, "first"]
    shown = await api("GET", path)
    assert (shown["secret"], shown["former_until"]) == ("", rotated["former_until"])
    again = await api("POST", path + "/rotate", {"secret": "third", "grace": 0})
    assert (again["secret"], again["former_until"]) == ("third", None)
    assert (await api("POST", path + "/test"))["taken"] is True
    assert signers(service.asked[-1], *secrets) == ["third"]
    (deed, *_) = (await api("GET", "/audit"))["items"]
    assert (deed["action"], deed["detail"]) == ("webhook.rotate", {"grace": 0})
    assert "third" not in json.dumps(deed)
    for body in ({"grace": -1}, {"grace": 10**9}, {"secret": 5}, {"secret": "x" * 500}):
        assert (await api("POST", path + "/rotate", body)).status == 400, body
    assert (await api("POST", "/webhooks/99/rotate", {})).status == 404


async def test_the_old_secret_ends_with_the_grace(server, service: Service):
    """By the clock, in the store as well: what is read back signs as before."""
    now = [1_000_000]
    async with new_client(list(map(ipaddress.ip_network, ["127.0.0.0/8"])), 5, 1) as client:
        poster = Poster(client, service.url, "new", 5, lambda: now[0], "old", 1_060_000)
        for at, expected in ((1_059_999, ["new", "old"]), (1_060_000, ["new"])):
            now[0] = at
            await poster.post(b"{}", {})
            assert signers(service.asked[-1], "new", "old") == expected


async def test_a_webhook_is_tried_out(server, api: Api, service: Service):
    hook = await hooked(api, service, active=False)
    path = f"/webhooks/{hook['id']}/test"
    service.answers = [(500, b"")]
    got = await api("POST", path)
    assert got.body == {"taken": False, "status": 500, "error": "answered 500"}
    got = await api("POST", path)
    assert got.body == {"taken": True, "status": 200, "error": ""}
    assert json.loads(service.asked[-1].body) == {"hook": hook["id"], "test": True, "events": []}
    assert (await api("POST", "/webhooks/99/test")).status == 404
