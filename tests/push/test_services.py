"""Webhook and gateway, against a real service on a port."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import json
from typing import Any

import pytest

from tests.push.service import serving
from tinode_py.config import ConfigError, Settings
from tinode_py.outbound.client import Client
from tinode_py.push.base import Follow, Push, PushError, Recipient
from tinode_py.push.gateway import LARGEST, Gateway
from tinode_py.push.made import pushers
from tinode_py.push.stdout import Stdout
from tinode_py.push.webhook import Webhook
from tinode_py.records import Device

NOW = 1_700_000_000_000
PHONE, TABLET = Device("phone", "usrB", "ios", "de"), Device("tablet", "usrB", "android")
BOB = Recipient("usrB", "usrA", False, 3, (PHONE, TABLET))
ANN = Recipient("usrA", "usrB", True, 0, (Device("hers", "usrA"),))
MESSAGE = Push({"what": "msg", "xfrom": "usrA", "seq": "7", "content": "hi"}, (BOB, ANN))
IN_CHANNEL = Push({"what": "msg", "xfrom": "usrA", "content": "hi"}, (), "chnX", False)
FOLLOW = Follow("chnX", ("phone",), True)


@pytest.fixture
async def service():
    async with serving() as found:
        yield found


@pytest.fixture
async def client():
    async with Client(5, 1) as found:
        yield found


# --- webhook -----------------------------------------------------------------------------


async def test_the_webhook_gets_what_happened(service, client):
    hook = Webhook(client, f"{service.url}/hook?x=1", "key", lambda: NOW)
    assert await hook.push([MESSAGE, FOLLOW, IN_CHANNEL]) == ()
    (asked,) = service.asked
    assert asked.path == "/hook?x=1"
    assert asked.headers["content-type"] == "application/json"
    first, follow, in_channel = json.loads(asked.body)["notifications"]
    assert first == {
        "kind": "push",
        "payload": {"what": "msg", "xfrom": "usrA", "seq": "7", "content": "hi"},
        "to": [
            {
                "user": "usrB",
                "topic": "usrA",
                "silent": False,
                "unread": 3,
                "devices": [
                    {"id": "phone", "platform": "ios", "lang": "de"},
                    {"id": "tablet", "platform": "android", "lang": ""},
                ],
            },
            {
                "user": "usrA",
                "topic": "usrB",
                "silent": True,
                "unread": 0,
                "devices": [{"id": "hers", "platform": "", "lang": ""}],
            },
        ],
    }
    assert follow == {"kind": "follow", "channel": "chnX", "devices": ["phone"], "on": True}
    assert (in_channel["channel"], in_channel["silent"], in_channel["to"]) == ("chnX", False, [])


async def test_the_webhook_signs(service, client):
    hook = Webhook(client, service.url, "key", lambda: NOW)
    await hook.push([MESSAGE])
    await hook.push([MESSAGE])
    first, second = service.asked
    seconds = str(NOW // 1000)
    digest = hmac.new(b"key", seconds.encode() + b"." + first.body, hashlib.sha256).hexdigest()
    assert first.headers["x-tinode-signature"] == f"t={seconds},v1={digest}"
    assert first.headers["x-tinode-delivery"] == second.headers["x-tinode-delivery"]
    await Webhook(client, service.url, "", lambda: NOW).push([MESSAGE])
    assert "x-tinode-signature" not in service.asked[-1].headers


@pytest.mark.parametrize(
    ("answer", "gone"),
    [(b'{"gone": ["phone"]}', ["phone"]), (b"ok", []), (b'{"gone": 1}', []), (b"[]", [])],
)
async def test_the_webhook_may_name_devices_that_are_no_more(service, client, answer, gone):
    service.answers.append((200, answer))
    hook = Webhook(client, service.url, "", lambda: NOW)
    assert list(await hook.push([MESSAGE])) == gone


@pytest.mark.parametrize(
    ("code", "again"), [(500, True), (503, True), (429, True), (404, False), (302, False)]
)
async def test_what_is_not_taken_is_told_apart(service, client, code, again):
    service.answers.append((code, b"no"))
    with pytest.raises(PushError, match=str(code)) as caught:
        await Webhook(client, service.url, "", lambda: NOW).push([MESSAGE])
    assert caught.value.again is again


async def test_a_service_that_is_not_there(service, client):
    service.answers.append((0, b""))
    with pytest.raises(PushError) as caught:
        await Webhook(client, service.url, "", lambda: NOW).push([MESSAGE])
    assert caught.value.again


async def test_an_answer_without_end_is_not_read(service, client):
    service.answers.append((200, b"x" * 2_000_000))
    with pytest.raises(PushError, match="longer than"):
        await Webhook(client, service.url, "", lambda: NOW).push([MESSAGE])


# --- gateway -----------------------------------------------------------------------------


def gateway(service: Any, client: Client) -> Gateway:
    return Gateway(client, service.url, "myorg", "t0ken")


def messages(asked: Any) -> Any:
    return json.loads(gzip.decompress(asked.body))


async def test_the_gateway_gets_a_message_for_each_device(service, client):
    assert await gateway(service, client).push([MESSAGE]) == []
    (asked,) = service.asked
    assert asked.path == "/pushv1/myorg"
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert asked.headers["content-encoding"] == "gzip"
    phone, tablet, hers = messages(asked)
    assert [item["token"] for item in (phone, tablet, hers)] == ["phone", "tablet", "hers"]
    assert phone["data"] == {
        **MESSAGE.payload,
        "topic": "usrA",
        "silent": "false",
    }
    assert phone["android"] == {"priority": "HIGH"}
    assert phone["apns"]["headers"] == {
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-collapse-id": "usrA",
    }
    assert phone["apns"]["payload"]["aps"] == {
        "alert": {"title": "New message", "body": "hi"},
        "badge": 3,
        "content-available": 1,
        "mutable-content": 1,
        "sound": "default",
        "thread-id": "usrA",
    }
    assert (hers["data"]["topic"], hers["data"]["silent"]) == ("usrB", "true")
    assert hers["android"] == {"priority": "NORMAL"}
    assert hers["apns"] == {
        "headers": {
            "apns-push-type": "background",
            "apns-priority": "5",
            "apns-collapse-id": "usrB",
        },
        "payload": {"aps": {"content-available": 1, "badge": 0}},
    }


async def test_the_very_bytes_that_the_gateway_gets(service, client):
    push = Push({"what": "msg", "content": "ä"}, (Recipient("usrA", "grpX", True, 2, (PHONE,)),))
    await gateway(service, client).push([push, FOLLOW])
    pushed, followed = (gzip.decompress(asked.body).decode() for asked in service.asked)
    assert pushed == (
        '[{"token":"phone","data":{"what":"msg","content":"ä","topic":"grpX","silent":"true"},'
        '"android":{"priority":"NORMAL"},"apns":{"headers":{"apns-push-type":"background",'
        '"apns-priority":"5","apns-collapse-id":"grpX"},'
        '"payload":{"aps":{"content-available":1,"badge":2}}}}]'
    )
    assert followed == '{"channel":"chnX","devices":["phone"],"unsub":false}'
    headers = service.asked[0].headers
    assert headers["content-type"] == "application/json; charset=utf-8"


async def test_the_gateway_tells_a_channel(service, client):
    await gateway(service, client).push([IN_CHANNEL])
    (message,) = messages(service.asked[0])
    assert message["topic"] == "chnX"
    assert message["data"] == {
        "what": "msg",
        "content": "hi",
        "topic": "chnX",
        "silent": "false",
    }
    assert "badge" not in message["apns"]["payload"]["aps"]


async def test_the_gateway_follows_in_order(service, client):
    off = Follow("chnX", ("phone",), False)
    await gateway(service, client).push([FOLLOW, MESSAGE, off])
    assert [asked.path for asked in service.asked] == ["/sub/myorg", "/pushv1/myorg", "/sub/myorg"]
    assert messages(service.asked[0]) == {"channel": "chnX", "devices": ["phone"], "unsub": False}
    assert messages(service.asked[2])["unsub"] is True


async def test_the_gateway_takes_a_hundred_at_once(service, client):
    many = tuple(Device(f"d{n}", "usrB") for n in range(150))
    await gateway(service, client).push(
        [Push({"what": "msg"}, (Recipient("usrB", "t", True, 0, many),))]
    )
    assert [len(messages(asked)) for asked in service.asked] == [100, 50]


async def test_devices_that_are_not_registered_are_named(service, client):
    answer = {
        "sent_count": 1,
        "fail_count": 2,
        "resp": [
            {"msg_id": "1"},
            {"errcode": "registration-token-not-registered", "errmsg": "gone"},
            {"errcode": "internal", "errmsg": "?"},
        ],
    }
    service.answers.append((200, json.dumps(answer).encode()))
    assert await gateway(service, client).push([MESSAGE]) == ["tablet"]


@pytest.mark.parametrize("answer", [b"<html>", b'{"errcode": "bad-token"}', b'{"resp": 1}'])
async def test_an_answer_that_says_no(service, client, answer):
    service.answers.append((200, answer))
    with pytest.raises(PushError) as caught:
        await gateway(service, client).push([MESSAGE])
    assert not caught.value.again


async def test_the_styled_form_goes_where_it_would_be_too_much(service, client):
    payload = {"what": "msg", "content": "x" * 100, "rc": "y" * LARGEST}
    await gateway(service, client).push([Push(payload, (ANN,))])
    assert "rc" not in messages(service.asked[0])[0]["data"]


# --- the others --------------------------------------------------------------------------


async def test_lines_on_standard_output():
    stream = io.StringIO()
    await Stdout(stream).push([MESSAGE, FOLLOW])
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["payload"]["content"] == "hi"
    assert second["kind"] == "follow"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, []),
        ({"stdout": True}, ["stdout"]),
        ({"webhook": {"url": "https://x.example/y"}}, ["webhook"]),
        ({"gateway": {"org": "o", "token": "t"}, "stdout": True}, ["stdout", "gateway"]),
    ],
)
async def test_what_the_settings_ask_for(settings, names):
    async with pushers(Settings.of(push=settings).push, lambda: NOW) as found:
        assert [pusher.name for pusher in found] == names


@pytest.mark.parametrize("url", ["x.example", "ftp://x.example", "http://"])
async def test_an_address_that_cannot_be_used_is_named(url):
    settings = Settings.of(push={"webhook": {"url": url}}).push
    with pytest.raises(ConfigError, match=r"push\.webhook\.url"):
        async with pushers(settings, lambda: NOW):
            raise AssertionError
