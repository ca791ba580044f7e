"""`python -m tests.benchmarks.sending`: sends over plain HTTP beside publications of a websocket.

One conversation of two, the receiver attached, everything kept on the disk; in turns, in one
run, the server on one core:

- a POST without a body, which is refused (405) at once: what reading and answering cost;
- the same with a key, refused by the business API (400): routes and the key as well;
- a publication over the websocket, one and fifty in flight;
- a message sent by `POST /v1/messages`;
- fifty sent by one `POST /v1/messages/batch`, told per message.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from .business import add_key, request
from .load import KEY, Client, Exchange, Figures, Part, Sockets, measured, session
from .machine import LOAD_CORE, pin
from .measures import TEXT, _publication, _quiet, _sizes
from .people import People, settle
from .scale import serving

BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sending")
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(dir=options.data) as scratch:
        folder = Path(scratch) / "data"
        people = settle(folder, 2, pairs=1, rooms=0)
        key = add_key(folder / "tinode.db")
        quiet = ("server.ping_seconds=3600", "server.read_timeout=3600")  # nobody answers pings
        with serving(folder, *quiet) as (pid, port):
            print(Sending(pid, port, people, key).compare(options.seconds, options.rounds))


@attrs.frozen
class Asking:
    """One request after the other on one connection. A unit is a request, or `units` in it."""

    sock: socket.socket
    data: bytes
    status: bytes
    units: int = 1

    def __call__(self, deadline: float) -> int:
        done = 0
        while time.perf_counter() < deadline:
            self.sock.sendall(self.data)
            head, body = self._answer()
            assert head.split()[1] == self.status, (head, body)
            assert self.status == b"400" or b'"status":4' not in body, body
            done += self.units
        return done

    def _answer(self) -> tuple[bytes, bytes]:
        came = b""
        while b"\r\n\r\n" not in came:
            came += self._received()
        head, _, body = came.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < size:
            body += self._received()
        return head, body

    def _received(self) -> bytes:
        data = self.sock.recv(262_144)
        if not data:
            raise ConnectionError("the server has closed")
        return data


@attrs.frozen
class Sending:
    """A server that runs, a pair of people, and a key."""

    pid: int
    port: int
    people: People
    key: str

    def compare(self, seconds: float, rounds: int) -> str:
        one, other = self.people.pairs[0]
        author = session(self.port, one, "me", other.user)
        reader = session(self.port, other, "me", one.user)
        for client in (author, reader):
            _quiet(client)
        ack, out = _sizes(author, reader, other.user)
        _quiet(reader)
        sockets = Sockets([author, reader])
        sockets.drain()
        frame = _publication(other.user)
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
        costs: dict[str, list[Figures]] = {name: [] for name in kinds}
        for n in range(rounds + 1):
            for name, work in kinds.items():
                figures = measured(self.pid, seconds if n else 0.5, work)
                sockets.drain(0.1)
                if n:
                    costs[name].append(figures)
        return _line({name: statistics.median(f.cost for f in fs) for name, fs in costs.items()})

    def _batch(self, sent: dict[str, str]) -> bytes:
        return request("POST", "/v1/messages/batch", self.key, {"messages": [sent] * BATCH})

    def _asking(self, data: bytes, status: bytes, units: int = 1) -> Asking:
        client = Client.connect(self.port)
        return Asking(client.socket, data, status, units)


def _line(cost: dict[str, float]) -> str:
    single, socket = cost["single"], cost["socket"]
    return (
        f"sends: a POST of nothing {cost['post']:.0f} µs, with a key {cost['keyed']:.0f} µs, a"
        f" publication {socket:.0f} µs ({cost['socket50']:.0f} µs with {BATCH} in flight);"
        f" a single send {single:.0f} µs, {single / (cost['post'] + socket):.2f} and"
        f" {single / (cost['keyed'] + socket):.2f} times POST and publication; of a batch of"
        f" {BATCH}"
        f" {cost['batch']:.0f} µs each, {cost['batch'] / cost['socket']:.2f} and"
        f" {cost['batch'] / cost['socket50']:.2f} times a publication"
    )


if __name__ == "__main__":
    main()
