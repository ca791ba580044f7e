"""One signed request: what is sent, and all the ways it can fail."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
import trio

from tests.ports import on_a_port
from tests.push.service import Service, serving
from tinode_py.hooks.address import networks
from tinode_py.hooks.post import LONGEST_ANSWER, HookError, Poster, new_client

LOCAL = networks(["127.0.0.0/8", "::1/128"])


@contextlib.asynccontextmanager
async def posting(
    url: str, *, allowed=LOCAL, secret: str = "s3", timeout: float = 5
) -> AsyncIterator[Poster]:
    async with new_client(allowed, timeout, 1) as client:
        yield Poster(client, url, secret, timeout, lambda: 1_700_000_000_999)


async def failure(poster: Poster) -> str:
    with pytest.raises(HookError) as caught:
        await poster.post(b"{}", {})
    return str(caught.value)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as found:
        yield found


async def test_what_is_sent(service: Service):
    service.answers = [(200, b'{"fine": 1}')]
    async with posting(service.url + "/in?a=b") as poster:
        assert await poster.post(b'{"a":1}', {"x-tinode-delivery": "1:2"}) == b'{"fine": 1}'
        assert await poster.post(b"{}", {}) == b""
    first, second = service.asked
    assert (first.path, first.body) == ("/in?a=b", b'{"a":1}')
    assert first.headers["content-type"] == "application/json"
    assert first.headers["x-tinode-delivery"] == "1:2"
    assert first.headers["host"] == service.url.removeprefix("http://")
    made = hmac.new(b"s3", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert first.headers["x-tinode-signature"] == f"t=1700000000,v1={made}"
    assert second.headers["x-tinode-signature"] != first.headers["x-tinode-signature"]


async def test_without_a_secret_nothing_is_signed(service: Service):
    async with posting(service.url, secret="") as poster:
        await poster.post(b"{}", {})
    assert "x-tinode-signature" not in service.asked[0].headers


async def test_a_name_is_asked_under_its_name(service: Service):
    port = service.url.rpartition(":")[2]
    async with posting(f"http://localhost:{port}/") as poster:
        await poster.post(b"{}", {})
    assert service.asked[0].headers["host"] == f"localhost:{port}"


async def test_private_addresses_are_not_reached(service: Service):
    port = service.url.rpartition(":")[2]
    for url in (service.url, f"http://localhost:{port}/", f"http://[::ffff:127.0.0.1]:{port}/"):
        async with posting(url, allowed=()) as poster:
            assert "private address" in await failure(poster)
    assert service.asked == []


async def test_redirects_are_not_followed(service: Service):
    service.answers = [(307, b""), (302, b"")]
    async with posting(service.url) as poster:
        assert "307: redirects are not followed" in await failure(poster)
        assert "302" in await failure(poster)
    assert len(service.asked) == 2


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_other_answers_are_failures(service: Service, status: int):
    service.answers = [(status, b"no")]
    async with posting(service.url) as poster:
        with pytest.raises(HookError, match=f"answered {status}") as caught:
            await poster.post(b"{}", {})
    assert caught.value.status == status


async def test_nobody_there(service: Service):
    async with posting("http://127.0.0.1:1/") as poster:
        assert "ConnectError" in await failure(poster)
    async with posting("http://no-such-host.invalid/") as poster:
        assert "no-such-host.invalid" in await failure(poster)


async def test_a_connection_that_breaks(service: Service):
    service.answers = [(0, b"")]
    async with posting(service.url) as poster:
        assert "RemoteProtocolError" in await failure(poster)
        assert await poster.post(b"{}", {}) == b""  # the next one gets a new connection


async def test_an_answer_without_end(service: Service):
    service.answers = [(200, b"x" * (LONGEST_ANSWER + 1))]
    async with posting(service.url) as poster:
        assert "longer than" in await failure(poster)


@pytest.mark.parametrize("piece", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"])
async def test_who_hangs_is_left(piece: bytes):
    """Before the head, and in the body: drop by drop does not help."""

    async def hang(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.receive_some()
            await stream.send_all(piece)
            while piece:
                await trio.sleep(0.05)
                await stream.send_all(b"x")
            await trio.sleep_forever()

    async with on_a_port(hang) as url, posting(url, timeout=0.3) as poster:
        assert await failure(poster) == "no answer in 0.3 seconds"


async def test_no_proxy_of_the_environment_is_used(service: Service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with posting(service.url) as poster:
        assert await poster.post(b"{}", {}) == b""
