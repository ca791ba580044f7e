"""What one worker asks another: figures, whose session it is, and requests of those that poll."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tinode_py.web.head import RequestHead
from tinode_py.web.neighbours import Away, Neighbours, summed
from tinode_py.web.worker_metrics import merged, registry_of_all
from tinode_py.worker import Worker


def neighbours(folder: Path, number: int = 1, count: int = 2) -> Neighbours:
    return Neighbours(Worker(number, count, str(folder), 0, ()))


HEAD = RequestHead(
    "POST",
    "/v0/channels/lp?sid=x",
    (
        (b"host", b"chat.example"),
        (b"connection", b"keep-alive"),
        (b"accept-encoding", b"gzip"),
        (b"content-length", b"5"),
        (b"x-tinode-apikey", b"key"),
    ),
    "1.1",
)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@asynccontextmanager
async def door(folder: Path, answer: bytes, *, stays: bool = False) -> AsyncIterator[list[bytes]]:
    """The door of worker 2, which says one thing to everybody; what it has heard."""
    heard: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        heard.append(bytes(await stream.receive_some()))
        await stream.send_all(answer)
        if stays:
            heard.append(bytes(await stream.receive_some()))

    sock = trio.socket.socket(trio.socket.AF_UNIX)
    await sock.bind(str(folder / "door-2"))
    sock.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(sock)])
        yield heard
        nursery.cancel_scope.cancel()


async def test_a_request_is_handed_on_as_it_came(tmp_path: Path) -> None:
    async with door(tmp_path, OK) as heard:
        answer = await neighbours(tmp_path).hand_on(2, HEAD, b"hello", 5)
    assert (answer.status, answer.body) == (200, b"hi")
    (text,) = heard
    head, _, body = text.partition(b"\r\n\r\n")
    assert body == b"hello"
    assert head.startswith(b"POST /v0/channels/lp?sid=x HTTP/1.1\r\n")
    assert b"x-tinode-apikey: key" in head
    assert b"gzip" not in head
    assert b"chat.example" not in head
    assert head.count(b"connection:") == head.count(b"content-length:") == 1


async def test_whatever_a_client_says_for_a_session_is_asked_as_one(tmp_path: Path) -> None:
    async with door(tmp_path, OK) as heard:
        assert await neighbours(tmp_path).user_of(2, "1.2.a b/../?\r\nx: y\ud800ä") == "hi"
    told = b"GET /session/1.2.a%20b%2F..%2F%3F%0D%0Ax%3A%20y%3F%C3%A4 HTTP/1.1\r\n"
    assert heard[0].startswith(told)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 10,
    ],
)
async def test_an_answer_that_is_none(tmp_path: Path, answer: bytes) -> None:
    async with door(tmp_path, answer):
        with pytest.raises(Away):
            await neighbours(tmp_path).hand_on(2, HEAD, b"", 5)


async def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(Away):
        await neighbours(tmp_path).hand_on(2, HEAD, b"", 5)
    assert await neighbours(tmp_path).user_of(2, "x") is None


async def test_an_answer_that_is_too_long(tmp_path: Path) -> None:
    async with door(tmp_path, OK):
        with pytest.raises(Away):
            await attrs.evolve(neighbours(tmp_path), longest=1).hand_on(2, HEAD, b"", 5)


async def test_a_worker_that_is_stuck(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    sock = trio.socket.socket(trio.socket.AF_UNIX)
    await sock.bind(str(tmp_path / "door-2"))
    sock.listen()
    began = trio.current_time()
    with pytest.raises(Away):
        await neighbours(tmp_path).hand_on(2, HEAD, b"", 25)
    assert trio.current_time() - began == 25
    assert await neighbours(tmp_path).user_of(2, "x") is None
    asked = neighbours(tmp_path)
    assert await asked.of_all(lambda number: asked.figures(number, "/statistics")) == {}
    sock.close()


async def test_who_asked_leaves_and_the_other_side_sees_it(tmp_path: Path) -> None:
    async with door(tmp_path, b"HTTP/1.1 200 OK\r\n", stays=True) as heard:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(neighbours(tmp_path).hand_on, 2, HEAD, b"", 50)
                await until(lambda: len(heard) == 1)
                scope.cancel()
        await until(lambda: len(heard) == 2)
    assert heard[1] == b""


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)


def test_figures_of_several_are_sums() -> None:
    one = {"hub": {"topics": 1, "users": 2}, "node": {"members": 2, "fenced_at": 0, "links": 1}}
    two = {"hub": {"topics": 5, "users": 0}, "node": {"members": 2, "fenced_at": 9, "links": 1}}
    assert summed([one, two]) == {
        "hub": {"topics": 6, "users": 2},
        "node": {"members": 2, "fenced_at": 9, "links": 2},
    }


def test_metrics_of_several_have_a_worker_each() -> None:
    text = b"""# HELP messages_total Messages accepted.
# TYPE messages_total counter
messages_total{kind="a"} %d.0
"""
    (family,) = merged([(1, text % 4), (2, text % 7)])
    assert (family.name, family.type, family.documentation) == (
        *("messages", "counter", "Messages accepted."),
    )
    assert [(it.name, it.labels, it.value) for it in family.samples] == [
        ("messages_total", {"kind": "a", "worker": "1"}, 4.0),
        ("messages_total", {"kind": "a", "worker": "2"}, 7.0),
    ]


async def test_the_figures_of_a_worker_that_is_away_are_missing(tmp_path: Path) -> None:
    """And it is told that it is."""
    own = CollectorRegistry()
    Gauge("topics", "Loaded topics.", registry=own).set(3)
    text = generate_latest(await registry_of_all(own, neighbours(tmp_path))).decode()
    told = [line for line in text.splitlines() if not line.startswith("#")]
    assert told == [
        'topics{worker="1"} 3.0',
        'tinode_worker_up{worker="1"} 1.0',
        'tinode_worker_up{worker="2"} 0.0',
    ]
