"""A service that is asked before a message is stored."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from tests.ports import on_a_port
from tests.push.service import Service, serving
from tinode_py.client import Client
from tinode_py.client.errors import ClientError
from tinode_py.config import ConfigError
from tinode_py.testing import RunningServer, running_server
from tinode_py.wire.signature import signature


@contextlib.asynccontextmanager
async def asked_first(**rules: Any) -> AsyncIterator[tuple[RunningServer, Service]]:
    async with serving() as service:
        before = {"url": service.url + "/before", "secret": "s", "timeout": 2.0, **rules}
        async with running_server(webhooks={"before": before}) as server:
            yield server, service


async def heard(device: Client) -> Any:
    with trio.fail_after(30):
        while "data" not in (packet := await device.receive()):
            pass
    return packet["data"]


async def refusal(device: Client, topic: str, content: Any) -> tuple[int, Any]:
    with pytest.raises(ClientError) as caught:
        await device.pub(topic, content)
    return caught.value.code, caught.value.params


async def test_a_message_passes():
    async with asked_first() as (server, service):
        ann, bob = await server.user("ann"), await server.user("bob")
        await ann.sub(bob.user)
        service.answers = [(200, b""), (200, b"{}"), (204, b"")]
        for n in range(3):
            await ann.pub(bob.user, {"n": n}, head={"mime": "x"})
            data = await heard(ann)
            assert (data["content"], data["head"]["mime"]) == ({"n": n}, "x")
        asked = service.asked[0]
        question = json.loads(asked.body)
        assert question["user"] == ann.user
        assert question["topic"].startswith("p2p")
        assert (question["content"], question["head"]) == ({"n": 0}, {"mime": "x"})
        shown = asked.headers["x-tinode-signature"]
        assert shown == signature("s", int(shown[2:].partition(",")[0]), asked.body)


async def test_a_message_is_refused_with_a_reason():
    async with asked_first() as (server, service):
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        service.answers = [(200, json.dumps({"refuse": "not in " + "x" * 500}).encode())]
        code, params = await refusal(ann, group, "bad word")
        assert code == 422
        assert params["reason"].startswith("not in x")
        assert len(params["reason"]) == 200
        assert await ann.pub(group, "fine") == 1  # no number was taken


async def test_a_message_is_rewritten():
    async with asked_first() as (server, service):
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        service.answers = [
            (200, b'{"content": "b**"}'),
            (200, b'{"head": {"mime": "y"}}'),
            (200, b'{"content": null, "head": null}'),
        ]
        told = []
        for n in range(3):
            await ann.pub(group, n, head={"mime": "x"})
            data = await heard(ann)
            told.append((data.get("content"), data.get("head")))
        assert told == [("b**", {"mime": "x"}), (1, {"mime": "y"}), (None, None)]


NONSENSE = [
    (500, b""),
    (302, b""),
    (0, b""),
    (200, b"yes"),
    (200, b"[]"),
    (200, b'{"refuse": 1}'),
    (200, b'{"unknown": 1}'),
    (200, b'{"head": 5}'),
    (200, b'{"content": "\\u0000"}'),
    (200, b'{"content": "\xff"}'),
    (200, b'{"content": ' + b"[" * 1000 + b"]" * 1000 + b"}"),
    (200, b'{"content": "' + b"x" * 200_000 + b'"}'),
    (200, b'{"content": 1e999}'),
    (200, b'"' + b"x" * 300_000 + b'"'),
]


@pytest.mark.parametrize("policy", ["allow", "refuse"])
async def test_what_cannot_be_used_is_the_policys(policy: str):
    async with asked_first(on_failure=policy) as (server, service):
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        for answer in NONSENSE:
            service.answers = [answer]
            if policy == "allow":
                await ann.pub(group, "x")
                assert (await heard(ann))["content"] == "x"
            else:
                assert await refusal(ann, group, "x") == (503, {"what": "before"})
        assert len(service.asked) == len(NONSENSE)


@pytest.mark.parametrize("policy", ["allow", "refuse"])
async def test_a_service_that_hangs_holds_up_its_asker_alone(policy: str):
    others_are_done = trio.Event()

    async def hang(stream: trio.SocketStream) -> None:
        await others_are_done.wait()

    async with on_a_port(hang) as url:
        rules = {"url": url, "timeout": 30, "on_failure": policy, "topics": ["grp"]}
        async with running_server(webhooks={"before": rules}) as server:
            ann, bob = await server.user("ann"), await server.user("bob")
            group = (await ann.sub("new1")).topic
            await bob.sub(group)
            await bob.sub(ann.user)
            done: list[str] = []

            async def slow() -> None:
                with contextlib.suppress(ClientError):
                    await ann.pub(group, "slow")
                done.append("slow")

            async with trio.open_nursery() as both:
                both.start_soon(slow)
                await trio.testing.wait_all_tasks_blocked(0.05)
                await bob.get(group, "desc")  # the topic goes on
                await bob.pub(ann.user, "not asked about")
                done.append("others")
                others_are_done.set()
            assert done == ["others", "slow"]


async def test_nobody_there():
    rules = {"url": "http://127.0.0.1:1/", "on_failure": "refuse"}
    async with running_server(webhooks={"before": rules}) as server:
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        assert await refusal(ann, group, "x") == (503, {"what": "before"})


async def test_only_chosen_kinds_of_topics_are_asked_about():
    async with asked_first(topics=["p2p"]) as (server, service):
        ann, bob = await server.user("ann"), await server.user("bob")
        group = (await ann.sub("new1")).topic
        await ann.sub(bob.user)
        await ann.pub(group, "x")
        await ann.note(group, "kp")
        assert service.asked == []
        await ann.pub(bob.user, "x")
        assert len(service.asked) == 1


async def test_messages_of_one_session_keep_their_order():
    async with asked_first() as (server, service):
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        for n in range(20):
            await ann.send({"pub": {"topic": group, "content": n}})
        assert [(await heard(ann))["content"] for _ in range(20)] == list(range(20))
        assert len(service.asked) == 20


async def test_the_other_door_asks_too():
    """A user's own sends over HTTP; what the back end sends is its own business."""
    async with asked_first() as (server, service):
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        service.answers = [(200, b'{"refuse": "no"}')]
        headers = {"authorization": f"Bearer {ann.token}"}
        body = {"topic": group, "content": "x"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
            got = await http.post("/v1/me/messages", json=body)
            assert (got.status_code, got.json()["detail"]) == (422, "no")
            got = await http.post("/v1/me/messages", json=body)
            assert got.status_code in (200, 201, 202)
        assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("webhooks", "key"),
    [({"before": {"url": "ftp://x"}}, "before.url"), ({"networks": ["10.0.0.1/8"]}, "networks")],
)
async def test_settings_that_make_no_sense(webhooks, key):
    with pytest.raises(ConfigError, match=f"webhooks.{key}"):
        async with running_server(webhooks=webhooks):
            pass


async def test_the_service_is_named_while_the_server_runs():
    async with serving() as service, running_server() as server:
        ann = await server.user("ann")
        group = (await ann.sub("new1")).topic
        assert await ann.pub(group, 1) == 1
        standing = server.server.standing
        for nonsense in ("ftp://a", "http://"):
            with pytest.raises(ConfigError, match=r"webhooks\.before\.url"):
                await standing.set([f"webhooks.before.url={nonsense}"])
        await standing.set([f"webhooks.before.url={service.url}/before"])
        service.answers = [(200, b'{"refuse": "no"}'), (200, b"")]
        assert (await refusal(ann, group, 2))[0] == 422
        await standing.set(["webhooks.before.secret=s", "webhooks.before.timeout=3"])
        assert await ann.pub(group, 3) == 2
        assert "x-tinode-signature" not in service.asked[0].headers
        assert "x-tinode-signature" in service.asked[1].headers
        await standing.unset(list(standing.stored))
        assert await ann.pub(group, 4) == 3
        assert len(service.asked) == 2
