from __future__ import annotations

import json

import pytest

from tests.web.parts import (
    KEY,
    WS,
    NewWorld,
    Reader,
    ask,
    handshake,
    request,
)
from tinode_py.web.front import forwarded_address
from tinode_py.web.pages import Pages

JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"
NOT_FOUND = {"ctrl": {"code": 404, "text": "not found", "ts": "2020-09-13T12:26:40.020Z"}}
HEADER = {"X-Tinode-APIKey": KEY}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize(
    "path",
    ["/", "/nosuch", "/v0/channels/", "/V0/channels", "/?x=1", "/a%00b", "/v0%2fchannels", "*"],
)
async def test_an_unknown_path_is_a_404_in_json(
    serving: NewWorld, autojump_clock, method: str, path: str
):
    async with serving() as world:
        status, headers, body = await ask(world, request(method, path))
        assert status == 404
        assert headers["content-type"] == JSON
        assert json.loads(body) == NOT_FOUND
        assert body.endswith(b"}\n")


async def test_head_has_no_body(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(request("HEAD", "/nosuch") + request("GET", "/nosuch"))
        reader = Reader(client)
        assert (await reader.head())[0] == 404
        assert (await reader.answer())[0] == 404


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PART = (
    b'--b\r\nContent-Disposition: form-data; name="apikey"\r\n\r\n'
    + KEY.encode()
    + b"\r\n--b--\r\n"
)
ASKED = f"{WS}?apikey={KEY}"
ENDPOINT: list[tuple[str, bytes, int, str]] = [
    ("no key", request(target=WS), 403, TEXT),
    ("no key, POST", request("POST", WS), 403, TEXT),
    ("no key, OPTIONS", request("OPTIONS", WS), 403, TEXT),
    ("no key, upgrade", handshake(target=WS), 403, TEXT),
    ("bad key, upgrade", handshake(target=f"{WS}?apikey=bad"), 403, TEXT),
    ("empty key, upgrade", handshake(target=f"{WS}?apikey="), 403, TEXT),
    ("bad header, good query", handshake({"X-Tinode-APIKey": "bad"}), 403, TEXT),
    ("POST", request("POST"), 405, TEXT),
    ("HEAD", request("HEAD"), 405, TEXT),
    ("OPTIONS", request("OPTIONS"), 405, TEXT),
    ("PUT, upgrade", handshake(method="PUT"), 405, TEXT),
    ("POST, key in form", request("POST", WS, FORM, body=f"apikey={KEY}".encode()), 405, TEXT),
    ("POST, key in parts", request("POST", WS, MULTIPART, body=PART), 405, TEXT),
    ("POST, bad parts", request("POST", WS, MULTIPART, body=b"--b\r\nrubbish"), 403, TEXT),
    ("POST, key in text", request("POST", WS, body=f"apikey={KEY}".encode()), 403, TEXT),
    ("no upgrade", request(), 400, TEXT),
    ("no token", handshake({"Connection": "keep-alive"}), 400, TEXT),
    ("h2c", handshake({"Upgrade": "h2c"}), 400, TEXT),
    ("version 8", handshake({"Sec-WebSocket-Version": "8"}), 400, TEXT),
    ("empty nonce", handshake({"Sec-WebSocket-Key": ""}), 400, TEXT),
    ("short nonce", handshake({"Sec-WebSocket-Key": "short"}), 400, TEXT),
    ("HTTP/1.0 upgrade", handshake(version="1.0"), 400, TEXT),
    ("good", handshake(), 101, ""),
    ("key in header", handshake(HEADER, target=WS), 101, ""),
    ("key in cookie", handshake({"Cookie": f"apikey={KEY}"}, target=WS), 101, ""),
    ("any origin", handshake({"Origin": "http://elsewhere.example"}), 101, ""),
    ("subprotocol", handshake({"Sec-WebSocket-Protocol": "chat"}), 101, ""),
    ("list", handshake({"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}), 101, ""),
    ("odd host", handshake({"Host": "xn--\xff.example"}), 400, TEXT),
    ("absolute", handshake(target=f"http://example{ASKED}"), 101, ""),
]


@pytest.mark.parametrize(
    ("data", "expected", "kind"),
    [pytest.param(*row[1:], id=row[0]) for row in ENDPOINT],
)
async def test_the_websocket_endpoint_as_http(
    serving: NewWorld, autojump_clock, data: bytes, expected: int, kind: str
):
    async with serving() as world:
        client = world.connect()
        await client.send_all(data)
        status, headers = await Reader(client).head()
        assert status == expected
        assert headers.get("content-type", "") == kind
        if status == 101:
            assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert "sec-websocket-protocol" not in headers
        if status == 400 and kind == TEXT and b"Host: xn" not in data:
            assert headers["sec-websocket-version"] == "13"


async def test_the_refusals_are_packets(serving: NewWorld, autojump_clock):
    async with serving() as world:
        for data, said in [
            (request(target=WS), "valid API key required"),
            (request("POST"), "operation or method not allowed"),
        ]:
            body = (await ask(world, data))[2]
            assert json.loads(body)["ctrl"]["text"] == said


async def test_listed_origins_alone_may_connect(serving: NewWorld, autojump_clock):
    async with serving(web={"origins": ["https://chat.example"]}) as world:
        for origin, expected in [
            ({"Origin": "https://chat.example"}, 101),
            ({"Origin": "https://CHAT.example"}, 101),
            ({"Origin": "https://chat.example.evil"}, 403),
            ({"Origin": "null"}, 403),
            ({}, 101),
        ]:
            assert (await ask(world, handshake(origin)))[0] == expected


HOST = b"Host: x\r\n"
RAW: list[tuple[str, bytes, int]] = [
    ("no host", b"GET /nosuch HTTP/1.1\r\n\r\n", 400),
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01" + bytes(50) + b"\r\n\r\n", 400),
    ("no colon", b"GET /nosuch HTTP/1.1\r\n" + HOST + b"rubbish\r\n\r\n", 400),
    (
        "two lengths",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        400,
    ),
    ("negative", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    ("30,000", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 30_000 + b"\r\n\r\n", 431),
    ("endless", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 30_000, 431),
    ("12,000", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 12_000 + b"\r\n\r\n", 404),
    ("long path", b"GET /" + b"x" * 12_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("small letters", b"GET /nosuch HTTP/1.1\r\nhost:x\r\n\r\n", 404),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("bad address", b"GET http://[x/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("connect", b"CONNECT example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
]


@pytest.mark.parametrize(("data", "expected"), [pytest.param(*row[1:], id=row[0]) for row in RAW])
@pytest.mark.parametrize("second", [False, True], ids=["first", "on a kept connection"])
async def test_heads(serving: NewWorld, autojump_clock, data: bytes, expected: int, second: bool):
    async with serving() as world:
        client = world.connect()
        reader = Reader(client)
        if second:
            await client.send_all(request(target="/nosuch"))
            await reader.answer()
        await client.send_all(data)
        status, headers, _ = await reader.answer()
        assert status == expected
        if status != 404:
            assert headers["connection"] == "close"
            assert await reader.ended()


async def test_http_1_0_is_answered_so_and_closed(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(b"GET /nosuch HTTP/1.0\r\n\r\n")
        reader = Reader(client)
        status, headers, _ = await reader.answer()
        assert (status, headers[":version"]) == (404, "HTTP/1.0")
        assert await reader.ended()


async def test_connection_close_is_kept(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(request(target="/nosuch", headers={"Connection": "close"}))
        reader = Reader(client)
        assert (await reader.answer())[0] == 404
        assert await reader.ended()


async def test_pipelined_requests_are_answered_in_order(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(
            request(target="/nosuch")
            + request("POST", "/nosuch", body=b"x" * 70_000)
            + request(target=WS)
            + request("POST", WS, FORM, body=f"apikey={KEY}".encode())
            + request(target="/health/live")
        )
        reader = Reader(client)
        assert [(await reader.answer())[0] for _ in range(5)] == [404, 404, 403, 405, 200]


async def test_chunked_bodies_end_where_they_say(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        chunked = {"Transfer-Encoding": "chunked"}
        for byte in request("POST", "/nosuch", chunked) + b"3\r\nabc\r\n0\r\n\r\n":
            await client.send_all(bytes([byte]))
        await client.send_all(request(target="/health/live"))
        reader = Reader(client)
        assert [(await reader.answer())[0] for _ in range(2)] == [404, 200]


async def test_a_bad_chunk_is_a_400(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        chunked = {"Transfer-Encoding": "chunked", **FORM}
        await client.send_all(request("POST", WS, chunked) + b"zz\r\n")
        reader = Reader(client)
        assert (await reader.answer())[0] in (400, 403)
        assert await reader.ended()


async def test_h2c_is_not_spoken(serving: NewWorld, autojump_clock):
    async with serving() as world:
        h2c = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAM"}
        assert (await ask(world, request(target="/nosuch", headers=h2c)))[0] == 404


async def test_a_websocket_elsewhere_is_a_404(serving: NewWorld, autojump_clock):
    async with serving() as world:
        assert (await ask(world, handshake(target=f"/elsewhere?apikey={KEY}")))[0] == 404


async def test_go_ahead_comes_only_if_the_body_is_wanted(serving: NewWorld, autojump_clock):
    async with serving() as world:
        expect = {"Expect": "100-continue", "Content-Length": str(len(KEY) + 7), **FORM}
        client = world.connect()
        await client.send_all(request("POST", WS, expect))
        reader = Reader(client)
        assert (await reader.head())[0] == 100
        await client.send_all(f"apikey={KEY}".encode())
        assert (await reader.answer())[0] == 405
        assert (await ask(world, request("POST", "/nosuch", expect)))[0] == 404


async def test_health(serving: NewWorld, autojump_clock):
    async with serving() as world:
        for path in ("/health/live", "/health/ready"):
            status, headers, body = await ask(world, request(target=path))
            assert (status, headers["content-type"]) == (200, JSON)
            assert json.loads(body)["ctrl"]["code"] == 200
        assert (await ask(world, request("POST", "/health/live")))[0] == 405


async def test_static_pages(serving: NewWorld, tmp_path):
    (tmp_path / "index.html").write_text("<p>hello")
    (tmp_path / "app.js").write_text("0123456789")
    (tmp_path.parent / "secret").write_text("secret")
    async with serving(pages=Pages(str(tmp_path))) as world:
        for target, expected, kind, content in [
            ("/", 200, "text/html; charset=utf-8", b"<p>hello"),
            ("/app.js", 200, "text/javascript; charset=utf-8", b"0123456789"),
            ("/nosuch", 404, JSON, None),
            ("/../secret", 404, JSON, None),
            ("/%2e%2e/secret", 404, JSON, None),
        ]:
            status, headers, body = await ask(world, request(target=target))
            assert (status, headers["content-type"]) == (expected, kind)
            assert content is None or body == content
        status, headers, body = await ask(
            world, request(target="/app.js", headers={"Range": "bytes=2-4"})
        )
        assert (status, body, headers["content-range"]) == (206, b"234", "bytes 2-4/10")
        assert (await ask(world, request(target=WS)))[0] == 403


@pytest.mark.parametrize(
    ("name", "kind", "caching"),
    [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("version.js", "text/javascript; charset=utf-8", "no-cache"),
        ("style.css", "text/css; charset=utf-8", "no-cache"),
        ("ring.m4a", "audio/mp4", "must-revalidate, public, max-age=39600"),
        ("logo.svg", "image/svg+xml", "must-revalidate, public, max-age=39600"),
    ],
)
async def test_what_a_browser_may_keep_of_a_page(serving: NewWorld, tmp_path, name, kind, caching):
    (tmp_path / name).write_text("0123456789")
    async with serving(pages=Pages(str(tmp_path))) as world:
        status, headers, _ = await ask(world, request(target=f"/{name}"))
        assert (status, headers["content-type"], headers["cache-control"]) == (200, kind, caching)
        known = {"If-None-Match": headers["etag"]}
        status, headers, body = await ask(world, request(target=f"/{name}", headers=known))
        assert (status, body, headers["cache-control"]) == (304, b"", caching)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("1.1.1.1, 8.8.8.8", "8.8.8.8"),
        ("8.8.8.8, 10.0.0.1, 192.168.1.1", "8.8.8.8"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("10.0.0.1", ""),
        ("8.8.8.8, rubbish", ""),
        ("", ""),
    ],
)
def test_the_nearest_public_address_counts(value: str, address: str):
    assert forwarded_address(value) == address
