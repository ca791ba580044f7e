"""What receiving a {pub} costs: stock trio-websocket with json, and our own way to a packet.

Processor time of the receiving thread alone, both ways in turn in one run; the sender is another
process. This module runs as a process of its own, on the server's core.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, wrap_server_stream

from tests.web.parts import frame, handshake, make_world
from tinode_py.live.outbox import ConnectionInfo, Outlet
from tinode_py.wire.codec import WireLimits, decode_json

from .figures import Row, row
from .machine import LOAD_CORE, SERVER_CORE, pin
from .setup import Setup

WRITES = (1, 10, 100)  # messages in one write

PUB = (
    b'{"pub":{"id":"99999","topic":"grpAbCdEfGhIjK","noecho":true,"head":{"mime":"text/x-drafty"},'
    b'"content":{"txt":"A message of an ordinary length, with a bit of markup in it",'
    b'"fmt":[{"at":2}]}}}'
)
ANSWER = b"\x81\x01a"


def send(port: int, messages: int, joined: int) -> None:
    """A client that writes `joined` messages at once, and waits for an answer now and then."""
    pin(LOAD_CORE)
    masked = bytearray(frame(1, PUB))
    start = len(masked) - len(PUB)
    mask = b"\x12\x34\x56\x78"
    masked[start - 4 : start] = mask
    for index in range(len(PUB)):
        masked[start + index] ^= mask[index % 4]
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(handshake())
        sock.recv(4096)
        for _ in range(messages // joined):
            sock.sendall(bytes(masked) * joined)
            if joined == 1:
                sock.recv(16)  # so that every message is read by itself
        sock.recv(16)


class Timer:
    """Processor time of this thread from the first message to the last."""

    def __init__(self, messages: int, *, answers: bool) -> None:
        self.left = messages
        self.answers = answers
        self.began = 0.0
        self.taken = 0.0
        self.done = trio.Event()

    def count(self) -> bool:
        """Whether the sender waits for an answer."""
        self.began = self.began or time.thread_time()
        self.left -= 1
        if not self.left:
            self.taken = time.thread_time() - self.began
            self.done.set()
        return self.answers or not self.left


async def stock(listener: trio.SocketListener, timer: Timer) -> None:
    """The library as it is meant to be used; its answers go around it, as ours do."""

    async def converse(request: WebSocketRequest, stream: trio.SocketStream) -> None:
        websocket = await request.accept()
        with suppress(ConnectionClosed):
            while True:
                json.loads(await websocket.get_message())
                if timer.count():
                    await stream.send_all(ANSWER)

    async def connected(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            await converse(await wrap_server_stream(nursery, stream), stream)

    await trio.serve_listeners(connected, [listener])


async def ours(listener: trio.SocketListener, timer: Timer) -> None:
    limits = WireLimits(message_size=131_072, depth=256)

    class Taker:
        def __init__(self, outlet: Outlet, info: ConnectionInfo) -> None:
            self.outlet = outlet

        async def receive(self, message: str | bytes) -> None:
            assert isinstance(message, str)
            decode_json(message, limits)
            if timer.count():
                self.outlet.push(ANSWER)

        def end(self) -> None:
            pass

    world = make_world({})
    world.front._new_session = Taker
    await world.front.serve([listener])


async def measure(way: Callable[..., Awaitable[None]], messages: int, joined: int) -> float:
    """Microseconds per message."""
    timer = Timer(messages, answers=joined == 1)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    client = multiprocessing.get_context("spawn").Process(
        target=send, args=(port, messages, joined)
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(way, listener, timer)
        client.start()
        await timer.done.wait()
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(client.join)
    return timer.taken / messages * 1e6


async def main(messages: int) -> None:
    for joined in WRITES:
        library, own = await measure(stock, messages, joined), await measure(ours, messages, joined)
        print(joined, library, own, flush=True)


def receiving(setup: Setup) -> Iterator[Row]:
    """From the socket to a decoded packet; a unit is a message."""
    command = [sys.executable, "-m", "tests.benchmarks.receiving", str(setup.sized(20_000, 400))]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=partial(pin, SERVER_CORE)
    )
    for line in done.stdout.splitlines():
        joined, library, own = line.split()
        figures = {"cost": float(own), "naive_cost": float(library)}
        work = f"{joined} in a write" + (", each answered" if joined == "1" else "")
        yield row(work, share=float(own) / float(library), **figures)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
