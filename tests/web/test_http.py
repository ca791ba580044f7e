"""Between h11 and an app: answers that are taken over, bodies that do not come, bytes that lie."""

from __future__ import annotations

import socket
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from starlette.routing import Route

from tests.web.parts import NewWorld, Reader, World, request
from tinode_py.web.http import App, Message, Receive, Scope, Send, Way

PIECES = [b"one", b"x" * 100_000, b"three"]


class Taking:
    """An app that takes every answer over, and sends pieces when it is told to."""

    def __init__(self) -> None:
        self.go = trio.Event()
        self.ended = 0
        self.failed: list[BaseException] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        scope["state"]["take_over"](self.run)

    async def run(self, way: Way) -> None:
        try:
            await way.send(b"begun")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._left, way, nursery.cancel_scope)
                await self.go.wait()
                nursery.cancel_scope.cancel()
            if self.go.is_set():
                for piece in PIECES:
                    await way.send(piece)
                await way.end()
        except BaseException as error:
            self.failed.append(error)
            raise
        finally:
            self.ended += 1

    async def _left(self, way: Way, scope: trio.CancelScope) -> None:
        await way.wait_left()
        scope.cancel()


async def all_of(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_that_is_taken_over(serving: NewWorld, autojump_clock, version: str):
    app = Taking()
    async with serving(routes=[Route("/taken", app)]) as world:
        client = world.connect()
        await client.send_all(request(target="/taken", version=version))
        app.go.set()
        head, _, body = (await all_of(client)).partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/{version} 200".encode())
        assert b"\r\ndate: " in head
        assert (b"transfer-encoding: chunked" in head.lower()) is (version == "1.1")
        whole = unchunked(body) if version == "1.1" else body
        assert whole == b"begun" + b"".join(PIECES)
        if version == "1.1":
            assert body.endswith(b"\r\n0\r\n\r\n")
    assert (app.ended, app.failed) == (1, [])


async def test_who_leaves_ends_it(serving: NewWorld, autojump_clock):
    app = Taking()
    async with serving(routes=[Route("/taken", app)]) as world:
        client = world.connect()
        await client.send_all(request(target="/taken"))
        await Reader(client).head()
        await client.aclose()
        await world.front.wait_empty()
        assert (app.ended, app.failed) == (1, [])


async def test_who_does_not_read_is_given_up(serving: NewWorld, autojump_clock):
    """After the write deadline; nobody else is held up by it."""
    app = Taking()
    async with serving(routes=[Route("/taken", app)]) as world:
        mine, theirs = trio.testing.lockstep_stream_pair()
        world.front.adopt(theirs)
        await mine.send_all(request(target="/taken"))
        began = trio.current_time()
        await world.front.wait_empty()
        assert trio.current_time() - began == pytest.approx(10)
        assert app.ended == 1


async def test_a_drain_waits_for_what_was_taken_over(serving: NewWorld, autojump_clock):
    app = Taking()
    async with serving(routes=[Route("/taken", app)]) as world:
        client = world.connect()
        await client.send_all(request(target="/taken"))
        reader = Reader(client)
        await reader.head()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.front.drain, 5)
            await trio.sleep(1)
            app.go.set()
            rest = reader.seen + await all_of(client)
        assert unchunked(rest).endswith(b"three")


@attrs.frozen
class Plain:
    """A function as an app: Starlette gives functions a request and wants a response."""

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says what it was given."""
    seen: list[Message] = []
    while not seen or seen[-1].get("more_body"):
        seen.append(await receive())
    kinds = [message["type"].rpartition(".")[2] for message in seen]
    body = b"".join(message.get("body", b"") for message in seen)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{kinds[-1]} {len(body)}".encode()})


async def test_a_body_that_is_cut_off_is_no_end(serving: NewWorld, autojump_clock):
    async with serving(routes=[Route("/read", Plain(read_all), methods=["POST"])]) as world:
        client = world.connect()
        await client.send_all(request("POST", "/read", {"Content-Length": "10"}) + b"abc")
        await client.send_eof()
        assert (await all_of(client)).endswith(b"\r\ndisconnect 3\r\n0\r\n\r\n")


LENGTHS = ["Content-Length: 5", "Transfer-Encoding: chunked"]


@pytest.mark.parametrize("order", [LENGTHS, LENGTHS[::-1]], ids=["length first", "chunks first"])
async def test_two_ends_are_refused(serving: NewWorld, autojump_clock, order: list[str]):
    """Who stands before us may have believed the other one (request smuggling)."""
    async with serving(routes=[Route("/read", Plain(read_all), methods=["POST"])]) as world:
        client = world.connect()
        lines = ["POST /read HTTP/1.1", "Host: x", *order, "", ""]
        smuggled = b"0\r\n\r\n" + request(target="/health/live")
        await client.send_all("\r\n".join(lines).encode() + smuggled)
        reader = Reader(client)
        assert (await reader.answer())[0] == 400
        assert await reader.ended()


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ZeroDivisionError("a bug of ours")


async def test_a_bug_in_the_midst_of_an_answer_ends_the_connection(
    serving: NewWorld, autojump_clock, caplog: Any
):
    """Without an end of the body: the client sees that it has not all of it."""
    async with serving(routes=[Route("/fail", Plain(fail))]) as world:
        client = world.connect()
        await client.send_all(request(target="/fail"))
        assert (await all_of(client)).endswith(b"half\r\n")
        await world.front.wait_empty()
    assert "ZeroDivisionError" in caplog.text


def connected(world: World) -> trio.SocketStream:
    """The client's end of a connection over real sockets: what is small they take at once."""
    mine, theirs = trio.socket.socketpair()
    world.front.adopt(trio.SocketStream(theirs))
    return trio.SocketStream(mine)


async def test_who_sends_many_requests_at_once_keeps_nobody_waiting(serving: NewWorld):
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with serving() as world, trio.open_nursery() as nursery:
        client = connected(world)
        await client.send_all(request(target="/health/live") * 50)
        nursery.start_soon(others)
        reader = Reader(client)
        for _ in range(50):
            assert (await reader.answer())[0] == 200
        await client.aclose()
        nursery.cancel_scope.cancel()
    assert turns > 25


class Held:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go = trio.Event(), trio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"secret"})


async def test_an_answer_reaches_nobody_else(serving: NewWorld):
    """A connection was reset meanwhile, and its descriptor is another's."""
    app = Held()
    async with serving(routes=[Route("/held", app)]) as world:
        mine, theirs = trio.socket.socketpair()
        world.front.adopt(trio.SocketStream(theirs))
        number = theirs.fileno()
        await mine.send(request(target="/held"))
        await app.asked.wait()
        world.front.break_off()
        pair = socket.socketpair()
        with pair[0], pair[1]:
            assert number in (pair[0].fileno(), pair[1].fileno())
            other = pair[0] if pair[1].fileno() == number else pair[1]
            app.go.set()
            await world.front.wait_empty()
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(100)
        mine.close()
