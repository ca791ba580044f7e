"""Sends over plain HTTP beside publications of a websocket.

One conversation of two, the receiver attached, everything kept on the disk; in turns, in one
run, the server on one core:

- a POST without a body, which is refused (405) at once: what reading and answering cost;
- the same with a key, refused by the business API (400): routes and the key as well;
- a publication over the websocket, one and fifty in flight;
- a message sent by `POST /v1/messages`;
- fifty sent by one `POST /v1/messages/batch`, told per message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import attrs

from .business import Asked, add_key, request
from .figures import Row, row
from .load import KEY, TEXT, Client, Sockets, publication, session
from .people import People
from .publishing import sizes
from .setup import SILENT, Setup, serving
from .work import Exchange, Part, Sum, Way, in_turns

BATCH = 50


def sends(setup: Setup) -> Iterator[Row]:
    folder, people = setup.settled(2, pairs=1)
    key = add_key(folder / "tinode.db")
    with serving(folder, *SILENT) as (pid, port):
        yield from Sending(pid, port, people, key).compare(setup.seconds, setup.rounds)


@attrs.frozen
class Asking:
    """One request after the other on one connection. A unit is a request, or `units` in it."""

    connection: Asked
    data: bytes
    status: bytes
    units: int = 1

    def __call__(self, deadline: float) -> int:
        done = 0
        while time.perf_counter() < deadline:
            self.connection.sock.sendall(self.data)
            head, body = self.connection.answer()
            assert head.split()[1] == self.status, (head, body)
            assert self.status == b"400" or b'"status":4' not in body, body
            done += self.units
        return done


@attrs.frozen
class Sending:
    """A server that runs, a pair of people, and a key."""

    pid: int
    port: int
    people: People
    key: str

    def compare(self, seconds: float, rounds: int) -> Iterator[Row]:
        one, other = self.people.pairs[0]
        author = session(self.port, one, "me", other.user)
        reader = session(self.port, other, "me", one.user)
        for client in (author, reader):
            client.quiet()
        frame = publication(other.user)
        ack, out = sizes(author, reader, frame)
        reader.quiet()
        sockets = Sockets([author, reader])
        sockets.drain()
        parts = [Part(author, frame, ack), Part(reader, b"", out)]
        sent = {"from": one.user, "user": other.user, "content": TEXT}
        kinds: dict[str, Callable[[float], int]] = {
            "post": self._asking(request("POST", f"/v0/channels?apikey={KEY}", body=b""), b"405"),
            "keyed": self._asking(request("POST", "/v1/messages", self.key, b""), b"400"),
            "socket": Exchange(parts, sockets, 1),
            "socket50": Exchange(parts, sockets, BATCH),
            "single": self._asking(request("POST", "/v1/messages", self.key, sent), b"202"),
            "batch": self._asking(self._batch(sent), b"200", BATCH),
        }
        ways = [Way(self.pid, Drained(work, sockets)) for work in kinds.values()]
        sums = in_turns(seconds, rounds, *ways)
        yield from _rows(dict(zip(kinds, sums, strict=True)))

    def _batch(self, sent: dict[str, str]) -> bytes:
        return request("POST", "/v1/messages/batch", self.key, {"messages": [sent] * BATCH})

    def _asking(self, data: bytes, status: bytes, units: int = 1) -> Asking:
        client = Client.connect(self.port)
        return Asking(Asked(client.socket), data, status, units)


@attrs.frozen
class Drained:
    """Work after which nothing is under way."""

    work: Callable[[float], int]
    sockets: Sockets

    def __call__(self, deadline: float) -> int:
        units = self.work(deadline)
        self.sockets.drain(0.05)
        return units


def _rows(sums: Mapping[str, Sum]) -> Iterator[Row]:
    cost = {name: it.cost for name, it in sums.items()}
    alone, many, single = cost["socket"], cost["socket50"], cost["single"]
    yield row("a POST that is refused at once (405)", cost=cost["post"])
    yield row("a POST with a key that the business API refuses (400)", cost=cost["keyed"])
    yield row("a publication over the websocket, 1 in flight", cost=alone)
    yield row(f"the same, {BATCH} in flight", cost=many)
    yield row("a single send", cost=single)
    both = (cost["post"] + alone, cost["keyed"] + alone)
    yield row("the same beside POST and publication together", times=single / both[0])
    yield row("the same beside POST with a key and publication", times=single / both[1])
    batch = cost["batch"]
    yield row(f"a message of a batch of {BATCH}", cost=batch)
    yield row("the same beside a publication, 1 in flight", times=batch / alone)
    yield row(f"the same beside a publication, {BATCH} in flight", times=batch / many)
