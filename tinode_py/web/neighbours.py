"""The other workers on this machine, for requests that come in at the wrong one.

A request may come in at any worker. What is about a session that polls, or about all workers, is
asked of the worker that knows, over a Unix socket that only this user can open: plain HTTP, a
connection for each request. The other side is `neighbour_door`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
import h11
import msgspec
import trio

from ..worker import Worker
from .head import RequestHead

STATISTICS = "/statistics"
SOON = 1.0  # seconds for figures
LONGEST = 67_108_864  # bytes of an answer; a packet is shorter than any outbox
_PIECE = 65_536
_OF_THIS_CONNECTION = frozenset(
    b"connection keep-alive te trailer transfer-encoding upgrade expect content-length host"
    b" accept-encoding".split()
)
_BROKEN = (OSError, trio.BrokenResourceError, h11.RemoteProtocolError)
_OF_THE_WHOLE = frozenset({"members", "fenced_at"})  # each worker says the same; when last
T = TypeVar("T")


class Away(Exception):
    """A worker does not answer: it has ended, or is stuck."""


@attrs.frozen
class Answered:
    """What a worker has answered."""

    status: int
    body: bytes


@attrs.frozen
class Neighbours:
    """The other workers, as seen by one."""

    worker: Worker
    longest: int = LONGEST

    def numbers(self) -> tuple[int, ...]:
        """Those there are to be."""
        own = self.worker.number
        return tuple(it for it in range(1, self.worker.count + 1) if it != own)

    async def hand_on(
        self, number: int, head: RequestHead, body: bytes, patience: float
    ) -> Answered:
        """Have a worker answer a request as if it had come in there. Away, also if it takes more
        than `patience` seconds.

        Cancelled, the other worker sees that the client has gone.
        """
        headers = [(k, v) for k, v in head.headers if k not in _OF_THIS_CONNECTION]
        with trio.move_on_after(patience):
            return await self._ask(number, head.method, head.target, headers, body)
        raise Away

    async def figures(self, number: int, path: str) -> bytes:
        """A page of figures of a worker. Away."""
        with trio.move_on_after(SOON):
            answer = await self._ask(number, "GET", path, [], b"")
            if answer.status == 200:
                return answer.body
        raise Away

    async def user_of(self, number: int, sid: str) -> str | None:
        """Who a polling session of a worker is: None if there is none, or nobody says; empty if it
        is not logged in.
        """
        with trio.move_on_after(SOON):
            path = f"/session/{quote(sid, safe='', errors='replace')}"  # a client may say anything
            try:
                answer = await self._ask(number, "GET", path, [], b"")
            except Away:
                return None
            return answer.body.decode() if answer.status == 200 else None
        return None

    async def of_all(self, ask: Callable[[int], Awaitable[T]]) -> dict[int, T]:
        """What each of the others says, by number; those that are away are not in it."""
        found: dict[int, T] = {}

        async def put(number: int) -> None:
            with contextlib.suppress(Away):
                found[number] = await ask(number)

        async with trio.open_nursery() as nursery:
            for number in self.numbers():
                nursery.start_soon(put, number)
        return found

    async def _ask(
        self,
        number: int,
        method: str,
        target: str,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
    ) -> Answered:
        parser = h11.Connection(h11.CLIENT)
        own = [(b"host", b"worker"), (b"connection", b"close")]
        if body:
            own.append((b"content-length", str(len(body)).encode()))
        request = h11.Request(method=method, target=target, headers=[*headers, *own])
        events = (request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage())
        try:
            async with await trio.open_unix_socket(self.worker.door(number)) as stream:
                await stream.send_all(b"".join(parser.send(event) or b"" for event in events))
                return await _answer(parser, stream, self.longest)
        except _BROKEN as error:
            raise Away from error


async def _answer(parser: h11.Connection, stream: trio.SocketStream, most: int) -> Answered:
    status, body = 0, bytearray()
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await stream.receive_some(_PIECE))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > most:
                raise trio.BrokenResourceError("an answer of a worker is too long")
        elif isinstance(event, h11.EndOfMessage):
            return Answered(status, bytes(body))


async def figures_of_all(
    own: dict[str, dict[str, int]], neighbours: Neighbours | None
) -> dict[str, Any]:
    """The figures of a server, which may be several workers, and the process that people see."""
    if neighbours is None:
        return {**own, "process": os.getpid()}
    texts = await neighbours.of_all(lambda number: neighbours.figures(number, STATISTICS))
    kind = dict[str, dict[str, int]]
    theirs = [msgspec.json.decode(text, type=kind) for text in texts.values()]
    workers = {"count": neighbours.worker.count, "answering": len(theirs) + 1}
    return {"workers": workers, **summed([own, *theirs]), "process": os.getppid()}


def summed(all_figures: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Figures of several workers as those of one server."""
    found: dict[str, dict[str, int]] = {}
    for figures in all_figures:
        for part, counts in figures.items():
            into = found.setdefault(part, {})
            for name, count in counts.items():
                both = (into.get(name, 0), count)
                into[name] = max(both) if name in _OF_THE_WHOLE else sum(both)
    return found
