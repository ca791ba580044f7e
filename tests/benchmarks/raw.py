"""The raw limit: what one core does if a server does nothing but the unavoidable.

A bare epoll loop that writes frames made in advance, to the same number of sockets, frames of
the same length as the server's; for durable work with one SQLite transaction for all that
waits, which writes the rows that the server writes. Started as a process of its own:

    python -m tests.benchmarks.raw fan-out IN OUT
    python -m tests.benchmarks.raw durable DATABASE GROUP IN ACK OUT
    python -m tests.benchmarks.raw page DATABASE IN OUT
    python -m tests.benchmarks.raw websocket [SECONDS]

The last one is a bare trio-websocket server, which pings each connection so often.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import select
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

_CHUNK = 65_536
_SCHEMA = Path(__file__).parents[2] / "schema" / "sqlite"


class Loop:
    """Accepts, and hands what came to `serve`: connections by number, messages from each."""

    def __init__(self, size: int, serve: Callable[[Loop, list[tuple[int, int]]], None]) -> None:
        self._size = size
        self._serve = serve
        self.sockets: list[socket.socket] = []
        self._rest: list[int] = []

    def run(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        epoll = select.epoll()
        epoll.register(listener.fileno(), select.EPOLLIN)
        numbers: dict[int, int] = {}
        print(f"raw on {listener.getsockname()[1]}", file=sys.stderr, flush=True)
        while True:
            came = []
            for fd, _ in epoll.poll():
                if fd == listener.fileno():
                    numbers[self._accept(listener, epoll)] = len(numbers)
                elif count := self._read(numbers[fd]):
                    came.append((numbers[fd], count))
                else:
                    epoll.unregister(fd)
            if came:
                self._serve(self, came)

    def _accept(self, listener: socket.socket, epoll: select.epoll) -> int:
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets.append(accepted)
        self._rest.append(0)
        epoll.register(accepted.fileno(), select.EPOLLIN)
        return accepted.fileno()

    def _read(self, n: int) -> int:
        """How many messages have come to an end; 0 at the end of the connection."""
        received = len(self.sockets[n].recv(_CHUNK))
        count, self._rest[n] = divmod(self._rest[n] + received, self._size)
        return count


def _frame(size: int) -> bytes:
    return b"\x81\x7e" + (size - 4).to_bytes(2, "big") + b"x" * (size - 4)


def fan_out(size: int, out: int) -> Loop:
    """What the first connection sends goes to all others."""
    frame = _frame(out)

    def serve(loop: Loop, came: list[tuple[int, int]]) -> None:
        for _, count in came:
            joined = frame * count
            for peer in itertools.islice(loop.sockets, 1, None):
                os.write(peer.fileno(), joined)

    return Loop(size, serve)


# --- durable -----------------------------------------------------------------------------

_STATEMENTS = (
    "INSERT INTO message (topic, seq, sender, ts, head, content) VALUES (?, ?, ?, ?, NULL, ?)",
    "UPDATE topic_tail SET seq = ?, touched = ? WHERE topic = ?",
    "UPDATE subscription SET read = ?, recv = ? WHERE topic = ? AND user = ?",
    "UPDATE inbox_tail SET last = ? WHERE user = ?",
    "INSERT INTO inbox (user, n, topic, seq, ts, kind) VALUES (?, ?, ?, ?, ?, '')",
)


class Writer:
    """The rows of publications, one transaction for many; inboxes only in groups of two."""

    def __init__(self, path: str, group: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for script in sorted(_SCHEMA.glob("*.sql")):
            self._db.executescript(script.read_text("utf-8"))
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._group = group
        self._seq: dict[int, int] = {}
        self._content = f'"{0:0100}"'

    def _row(self, topic: int) -> None:
        name, now = f"p2p{topic:022}", 0
        run = self._db.execute
        run("INSERT INTO topic_tail VALUES (?, 0, ?, 0)", (name, now))
        for user in range(topic, topic + self._group):
            row = (name, f"usr{user:011}", 0, 0, 255, 255, None, 0, 0, 0, 0, "")
            run(f"INSERT INTO subscription VALUES ({', '.join('?' * len(row))})", row)
            if self._group == 2:
                run("INSERT INTO inbox_tail VALUES (?, 1, 0)", (f"usr{user:011}",))
        self._seq[topic] = 0

    def write(self, came: Sequence[tuple[int, int]]) -> None:
        now = time.time_ns() // 1_000_000
        rows: list[list[tuple[Any, ...]]] = [[] for _ in _STATEMENTS]
        messages, tails, marks, lasts, places = rows
        self._db.execute("BEGIN IMMEDIATE")
        for n, count in came:
            if n not in self._seq:
                self._row(n)
            first = self._seq[n] + 1
            last = self._seq[n] = self._seq[n] + count
            name, user, peer = f"p2p{n:022}", f"usr{n:011}", f"usr{n + 1:011}"
            messages += [(name, s, user, now, self._content) for s in range(first, last + 1)]
            tails.append((last, now, name))
            marks.append((last, last, name, user))
            if self._group == 2:
                for one in (user, peer):
                    lasts.append((last, one))
                    places += [(one, s, name, s, now) for s in range(first, last + 1)]
        for sql, those in zip(_STATEMENTS, rows, strict=True):
            self._db.executemany(sql, those)
        self._db.execute("COMMIT")


def durable(path: str, group: int, size: int, ack: int, out: int) -> Loop:
    """Every `group`-th connection publishes to those that follow it."""
    writer = Writer(path, group)
    answer, frame = _frame(ack), _frame(out)

    def serve(loop: Loop, came: list[tuple[int, int]]) -> None:
        writer.write(came)
        for n, count in came:
            os.write(loop.sockets[n].fileno(), answer * count)
            for peer in loop.sockets[n + 1 : n + group]:
                os.write(peer.fileno(), frame * count)

    return Loop(size, serve)


SELECT_PAGE = "SELECT * FROM message WHERE topic = ? ORDER BY seq DESC LIMIT 24"


def filled_topics(path: str) -> list[str]:
    """Topics with a page each, written if they are not there."""
    if not Path(path).exists():
        Writer(path, 2).write([(n, 24) for n in range(0, 200, 2)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [row[0] for row in db.execute("SELECT DISTINCT topic FROM message").fetchall()]


def page(path: str, size: int, out: int) -> Loop:
    """A range read of 24 rows, and as many bytes as the server's page has."""
    topics = filled_topics(path)
    db = sqlite3.connect(path, isolation_level=None)
    frame = _frame(out) if out < 65_536 else b"x" * out

    def serve(loop: Loop, came: list[tuple[int, int]]) -> None:
        for n, count in came:
            for _ in range(count):
                assert len(db.execute(SELECT_PAGE, (topics[n],)).fetchall()) == 24
                os.write(loop.sockets[n].fileno(), frame)

    return Loop(size, serve)


async def websocket(pause: float = math.inf) -> None:
    """A bare trio-websocket server that answers nothing, and pings after each `pause`."""

    async def serve(request: WebSocketRequest) -> None:
        connection = await request.accept()
        async with trio.open_nursery() as nursery:
            if pause < math.inf:
                nursery.start_soon(_ping, connection, pause)
            with contextlib.suppress(ConnectionClosed):
                await connection.get_message()
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        served = await nursery.start(serve_websocket, serve, "127.0.0.1", 0, None)
        print(f"raw on {served.port}", file=sys.stderr, flush=True)


async def _ping(connection: WebSocketConnection, pause: float) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await trio.sleep(pause)
            await connection.ping()


def main(kind: str, *arguments: str) -> None:
    if kind == "websocket":
        trio.run(websocket, float(arguments[0]) if arguments else math.inf)
    made: Mapping[str, Callable[..., Loop]] = {
        "fan-out": fan_out,
        "durable": durable,
        "page": page,
    }
    made[kind](*(int(a) if a.isdecimal() else a for a in arguments)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
