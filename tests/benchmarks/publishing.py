"""Publications: one group with many readers, many conversations of two, many rooms of five."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import attrs

from .arriving import Wanted, come
from .figures import Row, row
from .load import Client, Sockets, close, publication, session, size_of
from .machine import resident
from .people import Person, mute
from .setup import SILENT, Server, Setup, naive, raw, serving
from .work import Exchange, FanOut, Part, Sum, Way, alone, beside, in_turns

AUDIENCES = (100, 1000, 5000)
_NAIVE_MOST = 20_000  # deliveries in flight, which take the naive server a second
_LOUD_MOST = 1000  # more tell each other of their coming millions of times
_MIB = 1 << 20


# --- fan-out -----------------------------------------------------------------------------


def fan_out(setup: Setup) -> Iterator[Row]:
    """One group, everybody in it and on `me`, one of them writes: JSON, CBOR, half of each."""
    counts = [setup.sized(count) for count in AUDIENCES]
    for count, packets in ((n, "JSON") for n in counts):
        yield from _audience(setup, count, packets)
    for packets in ("CBOR", "mixed"):
        yield from _audience(setup, counts[1], packets)


def _audience(setup: Setup, count: int, packets: str) -> Iterator[Row]:
    folder, people = setup.settled(count + 1)
    if count > _LOUD_MOST:
        mute(folder / "tinode.db", people.hall)
    with ExitStack() as stack:
        pid, port = stack.enter_context(serving(folder, *SILENT))
        server = Server(pid, port, people, folder)
        ours = _ours(server, count, packets)
        one = ours.each // count
        raws = _strangers(*stack.enter_context(raw("fan-out", len(ours.frame), one)), ours)
        naives = _naive_readers(*stack.enter_context(naive("fan-out")), ours)
        alone = 0.0
        for flight in (1, 16):
            those = (ours, raws, naives)[: 3 if count * flight <= _NAIVE_MOST else 2]
            ways = [Way(it.pid, it.work(flight)) for it in those]
            sums = in_turns(setup.seconds, setup.rounds, *ways)
            figures = beside(*sums) | {"resident": resident(server.pid) / _MIB}
            alone = alone or sums[0].rate
            if flight > 1:
                figures["times"] = sums[0].rate / alone
            work = f"{count:,} sessions, {packets}, {flight} in flight"
            yield row(work, *_notes(*sums), **figures)
        for audience in (ours, raws, naives):
            close([audience.author, *audience.readers], audience.sockets)


@attrs.frozen
class Audience:
    """Those who are there, on one of the servers. `each`: bytes of a message to all together."""

    pid: int
    author: Client
    readers: Sequence[Client]
    sockets: Sockets
    frame: bytes
    each: int

    def work(self, flight: int) -> FanOut:
        return FanOut(self.author, self.sockets, len(self.readers), self.frame, self.each, flight)


def _ours(server: Server, count: int, packets: str) -> Audience:
    everybody, hall = server.people.everybody, server.people.hall
    author = session(server.port, everybody[0], "me", hall)
    wanted = [
        Wanted(person, ("me", hall), _binary(packets, n))
        for n, person in enumerate(everybody[1 : count + 1])
    ]
    readers = come(server.port, wanted)
    return audience(server.pid, author, readers, hall)


def _binary(packets: str, n: int) -> bool:
    return packets == "CBOR" or (packets == "mixed" and n % 2 == 1)


def audience(pid: int, author: Client, readers: Sequence[Client], topic: str) -> Audience:
    """Readers who have had one message, by which its size is known."""
    frame = publication(topic)
    for client in (author, *readers):
        client.quiet()
    author.socket.sendall(frame)
    sizes = {kind: size_of(it.packet("data")) for kind, it in _one_of_each(readers)}
    each = sum(sizes[reader.cbor] for reader in readers)
    author.packet("ctrl")
    sockets = Sockets(readers)
    sockets.drain()
    return Audience(pid, author, readers, sockets, frame, each)


def _one_of_each(readers: Sequence[Client]) -> list[tuple[bool, Client]]:
    return list({reader.cbor: reader for reader in reversed(readers)}.items())


def _strangers(pid: int, port: int, ours: Audience) -> Audience:
    """As many connections to the raw loop."""
    author = Client.connect(port)
    readers = [Client.connect(port) for _ in ours.readers]
    each = ours.each // len(readers) * len(readers)
    return Audience(pid, author, readers, Sockets(readers), ours.frame, each)


def _naive_readers(pid: int, port: int, ours: Audience) -> Audience:
    author, *readers = (_upgraded(port) for _ in range(len(ours.readers) + 1))
    return audience(pid, author, readers, "grp")


def _upgraded(port: int) -> Client:
    client = Client.connect(port)
    client.upgrade()
    return client


def _notes(*sums: Sum) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for it in sums for note in it.notes))


# --- durable -----------------------------------------------------------------------------


def pairs(setup: Setup) -> Iterator[Row]:
    """Conversations of two, both on `me` and in the conversation, one of them writes."""
    count = setup.sized(100)
    with setup.serving(2 * count, pairs=count) as server:
        talk = couples(server)
        for flight, sums in _compared(setup, talk, (1, 8), with_naive=True):
            figures = beside(*sums) | {"resident": resident(server.pid) / _MIB}
            yield row(f"{count} pairs, {flight} in flight", *_notes(*sums), **figures)
        talk.close()


def rooms(setup: Setup) -> Iterator[Row]:
    """Groups of five, one of them writes; conversations of two in turns with them, of others.
    Then everybody has a second device, which is on `me` and hears of each message there.
    """
    count = setup.sized(50)
    couple_count = setup.sized(100)
    with setup.serving(0, rooms=count, pairs=couple_count) as server:
        work = f"{count} rooms of 5, 4 in flight"
        talk, private = _groups(server), couples(server)
        more = Way(server.pid, private.exchange(4))
        for _, (ours, raws, pair) in _compared(setup, talk, (4,), more):
            figures = beside(ours, raws) | {"times": ours.cost / pair.cost}
            yield row(work, *_notes(ours, raws, pair), **figures)
        with _second_devices(server, talk) as one, _second_devices(server, private) as other:
            ways = [Way(server.pid, it.exchange(4)) for it in (one, other)]
            ours, pair = in_turns(setup.seconds, setup.rounds, *ways)
        figures = alone(ours) | {"times": ours.cost / pair.cost}
        yield row(f"{work}, two devices each", *_notes(ours, pair), **figures)
        talk.close()
        private.close()


@attrs.frozen
class Talk:
    """Conversations of so many each, one of whom writes."""

    pid: int
    persons: Sequence[Person]
    each: int
    clients: Sequence[Client]
    sockets: Sockets
    parts: Sequence[Part]
    ack: int
    out: int

    def exchange(self, flight: int, times: list[tuple[float, float]] | None = None) -> Exchange:
        return Exchange(self.parts, self.sockets, flight, times)

    def close(self) -> None:
        close(self.clients, self.sockets)


def couples(server: Server) -> Talk:
    """All pairs of the store."""
    people = [(pair, (pair[1].user, pair[0].user)) for pair in server.people.pairs]
    return _talk(server, people)


def _groups(server: Server) -> Talk:
    rooms = enumerate(server.people.rooms)
    return _talk(server, [(server.people.members(r), (room,) * 5) for r, room in rooms])


def _talk(server: Server, people: Sequence[tuple[Sequence[Person], Sequence[str]]]) -> Talk:
    """Each with his name for the topic; the first writes."""
    wanted = [
        Wanted(person, ("me", topic))
        for persons, topics in people
        for person, topic in zip(persons, topics, strict=True)
    ]
    clients = come(server.port, wanted)
    size = len(people[0][0])
    frames = [publication(topics[0]) for _, topics in people]
    for client in clients:
        client.quiet()
    ack, out = sizes(clients[0], clients[1], frames[0])
    for client in clients:
        client.quiet()
    parts = [
        Part(client, b"" if n % size else frames[n // size], out if n % size else ack)
        for n, client in enumerate(clients)
    ]
    sockets = Sockets(clients)
    sockets.drain()
    persons = [it.person for it in wanted]
    return Talk(server.pid, persons, size, clients, sockets, parts, ack, out)


@contextmanager
def _second_devices(server: Server, talk: Talk) -> Iterator[Talk]:
    """The same conversations, whose people have another session each, on `me` alone. A message
    is there when all of them have heard of it.
    """
    more = come(server.port, [Wanted(person, ("me",)) for person in talk.persons])
    everybody = [*talk.clients, *more]
    sockets = Sockets(everybody)
    sockets.drain()
    for client in everybody:
        client.socket.setblocking(True)
    talk.parts[0].client.socket.sendall(talk.parts[0].frame)
    own, others = (size_of(client.packet("pres")) for client in more[:2])  # his names no author
    parts = [Part(client, b"", others if n % talk.each else own) for n, client in enumerate(more)]
    sockets.drain()
    for client in everybody:
        client.socket.setblocking(False)
    yield attrs.evolve(talk, clients=everybody, sockets=sockets, parts=[*talk.parts, *parts])
    close(more, sockets)


def sizes(author: Client, reader: Client, frame: bytes) -> tuple[int, int]:
    """Bytes of the answer to a publication, and of what a reader gets."""
    author.socket.sendall(frame)
    return size_of(author.packet("ctrl")), size_of(reader.packet("data"))


def _compared(
    setup: Setup, talk: Talk, flights: Sequence[int], *more: Way, with_naive: bool = False
) -> Iterator[tuple[int, list[Sum]]]:
    """For each flight: ours, the raw limit, the naive way if wanted, and what else there is."""
    with ExitStack() as stack:
        database = setup.path("raw.db")
        size = len(talk.parts[0].frame)
        way = raw("durable", database, talk.each, size, talk.ack, talk.out)
        others = [raw_talk(*stack.enter_context(way), talk)]
        if with_naive:
            way = naive("durable", setup.path("naive.db"), talk.each)
            others.append(_naive_talk(*stack.enter_context(way), talk))
        for flight in flights:
            ways = [Way(it.pid, it.exchange(flight)) for it in (talk, *others)]
            yield flight, in_turns(setup.seconds, setup.rounds, *ways, *more)
        for other in others:
            other.close()


def raw_talk(pid: int, port: int, ours: Talk) -> Talk:
    """As many connections, without a handshake."""
    clients = [Client.connect(port) for _ in ours.clients]
    parts = [attrs.evolve(p, client=c) for p, c in zip(ours.parts, clients, strict=True)]
    return attrs.evolve(ours, pid=pid, clients=clients, sockets=Sockets(clients), parts=parts)


def _naive_talk(pid: int, port: int, ours: Talk) -> Talk:
    clients = [_upgraded(port) for _ in ours.clients]
    ack, out = sizes(clients[0], clients[1], ours.parts[0].frame)
    for client in clients:
        client.quiet()
    parts = [
        Part(client, part.frame, ack if part.frame else out)
        for part, client in zip(ours.parts, clients, strict=True)
    ]
    sockets = Sockets(clients)
    return attrs.evolve(
        ours, pid=pid, clients=clients, sockets=sockets, parts=parts, ack=ack, out=out
    )
