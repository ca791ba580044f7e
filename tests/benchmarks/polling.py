"""Long polling: a private message that is fetched by a poll, beside one that goes to a websocket;
and what a session that polls holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import attrs

from .business import Asked, request
from .figures import Row, row
from .load import KEY, Client, Sockets, close, publication, session
from .machine import resident
from .people import Person
from .publishing import sizes
from .setup import Setup
from .work import Exchange, Part, Way, in_turns

_PATH = f"/v0/channels/lp?apikey={KEY}"
HELD = 500
_SETTINGS = (
    "web.longpoll.per_address=100000",
    "web.longpoll.poll_seconds=3600",
    "web.longpoll.life_seconds=7200",
)


@attrs.frozen
class Poller:
    """A session over plain HTTP: one connection for packets, one for polls."""

    packets: Asked
    polls: Asked
    path: str

    @classmethod
    def log_in(cls, port: int, person: Person, *topics: str) -> Poller:
        packets, polls = (Asked(Client.connect(port).socket) for _ in range(2))
        made = json.loads(packets.ask(request("POST", _PATH, body=b"")))
        poller = cls(packets, polls, f"{_PATH}&sid={made['ctrl']['params']['sid']}")
        poller.call({"hi": {"id": "1", "ver": "0.24", "ua": "benchmark"}})
        poller.call({"login": {"id": "1", "scheme": "token", "secret": person.token}})
        for topic in topics:
            poller.call({"sub": {"id": "1", "topic": topic}})
        return poller

    def call(self, packet: object) -> None:
        self.packets.ask(request("POST", self.path, body=packet))
        while '"id":"1"' not in (said := self.poll()):
            pass
        assert json.loads(said)["ctrl"]["code"] < 400, said

    def poll(self) -> str:
        return self.polls.ask(request("GET", self.path)).decode()

    def close(self) -> None:
        self.packets.sock.close()
        self.polls.sock.close()


@attrs.frozen
class _Fetched:
    """A message goes when the one before was fetched. A unit is a message."""

    author: Client
    poller: Poller
    frame: bytes

    def __call__(self, deadline: float) -> int:
        done = 0
        while time.perf_counter() < deadline:
            self.author.socket.sendall(self.frame)
            while '{"data"' not in self.poller.poll():
                pass
            self.author.quiet()
            done += 1
        return done


def polling(setup: Setup) -> Iterator[Row]:
    count = setup.sized(HELD)
    with setup.serving(count + 4, *_SETTINGS, pairs=2) as server:
        (one, other), (left, right) = server.people.pairs
        author, reader = (
            session(server.port, one, other.user),
            Poller.log_in(server.port, other, one.user),
        )
        near = session(server.port, left, right.user), session(server.port, right, left.user)
        ack, out = sizes(*near, publication(right.user))
        sockets = Sockets(near)
        parts = [Part(near[0], publication(right.user), ack), Part(near[1], b"", out)]
        fetched = _Fetched(author, reader, publication(other.user))
        ways = (Way(server.pid, fetched), Way(server.pid, Exchange(parts, sockets, 1)))
        polled, direct = in_turns(setup.seconds, setup.rounds, *ways)
        work = "a private message to a websocket, 1 in flight"
        yield row(work, cost=direct.cost, rate=direct.rate, load=direct.load)
        yield row(
            "the same, fetched by a poll",
            cost=polled.cost,
            rate=polled.rate,
            times=polled.cost / direct.cost,
            load=polled.load,
        )
        close([author, *near], sockets)
        before = resident(server.pid)
        held = [Poller.log_in(server.port, it, "me") for it in server.people.everybody[4:]]
        for poller in held:
            poller.polls.sock.sendall(request("GET", poller.path))
        time.sleep(0.5)
        each = (resident(server.pid) - before) / count / 1024
        yield row(f"{count:,} sessions that poll, on `me`", each=each)
        for poller in (reader, *held):
            poller.close()
