"""Ten times the sustainable rate, for ten seconds: into one topic, and into a thousand.

First as much as there can be with a few messages of each author unanswered: the sustainable
rate. Then ten times as many a second are offered, whatever is answered. What a socket does not
take waits in the load, and what still waits there at the end is never sent: TCP has held it back.
Of what was sent each must be answered 202 and reach its readers, or be answered 503. Meanwhile
and afterwards two other people write to each other: when is their p99 what it was?
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import trio

from tinode_py import ids
from tinode_py.changes import Batch
from tinode_py.store.sqlite import open_sqlite

from .arriving import Wanted, come
from .beside import Beside, beside, private_messages
from .figures import LOAD_BOUND, Row, part, row
from .load import Client, close, publication
from .machine import forget_peak, peak, resident
from .people import Person, group_of
from .setup import SILENT, Server, Setup, serving
from .work import BUSY

AUTHORS = 20
TOPICS = 1000
TIMES, SECONDS = 10, 10.0
TICK = 0.01
_MARK = b"@"  # one byte of each message, and of nothing else
_CONTENT = "@" + "x" * 99
_TAKEN, _REFUSED = b'"code":202', b'"code":503'
_KEEP = len(_TAKEN) - 1
_PATIENCE = 60.0
_NORMAL = 2.0  # times the p99 before
_LEAST = 10.0  # milliseconds, below which p99 is normal anyhow


def bursts(setup: Setup) -> Iterator[Row]:
    seconds = max(0.5, SECONDS * setup.size)
    for name, topics in (("one topic", 1), (f"{TOPICS:,} topics", setup.sized(TOPICS, AUTHORS))):
        folder, people = setup.settled(2 * AUTHORS + 2, pairs=AUTHORS + 1)
        authors, readers = people.everybody[:AUTHORS], people.everybody[AUTHORS : 2 * AUTHORS]
        seats = _one(authors) if topics == 1 else _many(authors, readers, topics)
        trio.run(_write, folder / "tinode.db", seats)
        with serving(folder, *SILENT) as (pid, port):
            server = Server(pid, port, people, folder)
            yield _burst(setup, server, name, Crowd.of(port, seats), seconds)


# --- who is there ------------------------------------------------------------------------


@attrs.frozen
class Seat:
    """A topic: who writes to it, and who else reads it."""

    topic: str
    authors: tuple[Person, ...]
    readers: tuple[Person, ...] = ()


def _one(authors: Sequence[Person]) -> list[Seat]:
    """All in one group: each reads what the others write."""
    return [Seat("grp" + ids.new_body(_random), tuple(authors))]


def _many(authors: Sequence[Person], readers: Sequence[Person], topics: int) -> list[Seat]:
    """Groups of two; each author writes to many."""
    return [
        Seat(
            "grp" + ids.new_body(_random),
            (authors[n % len(authors)],),
            (readers[n % len(readers)],),
        )
        for n in range(topics)
    ]


def _random(count: int) -> bytes:
    with open("/dev/urandom", "rb") as source:
        return source.read(count)


async def _write(path: Path, seats: Sequence[Seat]) -> None:
    async with open_sqlite(path, inline=True) as store:
        for seat in seats:
            users = [person.user for person in (*seat.authors, *seat.readers)]
            await store.commit(Batch(tuple(group_of(seat.topic, users, 1))))


@attrs.define(eq=False)
class Peer:
    """One connection: what waits to be sent, and what has come."""

    client: Client
    frames: list[bytes]  # to its topics in turns; none for who only reads
    waiting: int = 0
    cut: bytes = b""  # the rest of a frame of which TCP took a part
    sent: int = 0
    turn: int = 0
    accepted: int = 0
    refused: int = 0
    delivered: int = 0
    tail: bytes = b""

    @property
    def answered(self) -> int:
        return self.accepted + self.refused

    def send(self, most: int) -> None:
        """Some of what waits, as far as TCP takes it."""
        count = min(most, self.waiting)
        some = [self.frames[(self.turn + n) % len(self.frames)] for n in range(count)]
        data = self.cut + b"".join(some)
        if not data:
            return
        try:
            took = self.client.socket.send(data)
        except BlockingIOError:
            return
        ends = len(self.cut)
        if took < ends:
            self.cut = self.cut[took:]
            return
        self.cut = b""
        for n, frame in enumerate(some, 1):
            if took <= ends:  # nothing of this one was taken
                count = n - 1
                break
            ends += len(frame)
            if took < ends:
                self.cut = frame[took - ends :]
                count = n
                break
        self.waiting -= count
        self.sent += count
        self.turn += count

    def take(self, data: bytes) -> None:
        self.delivered += data.count(_MARK)
        joined = self.tail + data
        self.accepted += joined.count(_TAKEN)
        self.refused += joined.count(_REFUSED)
        self.tail = joined[-_KEEP:]


class Crowd:
    """Authors and readers of all topics."""

    def __init__(self, peers: list[Peer], fan: int) -> None:
        self.peers = peers
        self.authors = [peer for peer in peers if peer.frames]
        self.fan = fan  # how many read each message
        self._epoll = select.epoll()
        self._found = {peer.client.socket.fileno(): peer for peer in peers}
        for peer in peers:
            peer.client.quiet()
            peer.client.socket.setblocking(False)
            self._epoll.register(peer.client.socket.fileno(), select.EPOLLIN)

    @classmethod
    def of(cls, port: int, seats: Sequence[Seat]) -> Crowd:
        persons = {p.user: p for seat in seats for p in (*seat.authors, *seat.readers)}
        topics: dict[str, list[str]] = {user: [] for user in persons}
        written: dict[str, list[bytes]] = {user: [] for user in persons}
        for seat in seats:
            for person in (*seat.authors, *seat.readers):
                topics[person.user].append(seat.topic)
            for person in seat.authors:
                written[person.user].append(publication(seat.topic, _CONTENT))
        wanted = [Wanted(person, tuple(topics[user])) for user, person in persons.items()]
        clients = come(port, wanted)
        peers = [
            Peer(client, written[it.person.user])
            for client, it in zip(clients, wanted, strict=True)
        ]
        return cls(peers, len(seats[0].authors) + len(seats[0].readers) - 1)

    def listen(self, patience: float) -> None:
        for fd, _ in self._epoll.poll(patience):
            peer = self._found[fd]
            data = peer.client.socket.recv(262_144)
            if not data:
                raise ConnectionError("the server has closed a session")
            peer.take(data)

    def total(self, name: str) -> int:
        return sum(getattr(peer, name) for peer in self.peers)

    def settled(self) -> bool:
        """Whether all that was sent is answered, and all that was accepted has arrived."""
        missing = self.total("sent") - self.total("answered")
        return missing == 0 and self.total("delivered") >= self.total("accepted") * self.fan

    def sustain(self, seconds: float, flight: int = 8) -> float:
        """Publications a second, if each author has so many unanswered."""
        began, before = time.perf_counter(), self.total("accepted")
        while time.perf_counter() < began + seconds:
            for author in self.authors:
                author.waiting = flight - (author.sent - author.answered)
                author.send(flight)
            self.listen(0.1)
        rate = (self.total("accepted") - before) / (time.perf_counter() - began)
        for author in self.authors:
            author.waiting = 0
        self.calm()
        return rate

    def offer(self, rate: float, seconds: float) -> int:
        """So many a second, whatever becomes of them; how many could not be sent."""
        began, offered = time.perf_counter(), 0
        while (now := time.perf_counter()) < began + seconds:
            due = int((now - began) * rate)
            for n in range(offered, due):
                self.authors[n % len(self.authors)].waiting += 1
            offered = max(offered, due)
            for author in self.authors:
                author.send(256)
            self.listen(0)
            if (left := now + TICK - time.perf_counter()) > 0:
                self.listen(left)
        held_back = sum(author.waiting for author in self.authors)
        for author in self.authors:
            author.waiting = 0
        return held_back

    def calm(self) -> float:
        """Seconds until all was answered and has arrived, or until patience has ended."""
        began = time.perf_counter()
        while not self.settled() and time.perf_counter() < began + _PATIENCE:
            for author in self.authors:
                author.send(0)  # the rest of a frame
            self.listen(0.1)
        return time.perf_counter() - began

    def close(self) -> None:
        self._epoll.close()
        close(peer.client for peer in self.peers)


# --- what happens ------------------------------------------------------------------------


def _burst(setup: Setup, server: Server, name: str, crowd: Crowd, seconds: float) -> Row:
    for author in crowd.authors:  # so that little is on its way that nobody has read
        author.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    rate = crowd.sustain(setup.seconds)
    counted = ("sent", "accepted", "refused", "delivered")
    with beside(private_messages(server.port, *server.people.pairs[-1]), 0.02) as others:
        time.sleep(setup.seconds)
        before = {it: crowd.total(it) for it in counted}
        forget_peak(server.pid)
        rss, load, began = resident(server.pid), time.process_time(), time.perf_counter()
        held_back = crowd.offer(TIMES * rate, seconds)
        load = (time.process_time() - load) / (time.perf_counter() - began)
        ended = time.perf_counter()
        drained = crowd.calm()
        grown = peak(server.pid) - rss
        time.sleep(max(setup.seconds, 0.5))
    sent, accepted, refused, delivered = (crowd.total(it) - before[it] for it in counted)
    missing = accepted - delivered // crowd.fan
    crowd.close()
    late = sorted(it for when, it in others.times if began <= when < ended + drained)
    return row(
        name,
        *([LOAD_BOUND] if load > BUSY else []),
        *([f"{others.errors} errors of others"] if others.errors else []),
        rate=rate,
        offered=sent + held_back,
        unsent=held_back,
        accepted=accepted,
        refused=refused,
        lost=sent - accepted - refused + missing,
        drained=drained,
        recovered=recovered_after(others, began, ended),
        p50=part(late, 0.5),
        p99=part(late, 0.99),
        grown=grown / (1 << 20),
        load=load,
    )


def recovered_after(others: Beside, began: float, ended: float) -> float:
    """Seconds after the end of the burst from which on 99 of 100 of them take what is normal."""
    before = sorted(it for when, it in others.times if when < began)
    bound = max(_LEAST, _NORMAL * part(before, 0.99))
    after = [(when - ended, it) for when, it in others.times if when >= ended]
    for n, (since, _) in enumerate(after):
        rest = [it for _, it in after[n:]]
        if sum(it > bound for it in rest) <= len(rest) / 100:
            return max(0.0, since) if n else 0.0
    return after[-1][0] if after else _PATIENCE
