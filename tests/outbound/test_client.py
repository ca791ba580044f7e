"""One request to a service outside, against real ones on a port."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from tests.ports import on_a_port
from tests.push.service import serving
from tinode_py.outbound.address import address_of
from tinode_py.outbound.base import NotReached, TooLate, TooLong
from tinode_py.outbound.client import Client


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(30, 2) as found:
        yield found


@contextlib.asynccontextmanager
async def deaf() -> AsyncIterator[tuple[str, trio.Event]]:
    """A service that reads no bodies; the event is that of a request which has begun."""
    begun = trio.Event()

    async def rest(stream: trio.SocketStream) -> None:
        await stream.receive_some(10)
        begun.set()
        await trio.sleep_forever()

    async with on_a_port(rest) as url:
        yield url, begun


async def test_the_body_of_an_error_is_read_if_it_is_asked_for(client: Client):
    async with serving() as service:
        service.answers = [(503, b"ill"), (503, b"ill")]
        short = await client.post(service.url, b"{}", {}, within=30, longest=10)
        whole = await client.post(service.url, b"{}", {}, within=30, longest=10, errors_too=True)
    assert (short.status, short.body, short.is_good) == (503, b"", False)
    assert (whole.status, whole.body) == (503, b"ill")
    assert [asked.body for asked in service.asked] == [b"{}", b"{}"]


async def test_an_answer_is_read_up_to_its_bound(client: Client):
    async with serving() as service:
        service.answers = [(200, b"0123456789"), (200, b"0123456789a")]
        assert (await client.post(service.url, b"", {}, within=30, longest=10)).is_good
        with pytest.raises(TooLong, match="longer than 10 bytes"):
            await client.post(service.url, b"", {}, within=30, longest=10)


async def test_a_body_that_nobody_reads_is_given_up_without_a_trace(client: Client):
    """What httpx makes of bytes is a generator: left half-way, it is a ResourceWarning."""
    body = b"x" * 20_000_000  # no socket takes so much at once
    async with deaf() as (url, begun), trio.open_nursery() as nursery:

        async def ask() -> None:
            await client.post(url, body, {}, within=60, longest=10)

        nursery.start_soon(ask)
        await begun.wait()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    gc.collect()
    await trio.lowlevel.checkpoint()


async def test_a_service_that_says_nothing(client: Client):
    async with deaf() as (url, _):
        with pytest.raises(TooLate, match=r"no answer in 0\.05 seconds"):
            await client.post(url, b"{}", {}, within=0.05, longest=10)


async def test_nobody_there_and_no_address(client: Client):
    for url in ("http://127.0.0.1:1/", "http://[::1/", "ftp://127.0.0.1/", "http://\x00/"):
        with pytest.raises(NotReached) as caught:
            await client.post(url, b"", {}, within=30, longest=10)
        assert "127.0.0.1" not in caught.value.brief


@pytest.mark.parametrize("url", ["", "/path", "ftp://host/", "http://", "http://[::1/", "x" * 99])
def test_what_is_no_address(url: str):
    with pytest.raises(ValueError, match=r"\w"):
        address_of(url)


def test_a_server_starts_without_httpx():
    """It would be a fifth of the time until a server serves, for what most never do."""
    script = "import sys, tinode_cli, tinode_py.server; print('httpx' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert found.stdout == b"False\n"
