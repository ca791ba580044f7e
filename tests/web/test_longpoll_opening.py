"""Who may open a session by a request: keys, origins, methods, and how many there may be."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.web.parts import KEY, Reader, request
from tests.web.polling import ASKED, FORM, LP, ask, ctrl, has_headers, opened
from tinode_py.testing import RunningServer, running_server

PARTS = {"Content-Type": "multipart/form-data; boundary=b"}
KEY_PART = (
    f'--b\r\nContent-Disposition: form-data; name="apikey"\r\n\r\n{KEY}\r\n--b--\r\n'.encode()
)


async def test_the_number_of_sessions_is_bounded(autojump_clock):
    async with running_server(web={"longpoll": {"sessions": 3}}) as server:
        first = await opened(server)
        for _ in range(2):
            await opened(server)
        answer = await ask(server, "POST", ASKED)
        assert (answer[0], ctrl(answer)["text"]) == (503, "service unavailable")
        assert has_headers(answer)
        assert server.server.polled.statistics().refused == 1
        assert (await first.post("1"))[0] == 200
        await trio.sleep(80)
        await opened(server)


async def test_the_number_of_sessions_from_an_address_is_bounded(autojump_clock):
    web = {"longpoll": {"per_address": 2}, "forwarded_for": True}
    async with running_server(web=web) as server:
        for address in ("192.0.2.1", "8.8.8.8", "9.9.9.9"):
            made = [
                (await ask(server, "POST", ASKED, {"X-Forwarded-For": address}))[0]
                for _ in range(3)
            ]
            # Addresses that nobody has on the Internet tell nothing.
            assert made == ([201, 201, 201] if address == "192.0.2.1" else [201, 201, 503])


async def test_no_sessions_at_all(autojump_clock):
    async with running_server(web={"longpoll": {"sessions": 0}}) as server:
        assert (await ask(server, "POST", ASKED))[0] == 503


OPENING: list[tuple[str, bytes, int]] = [
    ("no key", request("POST", LP), 403),
    ("no key, OPTIONS", request("OPTIONS", LP), 403),
    ("wrong key", request("POST", f"{LP}?apikey=bad"), 403),
    ("key cut short", request("POST", ASKED[:-4]), 403),
    ("name in capitals", request("POST", f"{LP}?APIKEY={KEY}"), 403),
    ("header", request("POST", LP, {"X-Tinode-APIKey": KEY}), 201),
    ("cookie", request("POST", LP, {"Cookie": f"a=b; apikey={KEY}"}), 201),
    ("form", request("POST", LP, FORM, body=f"apikey={KEY}&id=f".encode()), 201),
    ("form of parts", request("POST", LP, PARTS, body=KEY_PART), 201),
    ("form, GET", request("GET", LP, FORM, body=f"apikey={KEY}".encode()), 403),
    ("text", request("POST", LP, body=f"apikey={KEY}".encode()), 403),
    ("bad header, good query", request("POST", ASKED, {"X-Tinode-APIKey": "bad"}), 403),
    ("empty header, good query", request("POST", ASKED, {"X-Tinode-APIKey": ""}), 201),
    ("bad query, good cookie", request("POST", f"{LP}?apikey=x", {"Cookie": f"apikey={KEY}"}), 403),
    ("long form without a key", request("POST", LP, FORM, body=b"x" * 140_000), 403),
    ("long form with a key", request("POST", ASKED, FORM, body=b"x" * 140_000), 417),
    ("long id", request("POST", f"{ASKED}&id={'x' * 257}"), 400),
    ("DELETE", request("DELETE", ASKED), 405),
    ("HEAD", request("HEAD", ASKED), 405),
    ("PATCH", request("PATCH", ASKED), 405),
    ("a slash more", request("POST", f"{LP}/?apikey={KEY}"), 404),
]


@pytest.mark.parametrize(
    ("data", "expected"), [pytest.param(*row[1:], id=row[0]) for row in OPENING]
)
async def test_who_may_open_a_session(
    tinode_server: RunningServer, autojump_clock, data: bytes, expected: int
):
    async with tinode_server.stream() as stream:
        await stream.send_all(data)
        status, headers = await Reader(stream).head()
    assert status == expected
    assert tinode_server.server.polled.statistics().opened == (expected == 201)
    if data.startswith(b"GET /v0/channels/lp HTTP") or b"no key" in data:
        assert headers["content-type"] == "text/plain"


async def test_a_sid_elsewhere(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    asked: list[dict[str, Any]] = [
        {"headers": {"Cookie": f"sid={poller.sid}"}},
        {"body": f"sid={poller.sid}".encode()},
    ]
    for more in asked:  # not seen: another session
        answer = await ask(tinode_server, "POST", ASKED, **more)
        assert ctrl(answer)["params"]["sid"] != poller.sid
    form = f"sid={poller.sid}".encode()  # seen, but then it is no packet
    assert (await ask(tinode_server, "POST", ASKED, FORM, body=form))[0] == 200
    assert ctrl(await poller.poll())["code"] == 400


async def test_a_page_may_ask_before_it_sends(tinode_server: RunningServer, autojump_clock):
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    status, told, body = await ask(tinode_server, "OPTIONS", ASKED, headers)
    assert (status, body) == (204, b"")
    assert told["access-control-allow-origin"] == "*"
    assert "POST" in told["access-control-allow-methods"]
    assert "content-type" in told["access-control-allow-headers"]
    assert tinode_server.server.polled.statistics().opened == 0


async def test_listed_origins_alone_may_open_sessions(autojump_clock):
    async with running_server(web={"origins": ["https://chat.example"]}) as server:
        status, headers, _ = await ask(server, "POST", ASKED, {"Origin": "https://chat.example"})
        assert (status, headers["access-control-allow-origin"]) == (201, "https://chat.example")
        status, headers, _ = await ask(server, "POST", ASKED, {"Origin": "https://evil.example"})
        assert (status, headers.get("access-control-allow-origin")) == (403, None)
        assert "Origin" in headers["vary"]
        assert (await ask(server, "POST", ASKED))[0] == 201


async def test_http_1_0(tinode_server: RunningServer, autojump_clock):
    status, headers, _ = await ask(tinode_server, "POST", ASKED, version="1.0")
    assert (status, headers[":version"]) == (201, "HTTP/1.0")
    assert headers["pragma"] == "no-cache"
    assert "cache-control" not in headers
