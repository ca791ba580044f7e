"""Servers that stall, break off and lie; calls that are cancelled. Over real sockets."""

from __future__ import annotations

import contextlib
import functools
import gc
import gzip
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from tests.backend.liars import STREAM, Answer, lying, says, stall, whole
from tests.backend.twins import KINDS, twin
from tests.ports import on_a_port
from tinode_py.backend import (
    Backend,
    BackendError,
    BlockingBackend,
    MemoryPositions,
    Nonsense,
    Problem,
    Unreachable,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TEAPOT = whole(b"<h1>no</h1>", "418 Tea", "text/html")
SHORT = {"timeout": 0.3, "patience": 0.0}


async def dribbling(stream: trio.SocketStream, head: bytes) -> None:
    await stream.send_all(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        await stream.send_all(b" ")
        await trio.sleep(0.02)


async def flooding(stream: trio.SocketStream, head: bytes) -> None:
    await stream.send_all(CHUNKED)
    while True:
        await stream.send_all(b"10000\r\n" + b" " * 65536 + b"\r\n")


ZIPPED = gzip.compress(b" " * 1_000_000)
LIES: dict[str, tuple[Answer, type[BackendError], str]] = {
    "silence": (says(b"", stalls=True), Unreachable, "no answer|says nothing"),
    "closes": (says(b""), Unreachable, "lost"),
    "half a head": (says(HEAD), Unreachable, "lost"),
    "stalls in the head": (says(HEAD, stalls=True), Unreachable, "no answer|nothing"),
    "no body": (says(HEAD + b"Content-Length: 50\r\n\r\n"), Unreachable, "lost"),
    "half a body": (says(HEAD + b'Content-Length: 50\r\n\r\n{"b'), Unreachable, "lost"),
    "stalls in the body": (
        says(HEAD + b"Content-Length: 50\r\n\r\n{", stalls=True),
        Unreachable,
        "no answer|nothing",
    ),
    "broken chunks": (
        says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
        Unreachable,
        "lost",
    ),
    "drop by drop": (dribbling, Unreachable, "no answer"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH\r\n\r\n"), Unreachable, "lost"),
    "an endless head": (says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000), Unreachable, "lost"),
    "a flood": (flooding, Nonsense, "more than 100000 bytes"),
    "zipped": (
        says(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED),
        Nonsense,
        "'gzip', which was not asked for",
    ),
    "no JSON": (says(whole(b"<html>")), Nonsense, "no ServerState"),
    "a page": (says(whole(b"<html>", kind="text/html")), Nonsense, "is not JSON"),
    "another shape": (says(whole(b'{"build": 5}')), Nonsense, r"Expected `str`.*\$.build"),
    "a redirect": (
        says(whole(b"", "302 Found\r\nLocation: http://127.0.0.1:1/")),
        Nonsense,
        "302, a redirect: not followed",
    ),
    "a refusal that is a page": (
        says(whole(b"<h1>no</h1>", "418 Tea", "text/html")),
        Problem,
        "<h1>",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_lies(kind: str):
    for name, (answer, error, text) in LIES.items():
        async with lying(answer) as liar:
            async with twin(kind, liar.url, "key", answer_size=100_000, **SHORT) as api:
                with pytest.raises(error, match=re.compile(text)) as failed, trio.fail_after(30):
                    await api("read_server")
                assert not isinstance(failed.value, Problem) or error is Problem, name
            await liar.wait_empty()
            assert len(liar.heads) == 1, name
            assert b"authorization: bearer key" in liar.heads[0].lower()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_comes_back_is_asked_again(kind: str):
    good = whole(b'{"results": [], "scheduled": ""}')
    answers = [says(b""), says(whole(b"", "503 No\r\nRetry-After: 0", "")), says(good)]

    async def answer(stream: trio.SocketStream, head: bytes) -> None:
        await answers.pop(0)(stream, head)

    async with lying(answer) as liar, twin(kind, liar.url, "key") as api:
        assert (await api("send_message", "hi", user="ext:1")).results == ()
        assert len(liar.heads) == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_there(kind: str):
    async with lying(says(b"")) as liar:
        url = liar.url
    async with twin(kind, url, "key", patience=0.0) as api:
        with pytest.raises(Unreachable, match="no connection") as failed:
            await api("create_user")
        assert not failed.value.maybe_done


# --- streams ------------------------------------------------------------------------------

EVENT = b'id: 1\nevent: a\ndata: {"id": 1, "kind": "a"}\n\n'
BEATS = STREAM + b"retry: 1000\n\n" + EVENT


@pytest.mark.parametrize("kind", KINDS)
async def test_streams_that_lie_are_opened_again(kind: str):
    """An event comes at last, though seven streams were none, or broke."""
    answers = [
        says(b""),
        says(STREAM, stalls=True),
        says(STREAM + b"a" * 9_000_000, stalls=True),
        says(STREAM + b"data: [\n\n", stalls=True),
        says(STREAM + EVENT[:20]),
        says(whole(b"{}", "503 No", "application/problem+json")),
        says(b"HTTP/1.1 200 OK\r\n", stalls=True),
        says(BEATS, stalls=True),
    ]

    async def answer(stream: trio.SocketStream, head: bytes) -> None:
        await answers.pop(0)(stream, head)

    async with lying(answer) as liar:
        quick = {"timeout": 0.2, "chance": lambda: 0.0}
        async with twin(kind, liar.url, "key", **quick) as api:
            stream = api.events(after=0, silence=0.2)
            shorten(stream.stream)
            with trio.fail_after(60):
                assert (await stream.next()).id == 1
            await stream.close()
        await liar.wait_empty()
    assert len(liar.heads) == 8


def shorten(stream: Any) -> None:
    """Wait less between two tries: the rules for it are tested without a network."""
    stream._reading.follower.backoff.most = 0.01


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(whole(b'{"detail": "ended"}', "401 No", "application/problem+json")), Problem),
        (says(whole(b"<html>", kind="text/html")), Nonsense),
        (says(whole(b"", "301 Moved\r\nLocation: /")), Nonsense),
        (says(STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")), Nonsense),
    ],
    ids=["refusal", "page", "redirect", "zipped"],
)
async def test_what_will_not_pass_ends_the_iteration(answer: Answer, error: type[Exception]):
    async with lying(answer) as liar:
        for kind in KINDS:
            async with twin(kind, liar.url, "key") as api:
                stream = api.events(after=0)
                with pytest.raises(error):
                    await stream.next()
                assert stream.stream.ended
        assert len(liar.heads) == 2


# --- cancelling ---------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def in_the_middle(backend: Backend) -> None:
    await backend.read_server()


async def in_a_stream(backend: Backend) -> None:
    async for _ in backend.events(after=0):
        pass


async def in_a_block(backend: Backend) -> None:
    async with backend.events(after=0) as events:
        async for _ in events:
            pass


async def after_a_break(backend: Backend) -> None:
    async for _ in backend.events(after=0):
        break
    await trio.sleep_forever()


@pytest.mark.parametrize("work", [in_the_middle, in_a_stream, in_a_block, after_a_break])
async def test_cancelling_leaks_nothing(work: Callable[[Backend], Awaitable[None]]):
    """Neither connections, nor tasks, nor descriptors; warnings of leaks are errors here."""

    async def answer(stream: trio.SocketStream, head: bytes) -> None:
        await stream.send_all(BEATS if b"/events" in head else HEAD)
        await stall(stream)

    async with lying(answer) as liar:
        for turn in range(12):
            async with Backend(liar.url, "key") as backend:
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(work, backend)
                        while len(liar.heads) <= turn:  # noqa: ASYNC110
                            await trio.sleep(0.001)
                        await trio.sleep(0.001 * turn)  # here and there in what follows
                        scope.cancel()
            await liar.wait_empty()
            if turn == 1:
                before = descriptors()
        assert descriptors() <= before


async def test_a_stream_that_was_cancelled_goes_on():
    positions = MemoryPositions()

    async def answer(stream: trio.SocketStream, head: bytes) -> None:
        after = int(head.partition(b"after=")[2].split()[0])
        text = b'data: {"id": %d, "kind": "a"}\n\n' % (after + 1)
        await stream.send_all(STREAM + text)
        await stall(stream)

    async with lying(answer) as liar, Backend(liar.url, "key") as backend:
        events = backend.events(after=0, positions=positions)
        for number in range(1, 4):
            assert (await anext(events)).id == number
            with trio.move_on_after(0.05):
                await anext(events)
                pytest.fail("there is no more on this stream")
            assert await positions.load("backend") == {"events": number}


async def test_what_fails_in_the_block_comes_again():
    class Failed(Exception):
        pass

    positions = MemoryPositions()
    two = STREAM + EVENT + EVENT.replace(b"1", b"2")
    async with lying(says(two, stalls=True)) as liar:
        with contextlib.suppress(Failed):
            async with Backend(liar.url, "key") as backend:
                async for event in backend.events(after=0, positions=positions):
                    if event.id == 2:
                        raise Failed
        assert positions.read("backend") == {"events": 1}
        async with Backend(liar.url, "key") as backend:
            async for event in backend.events(positions=positions):
                assert event.id == 2
                break
        assert b"after=1" in liar.heads[1]
        assert positions.read("backend") == {"events": 2}


# --- what was given wrongly -----------------------------------------------------------------

BAD_URLS = ["", "localhost:6060", "ftp://host", "http://", "ws://host", "http://host/?a=b"]


@pytest.mark.parametrize("client", [Backend, BlockingBackend])
def test_bad_arguments_are_named_at_once(client: Any):
    for url in BAD_URLS:
        with pytest.raises(ValueError, match="no address of a server"):
            client(url, "key")
    for key in ("", "a key", "kéy", "key\r\nx: y"):
        with pytest.raises(ValueError, match="the key"):
            client("http://127.0.0.1:1", key)


async def test_the_environments_proxy_does_not_get_the_key(monkeypatch: pytest.MonkeyPatch):
    async with lying(says(whole(b""))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for kind in KINDS:
            async with twin(kind, "http://tinode.invalid", "key", **SHORT) as api:
                with pytest.raises(Unreachable):
                    await api("read_server")
        assert proxy.heads == []


async def test_a_call_that_is_cancelled_while_its_body_is_sent_leaves_nothing_behind() -> None:
    begun = trio.Event()

    async def deaf(stream: trio.SocketStream) -> None:
        await stream.receive_some(10)
        begun.set()
        await trio.sleep_forever()

    async with on_a_port(deaf) as url:
        async with Backend(url, "key") as backend, trio.open_nursery() as calls:
            large: Any = {"from_": "usrA", "topic": "grpA", "content": "x" * 20_000_000}
            calls.start_soon(functools.partial(backend.send_message, **large))
            await begun.wait()
            await trio.testing.wait_all_tasks_blocked()
            calls.cancel_scope.cancel()
        gc.collect()  # a generator that was left half-way would be warned of
